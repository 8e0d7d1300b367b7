"""Where archives go: build folders in Cypress and on disk, and the releases in them."""
