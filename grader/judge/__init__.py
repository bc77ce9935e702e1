"""Trusted: tasks and points, oracles, tolerances, misconceptions, verdicts. No code of a student runs here."""
