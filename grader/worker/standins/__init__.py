"""Correct stand-ins for the tasks that other tasks depend on, one file per task.

The judge sends the source text of stand-ins to a worker, but never that of the task being checked. So workers do not
need access to these files. Stand-ins use torch.distributions and import nothing of the project. They read only mean
and logvar of a distribution: if a student's `std` and `var` are wrong, no other task fails because of them.

A stand-in accepts the inputs that a typical student's solution accepts. For a method, REPLACES names the class and the
method; the file defines a function of that name. For a part of the model, the file defines a mixin for the student's
own class, so that the student's attributes and helper methods still work. EXPECTS describes the valid arguments; it is
used in the message about a call that the stand-in cannot handle.
"""
