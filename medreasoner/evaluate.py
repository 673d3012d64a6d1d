"""Scoring a model on a set of samples.

Is: the run over the samples, resumable, and its summary: means with 95 % intervals that draw whole cases, failures by reason, and on
request the controls that tell what a score is worth.
Is not: another way of running a model; everything comes from `pipeline.ground`, as on the page.

A failed answer counts zero in every mean.

    python -m medreasoner evaluate --data FOLDER --split validation --out runs/evaluation
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from medreasoner.answer import Prompt
from medreasoner.controls import Prior, centre_box, kind, prior, shuffled_questions, swapped_images, whole_box
from medreasoner.data.load import DataError
from medreasoner.data.sample import Sample
from medreasoner.events import NOTICE
from medreasoner.geometry import Box, Grounding
from medreasoner.loading import EMBEDDED_FOLDER
from medreasoner.metrics import box_iou, dice, paired, summary
from medreasoner.model import EMBEDDED_NAME
from medreasoner.pipeline import ground
from medreasoner.reasoner import Reasoner
from medreasoner.records import Case, NoMasks, OneEncoding, OneLook, Opener, Record, Tell, answered, fits_best, resume
from medreasoner.segmenter import Segmenter


def evaluate(
    samples: Iterable[Sample],
    reasoner: Reasoner,
    segmenter: Segmenter | None,
    out: Path,
    think: bool = True,
    train: Iterable[Sample] | None = None,
    seed: int = 0,
    skipped: Sequence[str] = (),
    tell: Tell = lambda line: None,
) -> dict:
    """Answer all samples, score them, and write `out/records.jsonl` and `out/summary.json`. Records that are there already are kept.

    Args:
        segmenter: None leaves the masks out.
        train: the training samples; with them the controls are computed too, which takes the model over the samples twice more.
        seed: of the intervals and the controls.
        skipped: rows of the data that could not be read, for the summary.
        tell: takes a line about the progress now and then.

    Returns: the summary. Errors: DataError.
    """
    samples = sorted(samples, key=lambda s: str(s.image) if isinstance(s.image, Path) else "")  # questions about one image side by side
    mean = None if train is None else prior(_unseen(train, {sample.id for sample in samples}))  # first: it tells what is wrong with `train`
    bench = _Bench(reasoner, segmenter, out, think, seed, tell)
    records, unusable = bench.ask(samples, "records.jsonl", masks=True)
    if not records:
        raise DataError(f"none of the {len(samples)} samples can be used{f'; the first: {unusable[0]}' if unusable else ''}")
    result = {**bench.run, "seed": seed, "skipped_rows": list(skipped), "unusable": unusable, **summarise(records, seed)}
    if mean is not None:
        by_id = {sample.id: sample for sample in samples}
        result["controls"] = bench.controls([by_id[record["id"]] for record in records], records, mean)
    result["notice"] = NOTICE
    (out / "summary.json").write_text(json.dumps(result, ensure_ascii=False, allow_nan=False, indent=1) + "\n", encoding="utf-8")
    return result


def summarise(records: Sequence[Record], seed: int = 0) -> dict:
    """Means with intervals, overall and in groups, and what failed. Acc@0.5 counts a box IoU of 0.5 or more.

    `pdice_published` is on the published scale, 0..2. `place_agrees` and `fits_best` are over the records that have them: reasoning that
    claims a place, and images with another target.
    """
    timed = [record["timings_s"] for record in records if "timings_s" in record]
    return {
        "n": len(records),
        "overall": measures(records, seed),
        "per_modality": _grouped(records, "modality", seed),
        "per_category": _grouped(records, "category", seed),
        "well_formed": _interval(records, lambda record: record["well_formed"], seed),
        "failures": dict(Counter(record["failure"] for record in records if record["failure"]).most_common()),
        "fits_best": _interval(records, lambda record: record["fits_best"], seed),
        "place_agrees": _interval(records, lambda record: record["place_agrees"], seed),
        "median_timings_s": {name: float(np.median([times[name] for times in timed])) for name in (timed[0] if timed else ())},
    }


def measures(records: Sequence[Record], seed: int = 0) -> dict:
    """The four scores of the records, each a mean with its interval; None for the mask where no record has one."""
    return {
        "box_iou": _interval(records, lambda record: record["box_iou"], seed),
        "acc_50": _interval(records, lambda record: record["box_iou"] >= 0.5, seed),
        "pdice_published": _interval(records, lambda record: record["pdice_published"], seed),
        "mask_dice": _interval(records, lambda record: record["mask_dice"], seed),
    }


def _interval(records: Sequence[Record], value: Callable[[Record], float | None], seed: int) -> dict | None:
    """The mean of `value` over the records where it is not None."""
    scores = [(float(score), record["case"]) for record in records if (score := value(record)) is not None]
    return asdict(summary(*zip(*scores, strict=True), seed=seed)) if scores else None


def _grouped(records: Sequence[Record], key: str, seed: int) -> dict[str, dict]:
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        groups[record[key]].append(record)
    return {name: measures(group, seed) for name, group in sorted(groups.items())}


class _Bench:
    """One model on its way through the samples, and through the controls."""

    def __init__(self, reasoner: Reasoner, segmenter: Segmenter | None, out: Path, think: bool, seed: int, tell: Tell):
        self.eye, self.pen = OneLook(reasoner), OneEncoding(segmenter or NoMasks())
        self.out, self.think, self.seed, self.tell, self.masks = out, think, seed, tell, segmenter is not None
        self.run = {
            "model": self.eye.name,
            "segmenter": self.pen.name,
            "prompt": prompt_hash(reasoner.prompt),
            "think": think,
            "weights": f"{fingerprint(self.eye.name)} {fingerprint(self.pen.name)}".strip(),
        }

    def ask(self, samples: Sequence[Sample], name: str, masks: bool) -> tuple[list[Record], list[str]]:
        """The model's answers to `samples`, in the file `name`."""
        masks = masks and self.masks
        pen = self.pen if masks else NoMasks()

        def work(case: Case) -> Record:
            return answered(case, ground(case.image, case.sample.question, self.eye, pen, self.think))

        return resume(samples, self.out / name, self.run, Opener(masks), work, self.tell)

    def controls(self, samples: Sequence[Sample], records: Sequence[Record], mean: Prior) -> dict:
        """Every control as a row of its own; `samples` and `records` belong together one by one."""
        sizes = [tuple(record["image_wh"]) for record in records]
        boxes = {
            "prior": [mean.box(kind(sample), size) for sample, size in zip(samples, sizes, strict=True)],
            "centre_box": [centre_box(size) for size in sizes],
            "whole_image": [whole_box(size) for size in sizes],
        }
        rows = {name: self.row(records, _scored(samples, records, of)) for name, of in boxes.items()}
        rows["prior"]["kinds_not_in_training"] = sorted({" ".join(kind(s)) for s in samples if kind(s) not in mean.boxes})
        truths = [Grounding(tuple(r["truth"]["box"]), tuple(tuple(p) for p in r["truth"]["points"])) for r in records]
        deceived = {
            "question_shuffled": shuffled_questions(samples, self.seed),
            "image_swapped": swapped_images(samples, truths, sizes, self.seed),
        }
        for name, others in deceived.items():
            rows[name] = self.row(records, self.ask(others, f"{name}.jsonl", masks=False)[0])
        if self.masks:
            rows["oracle"] = self.oracle(samples, records)
        return rows

    def row(self, records: Sequence[Record], control: Sequence[Record]) -> dict:
        """The scores of a control, and the model's box IoU minus the control's, sample by sample."""
        ious, cases = [r["box_iou"] for r in records], [r["case"] for r in records]
        return {
            "box_iou": _interval(control, lambda record: record["box_iou"], self.seed),
            "acc_50": _interval(control, lambda record: record["box_iou"] >= 0.5, self.seed),
            "fits_best": _interval(control, lambda record: record["fits_best"], self.seed),
            "model_minus_this": asdict(paired(ious, [r["box_iou"] for r in control], cases, self.seed)),
        }

    def oracle(self, samples: Sequence[Sample], records: Sequence[Record]) -> dict:
        """The segmenter alone: what it draws when box and points are the truth."""

        def work(case: Case) -> Record:
            mask, score = self.pen.segment(self.pen.encode(case.image), case.truth)
            return {"mask_dice": None if case.mask is None else dice(mask, case.mask), "mask_score": score}

        drawn, _ = resume(samples, self.out / "oracle.jsonl", self.run, Opener(masks=True), work, self.tell)
        pairs = [(r["mask_dice"], o["mask_dice"], r["case"]) for r, o in zip(records, drawn, strict=True) if o["mask_dice"] is not None]
        return {
            "mask_dice": _interval(drawn, lambda record: record["mask_dice"], self.seed),
            "model_minus_this": asdict(paired(*zip(*pairs, strict=True), self.seed)) if pairs else None,
        }


