"""Finding what may go into an archive: trees of files, ignore rules, modules."""
