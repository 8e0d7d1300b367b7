"""Running an operation on this machine, the way a job runs."""
