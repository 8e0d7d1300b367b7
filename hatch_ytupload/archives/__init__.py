"""Reading archives and answering questions about them."""
