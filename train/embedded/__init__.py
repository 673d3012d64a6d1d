"""Training of the embedded pair, the small VLM and segmenter that are shipped with the library: what only
they need."""
