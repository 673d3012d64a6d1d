"""A folder of samples as a data set for the Hub: parquet shards that its viewer shows, a card written from the data, Croissant metadata.

Is: rows in the published column schema (data_source, prompt, images, masks, reward_model, extra_info) with ours beside them, read back by
`load` as the same samples. Coordinates are pixels of the row's own image. What the reviewers rejected can be left out (`reviewed`).
Is not: the push (`hub.push_folder`), nor the card's words (`cards/dataset.md.jinja`).

    publish(Path("runs/data"), Path("runs/published"), reviewed=True)
"""

import io
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from medreasoner.data.digest import REPORT, line, of_lines
from medreasoner.data.load import DataError, load
from medreasoner.data.publish.reviews import ledgers, settle
from medreasoner.data.publish.set_card import FACTS, Entry, Summary, write_card
from medreasoner.data.publish.shards import Shards
from medreasoner.data.sample import Sample
from medreasoner.geometry import Box, Grounding

if TYPE_CHECKING:
    from datasets import Features

WRITTEN = "Written by medreasoner"  # in the card of every set that may be written over
SHARD = 400 << 20  # bytes of pictures after which a new file begins
GROUP = 16 << 20  # bytes of pictures in one row group: what the viewer must read to show a page
GROUP_ROWS = 64
# what a file may carry besides its pixels; one that carries more (EXIF, comments) is written anew: nothing about a patient goes along
HARMLESS = {
    "jfif",
    "jfif_version",
    "jfif_unit",
    "jfif_density",
    "dpi",
    "gamma",
    "srgb",
    "chromaticity",
    "interlace",
    "adobe",
}
HARMLESS |= {"adobe_transform", "progressive", "progression", "icc_profile", "aspect"}
SPLIT = re.compile(r"\w+(\.\w+)*")


def features() -> "Features":
    """The columns, as `datasets` and the Hub's viewer know them."""
    from datasets import Features, Image, List, Value

    text, number = Value("string"), Value("float64")
    published = {
        "data_source": text,
        "prompt": List({"role": text, "content": text}),
        "images": List(Image()),
        "masks": List(Image()),
        "reward_model": {"style": text, "ground_truth": text},
        "extra_info": {"id": text, "supercategory": text, "category": text},
    }
    places = {"box": List(number), "points": List(List(number)), "others": List(List(number))}
    return Features(
        {
            **published,
            "modality": text,
            "case": text,
            "think": text,
            **places,
            **dict.fromkeys(FACTS, text),
            "review": text,
        }
    )


def publish(folder: Path, out: Path, reviewed: bool = False) -> dict:
    """Write `out/data/SPLIT-*.parquet`, `out/README.md`, `out/croissant.json`, `out/figures/samples.png`, and for a set with a name
    `out/report.json`.

    Args:
        folder: with samples.jsonl, as `data build` makes it; a row without a split goes to train.
        reviewed: only samples that somebody accepted or edited and nobody rejected, with the edits.

    Returns: {"samples": {split: n}, "left_out": {reason: n}, "skipped": [rows that could not be read], "bytes": of all shards}.
    Errors: DataError where there is nothing to publish, or `out` holds something else.
    """
    refuse_other(out)
    facts = _facts(folder / "samples.jsonl")
    summary, loaded = Summary(ledgers(folder) if reviewed else []), load(folder)
    columns = features()
    shards = Shards(out / "data", columns, SHARD, GROUP, GROUP_ROWS)
    lines: dict[str, list[str]] = defaultdict(list)
    with shards:
        for entry in _entries(loaded, facts, reviewed, summary):
            written = row(entry)
            shards.write(entry.split, written)
            summary.count(entry)
            truth, image = entry.sample.truth(), written["images"][0]["bytes"]
            lines[entry.split].append(
                line(replace(entry.sample, image=image, box=truth.box, points=truth.points))
            )
        if not summary.splits:
            why = ", ".join(f"{number} {reason}" for reason, number in summary.left_out.items())
            raise DataError(
                f"{folder} has nothing to publish: {why}; review it first, or publish without --reviewed"
            )
    summary.skipped = [str(skipped) for skipped in loaded.skipped]
    named = loaded.named()
    if named is not None:
        splits = {
            split: {"samples": len(listed), "sha256": of_lines(listed)} for split, listed in lines.items()
        }
        (out / REPORT).write_text(json.dumps({"name": named.name, "splits": splits}, indent=1) + "\n")
    write_card(out, named.name if named else folder.resolve().name, summary, shards.files, columns)
    return {
        "samples": dict(summary.splits),
        "left_out": dict(summary.left_out),
        "skipped": summary.skipped,
        "bytes": sum(path.stat().st_size for path in shards.files),
    }


