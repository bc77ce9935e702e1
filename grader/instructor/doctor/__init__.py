"""`python -m grader doctor`: what the sandboxes of this machine enforce, shown by trying to break out of them."""
