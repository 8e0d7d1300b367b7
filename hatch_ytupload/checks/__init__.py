"""What would stop a job, found before it runs."""
