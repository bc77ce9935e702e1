"""From one repository to every place where the assignment is used; only instructors have this package."""
