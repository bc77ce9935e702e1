"""Render a result as a terminal table, as a page of HTML and as Gradescope's results.json.

This package uses only the result model of the judge.
"""
