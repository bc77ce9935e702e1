"""The judge of submissions: `pytest grader/` for students, `python -m grader` for instructors."""
