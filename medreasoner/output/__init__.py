"""What a run becomes: files, overlays and segmentation formats."""
