"""The rules of releases: publishing, rolling back, what a build folder keeps."""
