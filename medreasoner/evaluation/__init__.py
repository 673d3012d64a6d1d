"""Scoring a model on a set of samples: `run.evaluate` is the way in."""
