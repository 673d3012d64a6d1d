"""The same work in the project's way and by stock parts, as one would do it instead: the ratios of both."""
