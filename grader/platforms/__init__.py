"""Grade one submission on a platform (Gradescope or GitHub Classroom), with the seed derived from its content.

The platform always gets a result in its own format, also after an error. Only the standard library is needed before the
grader itself starts, in a separate process.
"""
