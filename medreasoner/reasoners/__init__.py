"""One file per way of running a vision-language model."""
