"""Gradebooks of other systems: what they export is read, what they import is written. Knows rows, never a verdict."""

FILE_NAMES = {name: f"gradebook-{name}.csv" for name in ("canvas", "moodle", "csv")}
"""What is written for each format into the folder of a class run, unless told otherwise."""
