"""What the jobs of this pipeline share: lines to requests, requests to sessions, rows in and out."""
