"""Writes a folder of samples as a data set for the Hub: parquet files that its viewer shows, and a card.

What is written is read back by `load` as the same samples. What reviewers rejected can be left out.

    publish_set(Path("runs/data"), Path("runs/published"), reviewed=True)
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from medreasoner.data.digest import REPORT, digest_line, digest_lines
from medreasoner.data.load import DataError, SampleSet, load
from medreasoner.data.publish.agreement import settle
from medreasoner.data.publish.card import write_card
from medreasoner.data.publish.columns import FACTS, KIND, Entry, features, to_row
from medreasoner.data.publish.parquet_shards import ParquetShards
from medreasoner.data.publish.reviews import ledgers
from medreasoner.data.publish.summary import Summary
from medreasoner.data.sample import Sample, SampleError
from medreasoner.data.storage import leads_outside
from medreasoner.imaging import ImageError
from medreasoner.messages import short

WRITTEN = "Written by medreasoner"  # in the card of every set that may be written over
SPLIT = re.compile(r"\w+(\.\w+)*")


def publish_set(folder: Path, out: Path, reviewed: bool = False) -> dict:
    """Write `out/data/SPLIT-*.parquet`, `README.md`, `figures/samples.png`, and `report.json` of a named set.

    Only files that lie in `folder` are published: a row that names one elsewhere is skipped. So is a row
    whose image or mask cannot be read.

    Args:
        folder: with samples.jsonl, as `data build` makes it; a row without a split goes to train.
        reviewed: only samples that somebody accepted or edited and nobody rejected, with the edits.

    Returns: {"samples": {split: n}, "left_out": {reason: n}, "skipped": [rows that cannot be used],
        "bytes": of all files}.
    Errors: DataError where there is nothing to publish, or `out` holds something else.
    """
    _refuse_other(out)
    _refuse_links(folder)
    facts = _stated_facts(folder / "samples.jsonl")
    loaded = load(folder, confined=True)
    summary = Summary(ledgers(folder) if reviewed else [])
    lines: dict[str, list[str]] = defaultdict(list)
    columns = features()
    with ParquetShards(out / "data", columns) as shards:
        for entry in _entries(loaded, facts, reviewed, summary):
            try:
                row = to_row(entry)
            except (SampleError, ImageError) as error:
                summary.skipped.append(f"sample {short(entry.sample.id)}: {error}")
                continue
            shards.write(entry.split, row)
            summary.count(entry)
            lines[entry.split].append(_line_as_published(entry.sample, row))
        summary.skipped += [str(skipped) for skipped in loaded.skipped]
        if not summary.splits:
            raise DataError(_why_nothing(folder, summary))
    name = _write_report(out, loaded, lines) or folder.resolve().name
    write_card(out, name, summary, shards.files, columns)
    return {
        "samples": dict(summary.splits),
        "left_out": dict(summary.left_out),
        "skipped": summary.skipped,
        "bytes": sum(path.stat().st_size for path in shards.files),
    }


def _refuse_other(out: Path) -> None:
    """Errors: DataError for a folder that holds something else than an earlier publication, or links."""
    if not out.is_dir() or not any(out.iterdir()):
        return
    card = out / "README.md"
    if not (card.is_file() and WRITTEN in card.read_text(encoding="utf-8")):
        raise DataError(f"{out} holds something else than a published set; choose an empty folder")
    for path in out.rglob("*"):
        if path.is_symlink():
            raise DataError(f"{path} is a link, and what it leads to would be written over; remove it")


def _refuse_links(folder: Path) -> None:
    """Errors: DataError if the list of samples or a reviewer's decisions lie outside of the folder."""
    for path in (folder / "samples.jsonl", *(folder / "reviews").glob("*.jsonl")):
        if leads_outside(path, folder):
            raise DataError(f"{path} leads out of {folder}; copy the file into the folder")


def _line_as_published(sample: Sample, row: dict) -> str:
    """What the published row counts in the set's digest."""
    sample = replace(sample, image=row["images"][0]["bytes"])
    if not sample.absent:
        truth = sample.truth()
        sample = replace(sample, box=truth.box, points=truth.points)
    return digest_line(sample)


def _why_nothing(folder: Path, summary: Summary) -> str:
    if summary.left_out:
        why = ", ".join(f"{number} {reason}" for reason, number in summary.left_out.items())
        return f"{folder} has nothing to publish: {why}; review it first, or publish without --reviewed"
    skipped = summary.skipped
    return f"{folder} has nothing to publish; {len(skipped)} rows were skipped, the first is {skipped[0]}"


def _write_report(out: Path, loaded: SampleSet, lines: dict[str, list[str]]) -> str | None:
    """Write report.json for a set that has a name; returns the name. Errors: DataError."""
    named = loaded.named()
    if named is None:
        return None
    splits = {
        split: {"samples": len(of_split), "sha256": digest_lines(of_split)}
        for split, of_split in lines.items()
    }
    (out / REPORT).write_text(json.dumps({"name": named.name, "splits": splits}, indent=1) + "\n")
    return named.name


def _entries(
    samples: Iterable[Sample], facts: dict[str, dict], reviewed: bool, summary: Summary
) -> Iterator[Entry]:
    """What is published of `samples`; what reviewers left out is counted in `summary`. Errors: DataError."""
    for sample in samples:
        stated, status, settled = facts[sample.id], "not reviewed", sample
        if reviewed:
            summary.add_verdicts(sample)
            settled, status = settle(sample, summary.books)
        if settled is None:
            summary.left_out[status] += 1
        else:
            yield Entry(settled, _split(settled, stated), stated, status)


def _split(sample: Sample, stated: dict[str, str]) -> str:
    split = stated["split"] or "train"
    if not SPLIT.fullmatch(split):
        raise DataError(
            f"the split of sample {short(sample.id)} must be letters, digits and '_', as the Hub wants it; "
            f"got {short(split)}"
        )
    return split


def _stated_facts(path: Path) -> dict[str, dict[str, str]]:
    """What the lines of samples.jsonl state beyond a Sample, by id; `load` names lines that are none."""
    if not path.is_file():
        raise DataError(
            f"expected a folder with samples.jsonl, got {path.parent}; "
            "`python -m medreasoner data build` makes one"
        )
    found: dict[str, dict[str, str]] = {}
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(value, dict):
                stated = {key: str(value.get(key) or "") for key in (*FACTS, KIND, "split")}
                found.setdefault(str(value.get("id")), stated)
    return found
