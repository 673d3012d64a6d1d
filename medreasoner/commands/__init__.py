"""What one can type: one file per command, see `cli.py`."""
