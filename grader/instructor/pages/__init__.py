"""The pages of a class: a report for each student, the class at a glance, two runs compared, look-alikes."""
