"""Scoring a model on a set of samples: `evaluate` answers them and writes records and summary.

    python -m medreasoner evaluate --data FOLDER --split validation --out runs/evaluation
    accelerate launch --num_processes 4 -m medreasoner evaluate --model lingshu-medical-mllm/Lingshu-7B …
    python -m medreasoner evaluate --answers runs/evaluation --prompts box --out runs/medsam \\
        --segmenter flaviagiammarino/medsam-vit-base …

Through vLLM, asked as a server, which batches whatever is under way (`vllm.LLM` would do no better):

    vllm serve Qwen/Qwen2.5-VL-7B-Instruct --port 8000 --max-model-len 32768
    vllm serve OpenGVLab/Mini-InternVL2-4B-DA-Medical --trust-remote-code …   # transformers does not run it
    python -m medreasoner evaluate --model openai:Qwen/Qwen2.5-VL-7B-Instruct --endpoint
    http://localhost:8000/v1

The name tells how the model writes coordinates; one served under another name needs `--family`, one of
families.FAMILIES. `--frame upstream-raw` repeats the published scoring, which read every model's numbers as
pixels of 840 x 840; `--answers` spares it a second run.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from medreasoner.data.digest import Named, digest
from medreasoner.data.load import DataError
from medreasoner.data.sample import Sample
from medreasoner.evaluation.aggregate import summarise
from medreasoner.evaluation.control_rows import score_controls
from medreasoner.evaluation.controls import learn_prior
from medreasoner.evaluation.evaluator import Evaluator
from medreasoner.evaluation.options import Options
from medreasoner.evaluation.record_file import line, write_whole
from medreasoner.evaluation.resume import Progress, Shard
from medreasoner.evaluation.saved_answers import SavedAnswers
from medreasoner.evaluation.summary import Summary
from medreasoner.events import NOTICE
from medreasoner.messages import short
from medreasoner.reasoners.base import Reasoner
from medreasoner.segmenters.base import Segmenter

RECORDS, SUMMARY = "records.jsonl", "summary.json"


@dataclass(frozen=True)
class Source:
    """Where the samples come from, for the summary.

    Args:
        data: where the set lies.
        named: its own name and version; whether the samples are it, their digest tells.
        skipped: rows that could not be read.
        command: what was typed.
    """

    data: str | None = None
    named: Named | None = None
    skipped: Sequence[str] = ()
    command: str | None = None


def evaluate(  # noqa: PLR0913 (the last five by keyword)
    samples: Iterable[Sample],
    reasoner: Reasoner | SavedAnswers,
    segmenter: Segmenter | None,
    out: Path,
    options: Options | None = None,
    *,
    train: Iterable[Sample] | None = None,
    seed: int = 0,
    source: Source | None = None,
    progress: Progress = lambda file, done, of: None,
    shard: Shard | None = None,
) -> Summary:
    """Answer all samples, score them, and write `out/records.jsonl` and `out/summary.json`. Records that are
    there already are kept.

    Args:
        reasoner: a model, or the answers that another run wrote down.
        segmenter: None leaves the masks out.
        train: the training samples; with them the controls are scored too, for which the model answers all
            samples four times more.
        seed: of the intervals and the controls.
        progress: takes a file's name, the records it has and those it will have.
        shard: the part of the work that is this process's; the first one writes the summary.

    Errors: DataError, ReasonerError where no question can be answered at all.
    """
    options, source = options or Options(), source or Source()
    samples = sorted(samples, key=_image_path)  # questions about one image side by side
    prior = None  # learnt first, because it tells what is wrong with `train`
    if train is not None:
        prior = learn_prior(_unseen(train, {sample.id for sample in samples}))
    evaluator = Evaluator(reasoner, segmenter, out, options, progress=progress, shard=shard)
    answered = evaluator.answer(samples, RECORDS, masks=True)
    unusable = tuple(str(one) for one in answered.unanswered if not one.request)
    unanswered = tuple(str(one) for one in answered.unanswered if one.request)
    if not answered.records:
        first = f"; the first: {(unusable + unanswered)[0]}" if answered.unanswered else ""
        raise DataError(f"none of the {len(samples)} samples can be used{first}")
    found = digest(samples)
    summary = replace(
        summarise(answered.records, seed),
        run=evaluator.run,
        data=source.data,
        set=source.named.what(len(samples), found) if source.named else None,
        data_sha256=found,
        command=source.command,
        seed=seed,
        skipped_rows=tuple(source.skipped),
        unusable=unusable if prior is None else (*prior.unusable, *unusable),
        unanswered=unanswered,
        notice=NOTICE,
    )
    if prior is not None:
        by_id = {sample.id: sample for sample in samples}
        present = [record for record in answered.records if record.truth is not None]
        asked = [by_id[record.id] for record in present]
        summary = replace(summary, controls=score_controls(evaluator, asked, present, prior, seed))
    if evaluator.shard.rank == 0:
        if evaluator.shard.of > 1:
            write_whole(out / RECORDS, "".join(line(record.to_json()) for record in answered.records))
        text = json.dumps(summary.to_json(), ensure_ascii=False, allow_nan=False, indent=1)
        write_whole(out / SUMMARY, text + "\n")
    return summary


def _image_path(sample: Sample) -> str:
    return str(sample.image) if isinstance(sample.image, Path) else ""


def _unseen(train: Iterable[Sample], evaluated: set[str]) -> Iterator[Sample]:
    for sample in train:
        if sample.id in evaluated:
            held = f"the training samples hold {short(sample.id)}, which is being evaluated too"
            raise DataError(f"{held}; give another --train or --train-split")
        yield sample
