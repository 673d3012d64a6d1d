"""Keeps the splits apart: near-copies and patients of the evaluation images are left out of training."""

from collections.abc import Iterable
from pathlib import Path

from medreasoner.data.build.cleaning import forget
from medreasoner.data.build.duplicates import HashIndex

COPY = "training image like a validation image"
COPY_WITHIN = "image like an earlier one of its split"
HELD = "its case is kept for evaluation"


class Screening:
    """Decides about the lines of stage 1 one after another; images kept for evaluation must come first.

    Args:
        held_cases: patients of whom an image is kept for evaluation.
        distinct: leave out near-copies within a split too.
        out: the set's folder, where files of what is left out are deleted.
        earlier: lines that were decided before.
    """

    def __init__(self, held_cases: set[str], distinct: bool, out: Path, earlier: Iterable[dict]) -> None:
        self._held_cases, self._distinct, self._out = held_cases, distinct, out
        self._hashes = {True: HashIndex(), False: HashIndex()}  # by whether kept for evaluation
        for line in earlier:
            if line.get("hash"):
                self._hashes[line["split"] != "train"].add(bytes.fromhex(line["hash"]))

    def admit(self, line: dict) -> dict:
        """`line` of stage 1, without its targets if the image or its patient is in another split already."""
        reason = self._why_not(line)
        if reason is None:
            return line
        forget(line, self._out)
        names = [target["name"] for target in line["targets"]] + [part["target"] for part in line["rejects"]]
        bare = {key: value for key, value in line.items() if key not in ("hash", "wh", "image")}
        return bare | {"targets": [], "rejects": [{"target": name, "reason": reason} for name in names]}

    def _why_not(self, line: dict) -> str | None:
        """The reason to leave an image out; where there is none, its hash is remembered."""
        held = line["split"] != "train"
        if not held and line["case"] in self._held_cases:
            return HELD
        if line.get("hash"):
            code = bytes.fromhex(line["hash"])
            if not held and self._hashes[True].has_near(code):
                return COPY
            if self._distinct and self._hashes[held].has_near(code):
                return COPY_WITHIN
            self._hashes[held].add(code)
        return None
