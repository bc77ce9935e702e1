"""What only an instructor has: classes, their pages, gradebooks, releases, and the doctor. It never leaves."""
