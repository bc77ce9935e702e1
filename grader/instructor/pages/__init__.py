"""The pages of a class: a report per student, an overview of the class, a comparison of two runs, and look-alikes."""
