"""Files of data: by their path below the data root, or uploaded under a name."""
