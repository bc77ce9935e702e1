"""From a class run to a gradebook: whose attempt counts, what lateness takes, and files that other systems import."""

FILE_NAMES = {name: f"gradebook-{name}.csv" for name in ("canvas", "moodle", "csv")}
"""What is written for each format into the folder of a class run, unless told otherwise."""
