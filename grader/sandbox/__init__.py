"""Starts the processes in which submissions run, limits and ends them. It imports of the worker only the wire.

`in_process` is the exception by nature: it runs a submission in the judge's own process, for the debugger, and its
score does not count.
"""

SANDBOXES = ("auto", "bubblewrap", "user", "process", "in-process")
