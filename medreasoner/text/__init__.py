"""Places in an image as text: place names with the boxes they are true of, and coordinates in sentences."""
