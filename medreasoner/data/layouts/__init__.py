"""What a row of each layout means: the project's own, the published U-MRG schema, a CSV list of images."""
