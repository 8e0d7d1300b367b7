"""Reading archives safely, ours and foreign ones."""
