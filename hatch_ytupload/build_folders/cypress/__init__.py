"""A build folder on a cluster, over ytsaurus-client."""
