"""Building a set of samples from images with masks: `builder.Builder` is the way in."""
