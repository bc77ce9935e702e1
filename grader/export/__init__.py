"""From a class run to a gradebook: whose attempt counts, what lateness takes, and files that other systems import."""
