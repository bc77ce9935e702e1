"""Grades a class: many submissions, whatever they are, on all cores or on a cluster, without ever losing a result."""
