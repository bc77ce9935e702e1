"""`python -m grader doctor`: test what the sandboxes of this machine enforce, by trying to break out of them."""
