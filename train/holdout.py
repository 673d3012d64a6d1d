"""Which training cases are held back, to choose a model by (`--hold_back` in training, `train/compare.py
--dev` afterwards)."""

import hashlib
from collections.abc import Iterable


def held_back_cases(cases: Iterable[str]) -> frozenset[str]:
    """Those of all training `cases` (patients or studies, "SET/PATIENT") that are held back: one in sixteen,
    but none of a set that has no other case, for nothing else shows what that set shows."""
    cases = frozenset(cases)
    chosen = {case for case in cases if is_chosen(case)}
    trained = {_set_of(case) for case in cases - chosen}
    return frozenset(case for case in chosen if _set_of(case) in trained)


def is_chosen(case: str, one_in: int = 16) -> bool:
    """One case in `one_in`, by the SHA-256 of its name alone."""
    return int(hashlib.sha256(case.encode()).hexdigest(), 16) % one_in == 0


def _set_of(case: str) -> str:
    return case.rpartition("/")[0]
