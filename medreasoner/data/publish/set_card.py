"""The card of a published set, from what was counted while it was written: README.md, croissant.json, a sheet of samples.

Is: counts, licences, gaps and the picture. Is not: the card's words (`cards/dataset.md.jinja`).
"""

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from medreasoner.data.publish import croissant
from medreasoner.data.publish.reviews import Ledger, kappa
from medreasoner.data.sample import Sample
from medreasoner.data.taxonomy import modalities, modality_of
from medreasoner.events import NOTICE
from medreasoner.output.overlay import COLOURS, overlay

if TYPE_CHECKING:
    from datasets import Features

CARDS = Path(__file__).parents[2] / "hub" / "templates"
SHEET, TILE, COLUMNS = 12, 300, 4  # samples on the sheet, pixels of a tile's side, tiles in a row
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
# how sources write a licence -> the Hub's name for it; only what a licence text begins with counts, not what stands in brackets behind it
LICENCES = (
    (r"CC0|CC-0", "cc0-1.0"),
    (r"CC[ -]BY[ -]NC[ -]SA[ -](\d\.\d)", r"cc-by-nc-sa-\1"),
    (r"CC[ -]BY[ -]NC[ -]ND[ -](\d\.\d)", r"cc-by-nc-nd-\1"),
    (r"CC[ -]BY[ -]NC[ -](\d\.\d)", r"cc-by-nc-\1"),
    (r"CC[ -]BY[ -]SA[ -](\d\.\d)", r"cc-by-sa-\1"),
    (r"CC[ -]BY[ -](\d\.\d)", r"cc-by-\1"),
    (r"Apache[ -]2\.0", "apache-2.0"),
    (r"MIT\b", "mit"),
)
FACTS = ("dataset", "licence", "source")  # of a line of samples.jsonl, published as they are
UNSURE = re.compile(r"from memory|reported|unknown|not confirmed", re.IGNORECASE)


@dataclass(frozen=True)
class Entry:
    """One row to publish. `facts` has the FACTS that its line states; `review` is "accepted", "edited" or "not reviewed"."""

    sample: Sample
    split: str
    facts: dict[str, str]
    review: str


class Summary:
    """What was published, counted row by row; of the samples only a few are kept, for the sheet."""

    def __init__(self, books: Sequence[Ledger] = ()):
        self.books = list(books)
        self.splits: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()
        self.skipped: list[str] = []
        self.cells: Counter[tuple[str, str, str, str]] = (
            Counter()
        )  # (modality, supercategory, category, split)
        self.sources: Counter[tuple[str, str, str]] = Counter()  # (dataset, licence, source)
        self.reviews: Counter[str] = Counter()
        self.cases: defaultdict[str, set[str]] = defaultdict(set)  # split -> cases
        self.without: Counter[str] = Counter()  # "a mask", "reasoning"
        self.judged: defaultdict[tuple[str, str], list[tuple[str, str]]] = defaultdict(
            list
        )  # two reviewers -> what both said of a sample
        self._first: dict[tuple[str, str], Sample] = {}  # of a modality, of a category

    def count(self, entry: Entry) -> None:
        """Take in a published row."""
        sample = entry.sample
        self.splits[entry.split] += 1
        self.cells[sample.modality, sample.supercategory or "not stated", sample.category, entry.split] += 1
        self.sources[tuple(entry.facts.get(name) or "not stated" for name in FACTS)] += 1
        self.reviews[entry.review] += 1
        self.cases[entry.split].add(sample.case)
        self.without["a mask"] += sample.mask is None
        self.without["reasoning"] += not sample.think
        for key in (("modality", sample.modality), ("category", sample.category)):
            self._first.setdefault(key, sample)

    def judge(self, sample: Sample) -> None:
        """Take in what the reviewers said of a sample, published or not."""
        said = [(book.reviewer, verdict.decision) for book in self.books if (verdict := book.verdict(sample))]
        for (one, first), (other, second) in itertools.combinations(said, 2):
            self.judged[one, other].append((first, second))

    def shown(self) -> list[Sample]:
        """Samples for the sheet: the first of every modality, then the first of other categories."""
        ordered = sorted(self._first.items(), key=lambda item: item[0][0] != "modality")
        distinct = {sample.id: sample for _, sample in ordered}
        return list(distinct.values())[:SHEET]

    def table(self, column: int) -> list[tuple[str, list[int]]]:
        """Counts by one column of `cells`, with one number a split, largest first."""
        rows: defaultdict[str, Counter] = defaultdict(Counter)
        for cell, number in self.cells.items():
            rows[cell[column]][cell[3]] += number
        ordered = sorted(rows.items(), key=lambda row: (-row[1].total(), row[0]))
        return [(name, [numbers[split] for split in self.splits]) for name, numbers in ordered]

    def gaps(self) -> list[str]:
        """What the set lacks, one sentence each."""
        found = []
        there = {modality_of(name) for name, _ in self.table(0)}
        if missing := [name for name in modalities() if name not in there]:
            found.append(f"No images of: {', '.join(missing)}.")
        if rare := [name for name, numbers in self.table(2) if sum(numbers) == 1]:
            found.append(f"A single sample each of: {'; '.join(rare)}.")
        trained = {category for _, _, category, split in self.cells if split == "train"}
        if trained and (unseen := [name for name, _ in self.table(2) if name not in trained]):
            found.append(f"Not in the training split: {'; '.join(unseen)}.")
        for one, other in itertools.combinations(self.splits, 2):
            if shared := len(self.cases[one] & self.cases[other]):
                found.append(f"Cases that are in both {one} and {other}: {shared}.")
        found += [f"Samples without {what}: {number}." for what, number in self.without.items() if number]
        for (name, text, _), number in sorted(self.sources.items()):
            if licence_id(text) is None:
                found.append(
                    f"Licence to be confirmed before use, samples of {name}: {number}; stated as “{text}”."
                )
        if seen := self.reviews["not reviewed"]:
            found.append(f"Samples that no person has reviewed: {seen}.")
        return found + [
            f"Rows of the source that could not be read and are left out: {len(self.skipped)}."
        ] * bool(self.skipped)