def _scored(samples: Sequence[Sample], records: Sequence[Record], boxes: Sequence[Box]) -> list[Record]:
    """Records of `boxes` given as answers."""
    return [
        {"case": r["case"], "box_iou": box_iou(box, r["truth"]["box"]), "fits_best": fits_best(box, r["truth"]["box"], s.others)}
        for s, r, box in zip(samples, records, boxes, strict=True)
    ]


def _unseen(train: Iterable[Sample], asked: set[str]) -> Iterator[Sample]:
    for sample in train:
        if sample.id in asked:
            raise DataError(f"the training samples hold {sample.id!r}, which is being evaluated too; give another --train or --train-split")
        yield sample


def prompt_hash(prompt: Prompt) -> str:
    """Sixteen hex digits that change with any byte of the prompt."""
    return hashlib.sha256(json.dumps(asdict(prompt), sort_keys=True).encode()).hexdigest()[:16]


def fingerprint(name: str) -> str:
    """Sixteen hex digits that change when a file of a local model changes (name, size or time), "" for a model that is not a local folder.

    It keeps records of a model from being continued by its retrained successor in the same folder.
    """
    folder = EMBEDDED_FOLDER if name == EMBEDDED_NAME else Path(name)
    if not folder.is_dir():
        return ""
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".json", ".jinja", ".safetensors"))
    stats = [(str(path.relative_to(folder)), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return hashlib.sha256(repr(stats).encode()).hexdigest()[:16]
