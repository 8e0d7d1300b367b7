"""A plan becomes an archive with its manifest, in a bundle."""
