"""What a GPU makes of a 7B model and of the embedded pair: one command, one JSON, one table (`gpu.sh`)."""