def refuse_other(out: Path) -> None:
    """Errors: DataError for a folder that holds something else than an earlier publication."""
    card = out / "README.md"
    if (
        out.is_dir()
        and any(out.iterdir())
        and not (card.is_file() and WRITTEN in card.read_text(encoding="utf-8"))
    ):
        raise DataError(f"{out} holds something else than a published set; choose an empty folder")


def row(entry: Entry) -> dict:
    """One row of parquet."""
    sample = entry.sample
    truth = sample.truth()
    mask = (
        []
        if sample.mask is None
        else [{"bytes": _png(sample.load_mask().astype(np.uint8) * 255), "path": f"{sample.id}.png"}]
    )
    return {
        "data_source": "umrg",  # by which the published training code chooses its rewards
        "prompt": [{"role": "user", "content": sample.question}],
        "images": [portable(sample)],
        "masks": mask,
        "reward_model": {"style": "rule", "ground_truth": _ground_truth(truth)},
        "extra_info": {"id": sample.id, "supercategory": sample.supercategory, "category": sample.category},
        "modality": sample.modality,
        "case": sample.case,
        "think": sample.think,
        "box": list(truth.box),
        "points": [list(point) for point in truth.points],
        "others": [list(other) for other in sample.others],
        **{name: entry.facts.get(name, "") for name in FACTS},
        "review": entry.review,
    }


def portable(sample: Sample) -> dict:
    """The image as parquet holds it, {"bytes", "path"}: a grey or RGB JPEG or PNG without further data unchanged; anything else as PNG of
    what `load_image` reads."""
    data = sample.image if isinstance(sample.image, bytes) else sample.image.read_bytes()
    name = sample.id if isinstance(sample.image, bytes) else sample.image.stem
    if (suffix := _plain(data)) is None:
        out = io.BytesIO()
        sample.load_image().save(out, "PNG", optimize=True)
        data, suffix = out.getvalue(), "png"
    return {"bytes": data, "path": f"{name}.{suffix}"}


def _plain(data: bytes) -> str | None:
    """The suffix of a picture that may be published as it is, else None."""
    if data[:3] != b"\xff\xd8\xff" and data[:8] != b"\x89PNG\r\n\x1a\n":
        return None
    with Image.open(io.BytesIO(data)) as picture:
        fits = picture.mode in ("L", "RGB") and getattr(picture, "n_frames", 1) == 1
        if not fits or picture.getexif() or not set(picture.info) <= HARMLESS:
            return None
        return "jpg" if picture.format == "JPEG" else "png"


def _entries(
    samples: Iterable[Sample], facts: dict[str, dict], reviewed: bool, summary: Summary
) -> Iterator[Entry]:
    """What is published of `samples`; the others are counted in `summary`."""
    for sample in samples:
        told, status = facts[sample.id], "not reviewed"
        if reviewed:
            summary.judge(sample)
            sample, status = settle(sample, summary.books)
        if sample is None:
            summary.left_out[status] += 1
        else:
            yield Entry(sample, _split(sample, told), told, status)


def _split(sample: Sample, told: dict[str, str]) -> str:
    split = told["split"] or "train"
    if not SPLIT.fullmatch(split):
        raise DataError(
            f"the split of sample {sample.id!r} must be letters, digits and '_', as the Hub wants it; got {split!r}"
        )
    return split


def _facts(listing: Path) -> dict[str, dict[str, str]]:
    """What the lines state beyond a Sample, by id. A line that cannot be read is left to `load`, which names it."""
    if not listing.is_file():
        raise DataError(
            f"expected a folder with samples.jsonl, got {listing.parent}; `python -m medreasoner data build` makes one"
        )
    found: dict[str, dict[str, str]] = {}
    with listing.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict):
                found.setdefault(
                    str(value.get("id")), {key: str(value.get(key) or "") for key in (*FACTS, "split")}
                )
    return found


def _ground_truth(truth: Grounding) -> str:
    """The published JSON string; whole numbers are written without a point."""

    def numbers(values: Box | tuple[float, float]) -> list[float]:
        return [int(v) if float(v).is_integer() else v for v in values]

    return json.dumps({"bbox_2d": numbers(truth.box), "point_2d": [numbers(point) for point in truth.points]})


def _png(levels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(levels).save(out, "PNG", optimize=True)
    return out.getvalue()
