"""One file per segmenter family."""
