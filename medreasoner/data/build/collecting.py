"""The last step of a build: from finished stages to the set, what was left out of it, and the counts.

Is: the line of a sample, and one pass over the stages' files, which may be repeated at any time. Is not: a stage; it decides nothing.
"""

import json
from collections import Counter
from pathlib import Path

from medreasoner.data.build.stages import read_lines
from medreasoner.data.build.writers.base import Words
from medreasoner.data.digest import REPORT, digest
from medreasoner.data.load import load
from medreasoner.data.taxonomy import modality_of, supercategory_of


def sample_line(line: dict, target: dict, words: Words) -> dict:
    """One line of samples.jsonl, without `others`: `line` of stage 1 with one of its targets, and its words."""
    side = f", {target['side']} of the image" if target["side"] else ""
    sample = {
        "id": target["mask"].removeprefix("masks/").removesuffix(".png"),
        "image": line["image"],
        "mask": target["mask"],
        "question": words.question,
        "modality": target["modality"],
        "category": f"{target['name']}{side}",
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


def collect(out: Path, name: str | None = None) -> dict:
    """Write `samples.jsonl`, `rejects.jsonl` and `report.json` into `out` from its stages; returns the report. `name` and version go into
    the report, by which `evaluate` knows the set again.

    In a line of rejects.jsonl: `id` of the image, `target`, `stage` 1 or 3, `reason`, and for words that were refused `detail`, `question`
    and `think`.
    """
    samples, images, rejected, questions = Counter(), Counter(), Counter(), set()
    kinds: dict[str, Counter] = {"modality": Counter(), "supercategory": Counter(), "category": Counter()}
    regions, asked = (out / "stages" / name for name in ("1_regions.jsonl", "3_questions.jsonl"))
    parts = [out / f"{name}.jsonl.part" for name in ("samples", "rejects")]
    with parts[0].open("w", encoding="utf-8") as kept, parts[1].open("w", encoding="utf-8") as left:
        for first, third in zip(read_lines(regions), read_lines(asked), strict=True):
            images[first["split"]] += bool(third["samples"])
            for sample in third["samples"]:
                kept.write(json.dumps(sample) + "\n")
                samples[sample["split"]] += 1
                questions.add(hash(sample["question"].lower()))
                kinds["modality"][modality_of(sample["modality"]) or sample["modality"]] += 1
                kinds["supercategory"][supercategory_of(sample["supercategory"])] += 1
                kinds["category"][sample["category"]] += 1
            for stage, line in ((1, first), (3, third)):
                for reject in line["rejects"]:
                    left.write(json.dumps({"id": line["id"], "target": reject["target"], "stage": stage} | reject) + "\n")
                    rejected[reject["reason"]] += 1
    for part in parts:
        part.replace(part.with_suffix(""))
    splits = {split: {"samples": number, "sha256": digest(load(out, split))} for split, number in samples.items()}
    report = {
        **({"name": name} if name else {}),
        "splits": splits,
        "samples": dict(samples),
        "images": {split: number for split, number in images.items() if number},
        "rejected": dict(rejected.most_common()),
        "different_questions": len(questions),
        **{kind: dict(numbers.most_common()) for kind, numbers in kinds.items()},
    }
    (out / REPORT).write_text(json.dumps(report, indent=1) + "\n")
    return report


def table(report: dict) -> str:
    """What was left out, as lines: number and reason, the most frequent first."""
    rows = sorted(report["rejected"].items(), key=lambda row: -row[1])
    return "\n".join(f"{number:>8}  {reason}" for reason, number in rows) or "       0  nothing was left out"
