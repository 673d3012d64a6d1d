"""Words about places in an image: place names with the boxes they are true of, and coordinates in running text."""
