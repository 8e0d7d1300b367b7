"""Requirements files, read by pip's own rules: what a job installs, from where, and what pip would refuse."""
