"""The judge of submissions: `pytest grader/` for students, `python -m grader` for instructors, `check` in notebooks."""


def check(tasks: str = "", file: str = "", seed: int = 0) -> None:
    """Print the report of `pytest grader/ -m TASKS` on the saved file. The first call takes a few seconds longer.

    Args:
        tasks: A task id, or an expression as `kl or nll`; empty for all tasks.
        file: The file to grade; empty for assignment/VAE_Model.py.
        seed: Random seed for the test inputs.
    """
    from grader.grading.cells import cells  # here, because every part of the grader imports this module

    print(cells().report(tasks, file, seed))
