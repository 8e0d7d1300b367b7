"""What people ask about archives and pipelines: what is in it, what differs, is it sound, why is a file in it."""
