"""Writes the card of a published set from what was counted, in the words of hub/templates."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from medreasoner.data.publish.agreement import kappa
from medreasoner.data.publish.contact_sheet import contact_sheet
from medreasoner.data.publish.summary import CATEGORY, MODALITY, SUPERCATEGORY, Summary
from medreasoner.events import NOTICE

if TYPE_CHECKING:
    from datasets import Features

TEMPLATES = Path(__file__).parents[2] / "hub" / "templates"
# (fewer samples than, the Hub's name of that size)
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def write_card(out: Path, name: str, summary: Summary, files: Sequence[Path], features: "Features") -> None:
    """Write README.md, with features and sizes of the parquet `files`, and figures/samples.png."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    (out / "figures").mkdir(exist_ok=True)
    contact_sheet(summary.shown()).save(out / "figures" / "samples.png", optimize=True)
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, keep_trailing_newline=True
    )
    environment.filters["cell"] = _escape_cell
    text = environment.get_template("dataset.md.jinja").render(**_facts(name, summary))
    (out / "README.md").write_text(text, encoding="utf-8")
    _add_dataset_info(out, summary, files, features)


def _add_dataset_info(out: Path, summary: Summary, files: Sequence[Path], features: "Features") -> None:
    """Put `dataset_info`, which the Hub's viewer and `load_dataset` read, into the card's front matter."""
    from datasets import DatasetInfo
    from datasets.info import DatasetInfosDict
    from datasets.splits import SplitDict, SplitInfo

    sizes = {
        split: sum(path.stat().st_size for path in files if path.name.startswith(f"{split}-"))
        for split in summary.splits
    }
    splits = SplitDict(
        {
            split: SplitInfo(split, num_bytes=sizes[split], num_examples=number)
            for split, number in summary.splits.items()
        }
    )
    total = sum(sizes.values())
    info = DatasetInfo(features=features, splits=splits, download_size=total, dataset_size=total)
    DatasetInfosDict({"default": info}).write_to_directory(out)


def _escape_cell(text: str) -> str:
    """`text` as a cell of a Markdown table."""
    return text.replace("|", "\\|").replace("\n", " ")


def _facts(name: str, summary: Summary) -> dict:
    """What the template asks for."""
    total = summary.splits.total()
    return {
        "name": name,
        "notice": NOTICE,
        "total": total,
        "size": next((label for limit, label in SIZES if total < limit), "1M<n<10M"),
        "splits": {split: (number, len(summary.cases[split])) for split, number in summary.splits.items()},
        "modalities": summary.table(MODALITY),
        "supercategories": summary.table(SUPERCATEGORY),
        "categories": summary.table(CATEGORY),
        "absences": summary.absences(),
        "sources": sorted((*names, number) for names, number in summary.sources.items()),
        "licences": summary.licences(),
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
    for pairs in summary.verdicts.values():
        value = kappa(*zip(*pairs, strict=True))
        found.append({"both": len(pairs), "kappa": "not defined" if value is None else f"{value:.2f}"})
    return found
