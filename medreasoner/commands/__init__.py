"""What one can type: one file per command; the parser is `cli.py`."""