def licence_id(text: str) -> str | None:
    """The Hub's name of the licence that `text` begins with; None if it is none of them, or the text says itself that it is not sure."""
    if UNSURE.search(text):
        return None
    for pattern, name in LICENCES:
        if found := re.match(pattern, text, re.IGNORECASE):
            return found.expand(name)
    return None


def write_card(out: Path, name: str, summary: Summary, files: Sequence[Path], features: "Features") -> None:
    """Write README.md, with the features in its front matter, croissant.json and figures/samples.png for the shards `files`."""
    from datasets import DatasetInfo
    from datasets.info import DatasetInfosDict
    from datasets.splits import SplitDict, SplitInfo
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    (out / "figures").mkdir(exist_ok=True)
    sheet(summary.shown()).save(out / "figures" / "samples.png", optimize=True)
    template = Environment(
        loader=FileSystemLoader(CARDS), undefined=StrictUndefined, keep_trailing_newline=True
    )
    template.filters["cell"] = lambda text: text.replace("|", "\\|").replace("\n", " ")  # of a Markdown table
    text = template.get_template("dataset.md.jinja").render(**_facts(name, summary))
    (out / "README.md").write_text(text, encoding="utf-8")
    sizes = {
        split: sum(path.stat().st_size for path in files if path.name.startswith(f"{split}-"))
        for split in summary.splits
    }
    splits = SplitDict(
        {
            split: SplitInfo(split, num_bytes=sizes[split], num_examples=n)
            for split, n in summary.splits.items()
        }
    )
    total = sum(sizes.values())
    info = DatasetInfo(features=features, splits=splits, download_size=total, dataset_size=total)
    DatasetInfosDict({"default": info}).write_to_directory(out)
    croissant.write(out, name, licences(summary), files, features)


def licences(summary: Summary) -> list[str]:
    """The Hub's names of all licences in the set, "other" for one that has none."""
    return sorted({licence_id(text) or "other" for _, text, _ in summary.sources})


def _facts(name: str, summary: Summary) -> dict:
    """What the template asks for."""
    total = summary.splits.total()
    return {
        "name": name,
        "notice": NOTICE,
        "total": total,
        "size": next((label for limit, label in SIZES if total < limit), "1M<n<10M"),
        "splits": {split: (number, len(summary.cases[split])) for split, number in summary.splits.items()},
        "modalities": summary.table(0),
        "supercategories": summary.table(1),
        "categories": summary.table(2),
        "sources": sorted((*names, number) for names, number in summary.sources.items()),
        "licences": licences(summary),
        "reviews": dict(summary.reviews),
        "left_out": dict(summary.left_out),
        "reviewers": len(summary.books),
        "agreements": _agreements(summary),
        "gaps": summary.gaps(),
        "shown": len(summary.shown()),
    }


def _agreements(summary: Summary) -> list[dict]:
    """Cohen's kappa of every two reviewers who judged samples in common."""
    found = []
    for said in summary.judged.values():
        value = kappa(*zip(*said, strict=True))
        found.append({"both": len(said), "kappa": "not defined" if value is None else f"{value:.2f}"})
    return found


def sheet(samples: Sequence[Sample]) -> Image.Image:
    """A sheet of samples with their truth drawn in, each named by modality and category. Errors: SampleError, ImageError."""
    font, line = ImageFont.load_default(15), 28
    page = Image.new(
        "RGB",
        (min(COLUMNS, len(samples)) * TILE, -(-len(samples) // COLUMNS) * (TILE + line)),
        COLOURS["ground"],
    )
    for place, sample in enumerate(samples):
        mask = None if sample.mask is None else sample.load_mask()
        drawn = overlay(sample.load_image(), sample.truth(), mask, notice=False)
        drawn.thumbnail((TILE - 12, TILE - 12), Image.Resampling.LANCZOS)
        x, y = place % COLUMNS * TILE, place // COLUMNS * (TILE + line)
        page.paste(drawn, (x + (TILE - drawn.width) // 2, y + (TILE - drawn.height) // 2 + 6))
        said = f"{sample.modality}: {sample.category}"
        while font.getlength(said) > TILE - 16:
            said = said[:-2].rstrip() + "…"
        ImageDraw.Draw(page).text(
            (x + TILE // 2, y + TILE + line // 2 - 2), said, COLOURS["words"], font, anchor="mm"
        )
    return page
