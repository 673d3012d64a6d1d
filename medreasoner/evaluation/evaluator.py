"""A model on its way through samples: what is asked of it, how, and who else may answer.

Is: `Evaluator`, which turns opened cases into records in one of three ways: live, many at once, or told again from another run. Is not: a
summary, nor the file the records go to (`records.py`).
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from medreasoner.data.load import DataError
from medreasoner.data.sample import Sample
from medreasoner.evaluation.adapters import (
    CachingReasoner,
    CachingSegmenter,
    NoSegmenter,
    ReplayedAnswer,
    draws_from,
    points_given,
)
from medreasoner.evaluation.controls import centre_box, whole_box
from medreasoner.evaluation.records import EvaluationRecords, Shard, Tell, Unanswered, read_records, resume
from medreasoner.evaluation.scoring import OpenedSample, Opener, Record, answered, mask_scores
from medreasoner.geometry import FRAMES, Frame
from medreasoner.manifest import EMBEDDED_FOLDER, EMBEDDED_NAME
from medreasoner.pipeline import ground
from medreasoner.prompts import Prompt
from medreasoner.reasoners.base import BatchReasoner, EncodedImage, Reasoner, ReasonerError
from medreasoner.reasoners.families import UPSTREAM_RAW
from medreasoner.segmenters.base import Segmenter, SegmenterError, SegmenterPrompt

AHEAD = 8  # batches that are opened at a time, so that a server never waits for the slowest answer of one
FORMAT = 2  # of records; those of another format are not continued
Work = Callable[[Sequence[OpenedSample]], Iterable[Record | Unanswered]]


@dataclass(frozen=True)
class Stages:
    """How the two stages run.

    Args:
        think: False asks for the answer alone.
        frame: reads the model's numbers in this frame instead of its own (`families.UPSTREAM_RAW` for the published scoring).
        prompts: what the segmenter sees: "both", "box" or "points".
        at_once: questions answered together, for reasoners that can; 1 streams one after the other.
    """

    think: bool = True
    frame: Frame | None = None
    prompts: str = "both"
    at_once: int = 1


@dataclass(frozen=True)
class SavedAnswers:
    """What the reasoner of another run wrote: its records by id and question, and what made them."""

    folder: Path
    run: dict
    records: dict[tuple[str, str], Record]

    @staticmethod
    def read(folder: Path) -> "SavedAnswers":
        """The records of a run's folder, which is only read. Errors: DataError."""
        records = read_records(folder / "records.jsonl")
        if not records:
            raise DataError(
                f"{folder} holds no records.jsonl with answers; expected the --out folder of another evaluation"
            )
        return SavedAnswers(
            folder, records[0]["run"], {(record["id"], record["question"]): record for record in records}
        )

    @property
    def frame(self) -> Frame:
        """In which the model wrote."""
        return {**FRAMES, UPSTREAM_RAW.name: UPSTREAM_RAW}[self.run["writes"]]


