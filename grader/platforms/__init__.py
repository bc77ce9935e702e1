"""Grades one submission in an instructor's place, where a platform asks for it, with the seed of its content.

Whatever happens, the platform gets a result in its own format. Only the standard library is needed before the grader
itself starts, in a process of its own.
"""
