"""Commands for instructors: class runs, their pages, gradebooks, releases and the doctor. Students never get these."""
