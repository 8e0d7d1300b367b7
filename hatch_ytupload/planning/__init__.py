"""What goes into an archive: settings become a plan."""
