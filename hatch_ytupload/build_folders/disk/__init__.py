"""A build folder on disk."""
