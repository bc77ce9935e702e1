"""What `pip install -e .` puts on the import path, so that `python -m grader` and `vae-grader` work in every folder.

Nothing else of the project is installed: a worker must not be able to import an answer.
"""
