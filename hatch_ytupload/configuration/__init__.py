"""Settings and the project: what a build and a publish are told."""
