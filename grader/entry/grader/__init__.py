"""Stands for the grader where the project is not the current folder; see __main__.py."""
