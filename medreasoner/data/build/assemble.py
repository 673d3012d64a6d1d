"""Assembles a built set from the finished stages: samples.jsonl, rejects.jsonl and report.json.

It only reads the stages' files and may be repeated at any time.
"""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from medreasoner.data.absence import AbsentQuestion
from medreasoner.data.build.sources import SOURCE_ROWS
from medreasoner.data.build.stages import read_lines
from medreasoner.data.build.writers.base import Words
from medreasoner.data.digest import REPORT, digest
from medreasoner.data.load import load
from medreasoner.data.taxonomy import modality_of, supercategory_of


def sample_line(line: dict, target: dict, words: Words) -> dict:
    """One line of samples.jsonl, without `others`: `line` of stage 1, one of its targets, and its words."""
    sample = {
        "id": target["mask"].removeprefix("masks/").removesuffix(".png"),
        "image": line["image"],
        "mask": target["mask"],
        "question": words.question,
        "modality": line["modality"],  # a category may be asked for in images of several modalities
        "category": target["called"],
        "target": target["name"],
        "side": target["side"],
        "image_side": target["image_side"],
        "supercategory": target["supercategory"],
        "case": line["case"],
        "dataset": line["dataset"],
        "split": line["split"],
        "box": target["box"],
        "points": target["points"],
        "think": words.think,
        "measured": target["measured"],
        "licence": line["licence"],
        "source": line["source"],
    }
    return sample | ({"spacing_mm": line["spacing_mm"]} if "spacing_mm" in line else {})


def absent_line(line: dict, absent: AbsentQuestion) -> dict:
    """One line of samples.jsonl about what the image of `line` does not show."""
    sample = {
        "id": f"{line['id'].replace('/', '_')}_absent",
        "image": line["image"],
        "absent": True,
        "kind": absent.kind,
        **({"message": absent.message} if absent.message else {}),
        "question": absent.question,
        "modality": line["modality"],
        "category": absent.name or absent.kind,
        "target": absent.name,
        "supercategory": "absent",
        "think": absent.think,
    }
    given = ("case", "dataset", "split", "licence", "source", "spacing_mm")
    return sample | {key: line[key] for key in given if key in line}


class _Counts:
    """What is in a set, counted sample by sample."""

    def __init__(self) -> None:
        self.samples: Counter[str] = Counter()  # by split
        self.images: Counter[str] = Counter()  # by split
        self.rejected: Counter[str] = Counter()  # by reason
        self.absent: Counter[tuple[str, str]] = Counter()  # by split and kind
        self.questions: set[int] = set()  # hashes
        self.kinds = {"modality": Counter(), "supercategory": Counter(), "category": Counter()}

    def add(self, sample: dict) -> None:
        self.samples[sample["split"]] += 1
        if sample.get("absent"):
            self.absent[sample["split"], sample.get("message") or sample["kind"]] += 1
        self.questions.add(hash(sample["question"].lower()))
        self.kinds["modality"][modality_of(sample["modality"]) or sample["modality"]] += 1
        supercategory = sample["supercategory"]
        self.kinds["supercategory"][supercategory_of(supercategory) or supercategory] += 1
        self.kinds["category"][sample["category"]] += 1


def collect(out: Path, name: str | None = None) -> dict:
    """Write `samples.jsonl`, `rejects.jsonl` and `report.json` into `out` from its stages.

    A line of rejects.jsonl has the `id` of an image or volume, the `target`, the `stage` (0 where a volume
    could not be used, 1 or 3), the `reason`, and for words that were refused `detail`, `question` and
    `think`.

    Args:
        name: of the set with its version, for the report, by which `evaluate` knows it again.

    Returns: the report.
    """
    counts = _Counts()
    parts = [out / f"{stem}.jsonl.part" for stem in ("samples", "rejects")]
    with parts[0].open("w", encoding="utf-8") as samples, parts[1].open("w", encoding="utf-8") as rejects:
        for split, found, rejected in _by_image(out / "stages"):
            counts.images[split] += bool(found)
            for sample in found:
                samples.write(json.dumps(sample) + "\n")
                counts.add(sample)
            for reject in rejected:
                rejects.write(json.dumps(reject) + "\n")
                counts.rejected[reject["reason"]] += 1
    for part in parts:
        part.replace(part.with_suffix(""))
    report = _report(out, name, counts)
    (out / REPORT).write_text(json.dumps(report, indent=1) + "\n")
    return report


def _by_image(stages: Path) -> Iterator[tuple[str, list[dict], list[dict]]]:
    """(split, lines of samples.jsonl, lines of rejects.jsonl) of every image, and of every volume that was
    refused.
    """
    for row in read_lines(stages / SOURCE_ROWS):
        if "refused" in row:
            yield "", [], [{"id": row["id"], "target": "", "stage": 0, "reason": row["refused"]}]
    regions, questions = (read_lines(stages / f"{stage}.jsonl") for stage in ("1_regions", "3_questions"))
    for first, third in zip(regions, questions, strict=True):
        rejected = [
            {"id": line["id"], "target": reject["target"], "stage": stage} | reject
            for stage, line in ((1, first), (3, third))
            for reject in line["rejects"]
        ]
        yield first["split"], third["samples"], rejected


def _report(out: Path, name: str | None, counts: _Counts) -> dict:
    splits = {
        split: {"samples": number, "sha256": digest(load(out, split))}
        for split, number in counts.samples.items()
    }
    return {
        **({"name": name} if name else {}),
        "splits": splits,
        "samples": dict(counts.samples),
        "images": {split: number for split, number in counts.images.items() if number},
        "absent": {
            split: {kind: n for (of, kind), n in sorted(counts.absent.items()) if of == split}
            for split in counts.samples
        },
        "rejected": dict(counts.rejected.most_common()),
        "different_questions": len(counts.questions),
        **{kind: dict(numbers.most_common()) for kind, numbers in counts.kinds.items()},
    }


def rejects_table(report: dict) -> str:
    """What was left out, as lines: number and reason, the most frequent first."""
    rows = sorted(report["rejected"].items(), key=lambda row: -row[1])
    return "\n".join(f"{number:>8}  {reason}" for reason, number in rows) or "       0  nothing was left out"
