"""Scoring a model on a set of samples.

Is: the run over the samples, in two stages that can be told apart: the reasoner's answers (live, many at once, or those of another run)
and the segmenter's masks; resumable, shared between processes where a launcher says so; its summary, and on request the controls that tell
what a score is worth.
Is not: another way of running a model; everything comes from `pipeline.ground`, as on the page.

    python -m medreasoner evaluate --data FOLDER --split validation --out runs/evaluation
    accelerate launch --num_processes 4 -m medreasoner evaluate --model lingshu-medical-mllm/Lingshu-7B --batch 8 …
    python -m medreasoner evaluate --answers runs/evaluation --segmenter flaviagiammarino/medsam-vit-base --prompts box --out runs/medsam …

Through vLLM, which is asked as a server; there is no second way over `vllm.LLM`, for the server batches whatever is under way as that does:

    vllm serve Qwen/Qwen2.5-VL-7B-Instruct --port 8000 --max-model-len 32768
    vllm serve OpenGVLab/Mini-InternVL2-4B-DA-Medical --trust-remote-code …       a model that transformers does not run
    python -m medreasoner evaluate --model openai:Qwen/Qwen2.5-VL-7B-Instruct --endpoint http://localhost:8000/v1 --batch 64 …

The name tells how the model writes coordinates; one served under another name needs `--family`, one of families.FAMILIES. `--frame
upstream-raw` repeats the published scoring, which read every model's numbers as pixels of 840 x 840; `--answers` spares it a second run.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from medreasoner.data.digest import Named, digest
from medreasoner.data.load import DataError
from medreasoner.data.sample import Sample
from medreasoner.evaluation.control_rows import rows
from medreasoner.evaluation.controls import prior
from medreasoner.evaluation.evaluator import Evaluator, SavedAnswers, Stages
from medreasoner.evaluation.records import Shard, Tell, write_whole
from medreasoner.evaluation.summary import summarise
from medreasoner.events import NOTICE
from medreasoner.reasoners.base import Reasoner
from medreasoner.segmenters.base import Segmenter


def evaluate(
    samples: Iterable[Sample],
    reasoner: Reasoner | SavedAnswers,
    segmenter: Segmenter | None,
    out: Path,
    think: bool = True,
    train: Iterable[Sample] | None = None,
    seed: int = 0,
    skipped: Sequence[str] = (),
    tell: Tell = lambda file, done, of: None,
    stages: Stages | None = None,
    shard: Shard | None = None,
    data: str | None = None,
    named: Named | None = None,
    command: str | None = None,
) -> dict:
    """Answer all samples, score them, and write `out/records.jsonl` and `out/summary.json`. Records that are there already are kept.

    Args:
        reasoner: a model, or the answers that another run wrote down.
        segmenter: None leaves the masks out.
        train: the training samples; with them the controls are computed too, which takes a model over the samples four times more.
        seed: of the intervals and the controls.
        skipped: rows of the data that could not be read, for the summary.
        tell: takes a file's name, the records it has and those it will have, now and then.
        stages: how the two stages run; `think` stands for Stages(think=…).
        shard: the part of the work that is this process's; the first one writes the summary.
        data: where the set lies, for the summary. named: its own name and version; whether these samples are it, their digest tells.
        command: what was typed, for the summary and a model's card.

    Returns: the summary. Errors: DataError, ReasonerError where no question can be answered at all.
    """
    samples = sorted(
        samples, key=lambda s: str(s.image) if isinstance(s.image, Path) else ""
    )  # questions about one image side by side
    mean = (
        None if train is None else prior(_unseen(train, {sample.id for sample in samples}))
    )  # first: it tells what is wrong with `train`
    bench = Evaluator(reasoner, segmenter, out, stages or Stages(think), tell, shard or Shard())
    asked = bench.ask(samples, "records.jsonl", masks=True)
    unusable = [str(one) for one in asked.unasked if not one.request]
    unanswered = [str(one) for one in asked.unasked if one.request]
    if not asked.records:
        why = next(iter([*unusable, *unanswered]), "")
        raise DataError(
            f"none of the {len(samples)} samples can be used{f'; the first: {why}' if why else ''}"
        )
    found = digest(samples)
    told = {"data": data, "set": named.what(len(samples), found) if named else None, "data_sha256": found}
    told |= {
        "command": command,
        "seed": seed,
        "skipped_rows": list(skipped),
        "unusable": unusable,
        "unanswered": unanswered,
    }
    result = {**bench.run, **told, **summarise(asked.records, seed)}
    if mean is not None:
        by_id = {sample.id: sample for sample in samples}
        present = [record for record in asked.records if record["truth"] is not None]
        result["controls"] = rows(bench, [by_id[record["id"]] for record in present], present, mean, seed)
    result["notice"] = NOTICE
    if bench.shard.rank == 0:
        if bench.shard.of > 1:
            write_whole(
                out / "records.jsonl",
                "".join(json.dumps(r, ensure_ascii=False, allow_nan=False) + "\n" for r in asked.records),
            )
        write_whole(
            out / "summary.json", json.dumps(result, ensure_ascii=False, allow_nan=False, indent=1) + "\n"
        )
    return result


def _unseen(train: Iterable[Sample], asked: set[str]) -> Iterator[Sample]:
    for sample in train:
        if sample.id in asked:
            raise DataError(
                f"the training samples hold {sample.id!r}, which is being evaluated too; give another --train or --train-split"
            )
        yield sample
