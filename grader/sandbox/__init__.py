"""Start, limit and end the processes that run submissions. The only module imported from the worker is `wire`.

`in_process` is the exception: it runs a submission in the judge's own process, for debugging, and the score does not
count.
"""

SANDBOXES = ("auto", "bubblewrap", "user", "process", "in-process")
