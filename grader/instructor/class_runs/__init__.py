"""Grade a whole class, on all cores or on a cluster. An interrupted run can be resumed without losing a result."""
