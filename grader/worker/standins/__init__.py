"""Trusted stand-ins, one file per task, for the tasks that another task leans on.

The judge sends their source text to a worker, never the one of the task under check, so that these files need not
lie within a worker's reach. They are built on torch.distributions and import nothing of the project. Of a distribution
they read mean and logvar alone: a student who changed how `std` and `var` follow from them loses no other task by it.
"""
