"""Samples: what one is (`sample`), reading them (`load`), making them (`build`, `write`, `taxonomy`)."""
