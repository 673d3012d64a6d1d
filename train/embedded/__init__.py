"""Training of the small pair that is shipped with the library: what only it needs."""
