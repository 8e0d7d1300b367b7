"""Settings and the project: what builds and publishes are made from."""
