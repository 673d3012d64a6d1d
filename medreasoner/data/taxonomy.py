"""The category table: what a clinician knows of each target, and in which words it is asked for.

Is: the reader of `categories/*.yaml` (fields in `categories/README.md`) and the leak check.
Is not: tied to any one data set; `targets` names the classes of the sources it was written for.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

FOLDER = Path(__file__).parent / "categories"
REGIONS = ("largest", "whole", "sides")


@dataclass(frozen=True)
class Category:
    """One target; see `categories/README.md` for the fields."""

    name: str
    supercategory: str
    modality: str
    targets: dict[str, list[str]]
    region: str
    synonyms: list[str]
    look: list[str]
    place: list[str]
    role: list[str]
    questions: list[str]
    held_out: list[str]

    def __post_init__(self):
        if self.region not in REGIONS:
            raise ValueError(f"category {self.name!r}: region must be one of {REGIONS}, got {self.region!r}")

    def leaks(self, question: str) -> str | None:
        """The name or synonym that gives the target away in `question`, or None."""
        for word in (self.name, *self.synonyms):
            if re.search(r"\b" + re.escape(word.lower()), question.lower()):
                return word
        return None


@cache
def categories(folder: Path = FOLDER) -> dict[str, Category]:
    """All categories by name, in file order; ValueError names a file whose entry lacks a field or repeats a name."""
    table: dict[str, Category] = {}
    for path in sorted(folder.glob("*.yaml")):
        for entry in yaml.safe_load(path.read_text(encoding="utf-8")):
            try:
                category = Category(**entry)
            except TypeError as error:
                raise ValueError(f"{path.name}: the entry {entry.get('name')!r} does not have the fields of Category ({error})") from None
            if category.name in table:
                raise ValueError(f"{path.name}: the category {category.name!r} is there twice")
            table[category.name] = category
    return table
