"""Publishes a folder of samples as a data set for the Hub, after people have reviewed it."""
