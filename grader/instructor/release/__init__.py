"""Build releases of the assignment for students, Gradescope and GitHub Classroom. For instructors only."""
