"""Export a class run as a gradebook: choose the attempts that count, apply the late policy, write files to import."""

FILE_NAMES = {name: f"gradebook-{name}.csv" for name in ("canvas", "moodle", "csv")}
"""Default name of the gradebook for each format, in the folder of the class run."""
