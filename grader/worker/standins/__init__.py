"""Trusted stand-ins, one file per task, for the tasks that another task leans on.

The judge sends their source text to a worker, never the one of the task under check, so that these files need not
lie within a worker's reach. They are built on torch.distributions and import nothing of the project. Of a distribution
they read mean and logvar alone: a student who changed how `std` and `var` follow from them loses no other task by it.

A stand-in takes whatever a usual student's part takes. For a method, REPLACES names the class and the method, which is
a function of the same name here. For a part of the model there is a mixin that is put over the student's own class, so
that his attributes and helper methods stay reachable. EXPECTS says what it can be called with, for the message of a
call that it cannot answer.
"""
