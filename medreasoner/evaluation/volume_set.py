"""Scores a model on a set of volumes, target by target: the oracle from the true box, and the answer to the
question. What is scored is written at once, so that a run that was killed goes on where it was.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from medreasoner.data.load import DataError
from medreasoner.evaluation.volume_answers import VolumeAnswerScore, answer_means, score_answer
from medreasoner.evaluation.volume_targets import VolumeTarget, targets_in
from medreasoner.evaluation.volumes import KeptSlices, VolumeScore, means, score_target
from medreasoner.imaging import ImageError
from medreasoner.reasoners.base import Reasoner
from medreasoner.segmenters.base import Segmenter

RECORDS, SUMMARY = "volumes.jsonl", "summary.json"


def evaluate_volumes(
    folder: Path,
    rows: list[dict],
    reasoner: Reasoner,
    segmenter: Segmenter,
    out: Path,
    *,
    questions: Mapping[str, str] | None = None,
    controls: bool = False,
    tell: Callable[[str], None] = print,
) -> dict:
    """Score every target of `rows`, see `volumes.volume_rows`; returns the summary, which is written to
    `out`.

    Args:
        questions: name of a target -> the question about it, where its row has none. A target without a
            question gets the oracle alone.
        controls: put each question to every slice, too.
        tell: called with a line about each target.

    Errors: DataError for records of another model, SegmenterError.
    """
    made_by = {"model": reasoner.name, "segmenter": segmenter.name}
    path = out / RECORDS
    known = _read(path, made_by)
    left_out = []
    for row in rows:
        slices = None
        try:
            for target in targets_in(folder, row):
                if (target.volume_id, target.name) in known:
                    continue
                question = target.question or (questions or {}).get(target.name)
                slices = slices or KeptSlices(target.volume, segmenter)
                record = _record(target, question, reasoner, segmenter, controls, slices)
                known[target.volume_id, target.name] = record
                with path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(record | {"run": made_by}) + "\n")
                tell(_line(record))
        except ImageError as error:
            left_out.append(f"{row['id']}: {error}")
            tell(f"left out: {left_out[-1]}")
    summary = summarised(list(known.values())) | made_by | {"left_out": left_out}
    (out / SUMMARY).write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    return summary


def summarised(records: list[dict]) -> dict:
    """Numbers of targets, means, and Dice by the distance from the key slice, of the oracle and of the
    answers.
    """
    oracle = [VolumeScore(**record["oracle"]) for record in records]
    asked = [VolumeAnswerScore(**record["asked"]) for record in records if record["asked"]]
    ends = [one.end for one in asked]
    return {
        "targets": len(oracle),
        "oracle": dict(means(oracle)) if oracle else {},
        "oracle_by_distance": _by_distance(oracle),
        "asked": len(asked),
        "answers": answer_means(asked),
        "answers_by_distance": _by_distance(asked),
        "ends": {end: ends.count(end) for end in sorted(set(ends))},
    }


def summary_lines(summary: dict) -> Iterator[str]:
    """A summary for the terminal."""
    yield f"{summary['targets']} targets; from the true box on the middle slice:"
    yield from (f"  {name:20}{value:.3f}" for name, value in summary["oracle"].items())
    yield f"{summary['asked']} questions; from the question alone:"
    yield from (f"  {name:20}{value:.3f}" for name, value in summary["answers"].items())
    yield f"how they ended: {summary['ends']}"


def _record(
    target: VolumeTarget,
    question: str | None,
    reasoner: Reasoner,
    segmenter: Segmenter,
    controls: bool,
    slices: KeptSlices,
) -> dict:
    oracle = score_target(target, segmenter, slices=slices)
    asked = None
    if question is not None:
        put = VolumeTarget(target.volume_id, target.name, target.volume, target.mask, question)
        asked = asdict(score_answer(put, reasoner, segmenter, controls))
    # as JSON gives it back, so that a run that goes on holds the same as one that did not stop
    return json.loads(json.dumps({"oracle": asdict(oracle), "asked": asked}))


def _read(path: Path, made_by: dict) -> dict[tuple[str, str], dict]:
    """(volume, target) -> its record, of the whole lines of `path`. Errors: DataError."""
    data = path.read_bytes() if path.exists() else b""
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        path.write_bytes(whole)
    known = {}
    for text in whole.splitlines():
        record = json.loads(text)
        run = record.pop("run")
        if run != made_by:
            raise DataError(f"{path} was made by {run}, now it is {made_by}; choose another folder")
        known[record["oracle"]["volume_id"], record["oracle"]["name"]] = record
    return known


def _by_distance(scores: list) -> dict[str, float]:
    distances = sorted({int(away) for one in scores for away in one.by_distance})
    found = {
        away: [one.by_distance[key] for one in scores for key in one.by_distance if int(key) == away]
        for away in distances
    }
    return {str(away): round(float(np.mean(values)), 3) for away, values in found.items()}


def _line(record: dict) -> str:
    oracle, asked = record["oracle"], record["asked"]
    text = f"{oracle['volume_id']:20}{oracle['name']:30}true box {oracle['dice']:.3f}"
    if asked is None:
        return f"{text}   no question"
    slice_found = "slice found" if asked["slice_found"] else "slice missed"
    return f"{text}   question {asked['dice']:.3f}, {asked['end']}, {slice_found}"
