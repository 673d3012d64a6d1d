"""The taxonomy: modalities, super-categories and categories as one table, and which of them a source means.

Reads `taxonomy.yaml` (names and synonyms) and `categories/*.yaml` (the categories with wordings, fields in
`categories/README.md`). It is not tied to any one data set: `targets` names the classes of the sources that
the wordings were written for.

    python -m medreasoner.data.taxonomy
"""

import re
from functools import cache
from pathlib import Path

import yaml

from medreasoner.data.category import Category, Modality, Supercategory, Term

FOLDER = Path(__file__).parent / "categories"
FILE = Path(__file__).parent / "taxonomy.yaml"
_BRACKETS_AND_DASHES = re.compile(r"\([^()]*+\)|[_-]")
_SPELLINGS = (
    ("tumor", "tumour"),
    ("hemorrhage", "haemorrhage"),
    ("esophagus", "oesophagus"),
    ("ischemic", "ischaemic"),
)


@cache
def categories(folder: Path = FOLDER) -> dict[str, Category]:
    """All categories with wordings by name, in file order.

    ValueError names a file whose entry lacks a field or repeats a name.
    """
    table: dict[str, Category] = {}
    for path in sorted(folder.glob("*.yaml")):
        for entry in yaml.safe_load(path.read_text(encoding="utf-8")):
            missing = [name for name in Category.__dataclass_fields__ if name not in entry]
            if missing:
                raise ValueError(f"{path.name}: the entry {entry.get('name')!r} has no {', '.join(missing)}")
            _add(table, entry, path)
    return table


def _add(table: dict[str, Category], entry: dict, path: Path) -> None:
    try:
        category = Category(**entry)
    except TypeError as error:
        raise ValueError(
            f"{path.name}: the entry {entry.get('name')!r} does not have the fields of Category ({error})"
        ) from None
    if category.name in table:
        raise ValueError(f"{path.name}: the category {category.name!r} is there twice")
    if supercategory_of(category.supercategory) is None:
        raise ValueError(
            f"{path.name}: the super-category {category.supercategory!r} of {category.name!r} is not in {FILE.name}"  # noqa: E501
        )
    if category.modality and modality_of(category.modality) is None:
        raise ValueError(
            f"{path.name}: the modality {category.modality!r} of {category.name!r} is not in {FILE.name}"
        )
    table[category.name] = category


@cache
def named() -> dict[str, Category]:
    """The categories that are known by name only."""
    table: dict[str, Category] = {}
    for entry in _vocabulary()["categories"]:
        _add(table, entry, FILE)
    return table


@cache
def modalities() -> dict[str, Modality]:
    return {entry["name"]: Modality(**entry) for entry in _vocabulary()["modalities"]}


@cache
def supercategories() -> dict[str, Supercategory]:
    return {entry["name"]: Supercategory(**entry) for entry in _vocabulary()["supercategories"]}


def modality_of(text: str) -> str | None:
    """Which of the ten modalities a source means by `text` ("PET/CT (fused slice)" is CT), or None."""
    return _named_in(modalities(), text)


def supercategory_of(text: str) -> str | None:
    """Which of the fifteen super-categories a source means by `text`, or None: "non-neoplasm" is
    non-neoplastic lesion.
    """
    return _named_in(supercategories(), text)


def find(name: str, modality: str, table: dict[str, Category]) -> Category | None:
    """The category that a source calls `name` in images of `modality`, or None.

    It is one of `table` if its wordings are for that modality, else one without wordings (and without a
    modality).
    """
    wanted = _plain(name)
    known = next(
        (c for c in (*table.values(), *categories().values(), *named().values()) if _plain(c.name) == wanted),
        None,
    )
    if known and known.modality and modality_of(known.modality) != modality_of(modality):
        return Category(known.name, known.supercategory, synonyms=known.synonyms)
    return known


@cache
def _vocabulary() -> dict:
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


def _named_in(terms: dict[str, Term], text: str) -> str | None:
    wanted = _plain(text)
    return next(
        (term.name for term in terms.values() if wanted in map(_plain, (term.name, *term.synonyms))), None
    )


def _plain(text: str) -> str:
    """One spelling of a name: lower case, British, without what stands in brackets, words apart by single
    spaces.
    """
    text = _BRACKETS_AND_DASHES.sub(" ", text.lower())
    for other, ours in _SPELLINGS:
        text = re.sub(rf"\b{other}", ours, text)
    return " ".join(text.split())


def table() -> str:
    """The whole taxonomy in Markdown: one line a category."""
    rows = [(supercategory_of(c.supercategory), c) for c in (*categories().values(), *named().values())]
    order = list(supercategories())
    lines = [
        f"{len(modalities())} modalities: {', '.join(modalities())}",
        f"{len(order)} super-categories, {len(rows)} categories, {len(categories())} of them with wordings\n",
        "| super-category | category | modality | wordings | words that give it away |\n|---|---|---|--:|---|",  # noqa: E501
    ]
    for place, c in sorted(rows, key=lambda row: order.index(row[0])):
        lines.append(
            f"| {place} | {c.name} | {c.modality} | {len(c.questions) + len(c.held_out) or ''} "
            f"| {', '.join(c.synonyms)} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