class Evaluator:
    """One model on its way through the samples, and through the controls."""

    def __init__(
        self,
        reasoner: Reasoner | SavedAnswers,
        segmenter: Segmenter | None,
        out: Path,
        stages: Stages,
        tell: Tell,
        shard: Shard,
    ):
        self.answers = reasoner if isinstance(reasoner, SavedAnswers) else None
        self.eye = None if self.answers else CachingReasoner(reasoner, stages.frame)
        self.pen = CachingSegmenter(segmenter or NoSegmenter(), stages.prompts)
        self.out, self.stages, self.tell, self.shard, self.masks = (
            out,
            stages,
            tell,
            shard,
            segmenter is not None,
        )
        if self.answers:
            run, frame = self.answers.run, stages.frame or self.answers.frame
            self.told = _As(run["model"], frame)
            about = {
                **{key: run[key] for key in ("model", "prompt", "think", "writes")},
                "answers": str(self.answers.folder),
            }
            weights = run["weights"].split(" ")[0]
        else:
            frame, self.told = self.eye.frame, self.eye
            about = {
                "model": self.eye.name,
                "prompt": prompt_hash(reasoner.prompt),
                "think": stages.think,
                "writes": reasoner.frame.name,
            }
            weights = fingerprint(self.eye.name)
        drawn = {"segmenter": self.pen.name, "frame": frame.name, "prompts": stages.prompts}
        self.run = {
            "format": FORMAT,
            **about,
            **drawn,
            "weights": f"{weights} {fingerprint(self.pen.name)}".strip(),
        }

    def ask(
        self, samples: Sequence[Sample], name: str, masks: bool, think: bool | None = None
    ) -> EvaluationRecords:
        """The answers to `samples`, in the file `name`. think: not as the stages say."""
        masks = masks and self.masks
        think = self.run["think"] if think is None else think
        pen = self.pen if masks else NoSegmenter()
        if self.answers:
            together, work = 1, lambda cases: (self._again(case, pen) for case in cases)
        elif self.stages.at_once > 1 and isinstance(self.eye.reasoner, BatchReasoner):
            together = self.stages.at_once * (
                AHEAD if self.eye.paired_segmenter is None else 1
            )  # encodings held for a shared segmenter are large
            work = _timed(lambda cases: self._batch(cases, pen, think))
        else:
            together, work = 1, _timed(lambda cases: (self._live(case, pen, think) for case in cases))
        run = {**self.run, "think": think}
        return resume(samples, self.out / name, run, Opener(masks), work, self.tell, together, self.shard)

    def _live(self, case: OpenedSample, pen: object, think: bool) -> Record:
        record = answered(case, ground(case.image, case.sample.question, self.eye, pen, think))
        seconds = record["timings_s"]["total"] if "timings_s" in record else None
        return {
            **record,
            **_without_model(case, pen),
            "input_wh": self.eye.input_wh(case.image),
            "seconds": seconds,
        }

    def _batch(
        self, cases: Sequence[OpenedSample], pen: object, think: bool
    ) -> Iterator[Record | Unanswered]:
        taken = [self._taken(case, pen) for case in cases]
        asked = [
            (one.look, case.sample.question)
            for case, one in zip(cases, taken, strict=True)
            if one.error is None
        ]
        answers = iter(
            self.eye.reasoner.answer_batch(*zip(*asked, strict=True), think, self.stages.at_once)
            if asked
            else ()
        )
        for case, one in zip(cases, taken, strict=True):
            if one.encoded is not None:
                pen.keep(case.image, one.encoded)
            if one.error is not None:
                yield self._scored(case, ReplayedAnswer(self.told, "", case.image.size, one.error), pen, "")
                continue
            said = next(answers)
            if said.error is not None:
                yield Unanswered(case.sample.id, case.sample.question, said.error, request=True)
                continue
            record = self._scored(
                case, ReplayedAnswer(self.told, said.text, one.look.input_wh), pen, said.text
            )
            counted = {"seconds": said.seconds, "tokens_in": said.tokens_in, "tokens_out": said.tokens_out}
            yield {**record, **counted, "coordinate_probability": said.coordinate_probability}

    def _taken(self, case: OpenedSample, pen: object) -> "_Taken":
        """The image of `case` as both models take it in; the segmenter's part only where it adopts what the reasoner saw."""
        try:
            look = self.eye.encode(case.image)
        except ReasonerError as error:
            return _Taken(error=str(error))
        if look.features is None or not isinstance(pen, CachingSegmenter):
            return _Taken(look)
        try:
            return _Taken(replace(look, features=None), pen.encode(case.image, look.features))
        except SegmenterError:
            return _Taken(replace(look, features=None))  # it is tried again, and told, when the mask is drawn

    def _again(self, case: OpenedSample, pen: object) -> Record | Unanswered:
        old = self.answers.records.get((case.sample.id, case.sample.question))
        if old is None:
            return Unanswered(
                case.sample.id,
                case.sample.question,
                f"{self.answers.folder} holds no answer to it",
                request=True,
            )
        error = old["message"] if old["failure"] == "model" else None
        input_wh = tuple(old["input_wh"] or case.image.size)
        return self._scored(
            case, ReplayedAnswer(self.told, old["answer_text"], input_wh, error), pen, old["answer_text"]
        )

    def _scored(self, case: OpenedSample, told: ReplayedAnswer, pen: object, text: str) -> Record:
        """The record of an answer that is known already; the times of its replay are nobody's."""
        if (
            not points_given(text)
            and isinstance(pen, CachingSegmenter)
            and "box" in draws_from(pen.segmenter)
        ):
            pen = pen.seeing("box")
        record = answered(
            case, ground(case.image, case.sample.question, told, pen), told.encode(case.image).input_wh
        )
        record |= _without_model(case, pen)
        return {key: value for key, value in record.items() if key not in ("timings_s", "tokens_per_s")}


@dataclass(frozen=True)
class _Taken:
    """An image before its batch is answered: seen, and encoded for the segmenter, or why it could not be."""

    look: EncodedImage | None = None
    encoded: object = None
    error: str | None = None


def _timed(work: Work) -> Work:
    """`work` whose records say in `wall_s` how many seconds passed since the one before; their sum is what the machine was busy."""

    def timed(cases: Sequence[OpenedSample]) -> Iterator[Record | Unanswered]:
        before = time.perf_counter()
        for result in work(cases):
            now = time.perf_counter()
            yield result if isinstance(result, Unanswered) else {**result, "wall_s": now - before}
            before = time.perf_counter()

    return timed


def _without_model(case: OpenedSample, pen: object) -> Record:
    """`drawn`: what the segmenter alone makes of the true box and points, of the true box, and of boxes that nobody had to look for; {}
    where there is no mask to hold it against. The image has been encoded by now, so that each costs one decode."""
    if case.mask is None or case.truth is None or not isinstance(pen, CachingSegmenter):
        return {}
    box = SegmenterPrompt(case.truth.box)
    whole, centre = SegmenterPrompt(whole_box(case.image.size)), SegmenterPrompt(centre_box(case.image.size))
    seen = {
        "oracle": ("both", SegmenterPrompt.of(case.truth)),
        "oracle_box": ("box", box),
        "whole_image": ("box", whole),
        "centre_box": ("box", centre),
    }
    drawn = {}
    for name, (prompts, prompt) in seen.items():
        if prompts in draws_from(pen.segmenter):
            try:
                mask, _ = pen.segmenter.segment(pen.encode(case.image), prompt)
            except SegmenterError:
                mask = None
            drawn[name] = mask_scores(mask, case)
    return {"drawn": drawn}


@dataclass(frozen=True)
class _As:
    """The name and frame under which another run's answers are told again."""

    name: str
    frame: Frame
    revision: str | None = None
    prompt: Prompt = Prompt()


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
