"""All that is visible beside a submission: loader, probes and the wire. It knows no expected value.

The folder runs as a program of its own (`python -I grader/worker/__main__.py`) and never imports the rest of the
project. Modules import each other relatively, since the program gives the package its own name.
"""
