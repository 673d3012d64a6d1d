"""A set of samples as a repository on the Hub: parquet files, card, reviews."""
