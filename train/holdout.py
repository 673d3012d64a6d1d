"""Which training cases are held back, to choose a model by (`--hold_back` in training, `train/compare.py
--dev` afterwards)."""

import hashlib


def is_dev(case: str, one_in: int = 16) -> bool:
    """Whether `case` (a patient or study) is held back from training: one in `one_in`, by the SHA-256 of
    its name alone."""
    return int(hashlib.sha256(case.encode()).hexdigest(), 16) % one_in == 0
