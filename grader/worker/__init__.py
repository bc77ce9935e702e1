"""The only part of the grader that a submission can see: loader, probes and wire. It contains no expected values.

The folder runs as a separate program (`python -I grader/worker/__main__.py`) and never imports the rest of the
project. Its modules use relative imports, because the program imports the package under another name (`worker`).
"""
