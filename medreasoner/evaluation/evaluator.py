"""Runs a model over a data set: streaming one question after the other, many at once, or re-scoring saved
answers."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from medreasoner.data.sample import Sample
from medreasoner.evaluation.adapters import (
    CachingReasoner,
    CachingSegmenter,
    NoSegmenter,
    ReplayedAnswer,
    draws_from,
    points_given,
)
from medreasoner.evaluation.fixed_prompts import masks_without_model
from medreasoner.evaluation.opened_sample import OpenedSample
from medreasoner.evaluation.options import Options
from medreasoner.evaluation.record import Record
from medreasoner.evaluation.record_file import Unanswered
from medreasoner.evaluation.resume import EvaluationRecords, Job, Progress, Shard, Work, resume
from medreasoner.evaluation.run_info import run_info
from medreasoner.evaluation.saved_answers import SavedAnswers
from medreasoner.evaluation.scoring import score_events
from medreasoner.pipeline import ground
from medreasoner.reasoners.base import BatchReasoner, Completion, EncodedImage, Reasoner, ReasonerError
from medreasoner.segmenters.base import Segmenter, SegmenterError

AHEAD = 8  # batches that are opened at a time, so that a server never waits for the slowest answer of one


@dataclass(frozen=True)
class _Encoded:
    """An image before its batch is answered: encoded by both models, or why it could not be.

    Args:
        for_reasoner: without features.
        for_segmenter: only where the segmenter takes the reasoner's features over.
    """

    for_reasoner: EncodedImage | None = None
    for_segmenter: object = None
    error: str | None = None


class Evaluator:
    """One model, or its saved answers, over the samples and over the controls.

    Args:
        segmenter: None leaves the masks out. out: folder of the records. progress: see `resume.Job`.
    """

    def __init__(
        self,
        reasoner: Reasoner | SavedAnswers,
        segmenter: Segmenter | None,
        out: Path,
        options: Options,
        *,
        progress: Progress = lambda file, done, of: None,
        shard: Shard | None = None,
    ) -> None:
        self.saved = reasoner if isinstance(reasoner, SavedAnswers) else None
        self.reasoner = None if self.saved else CachingReasoner(reasoner, options.frame)
        self.segmenter = CachingSegmenter(segmenter or NoSegmenter(), options.prompts)
        self.masks = segmenter is not None
        self.out, self.options, self.progress, self.shard = out, options, progress, shard or Shard()
        self.frame = options.frame or reasoner.frame
        self.run = run_info(reasoner, self.segmenter.name, options)

    def answer(
        self, samples: Sequence[Sample], name: str, masks: bool, think: bool | None = None
    ) -> EvaluationRecords:
        """The answers to `samples`, in the file `name`. think: overrides `Options.think`."""
        masks = masks and self.masks
        think = self.run.think if think is None else think
        segmenter = self.segmenter if masks else NoSegmenter()
        together, work = self._way(segmenter, think)
        run = replace(self.run, think=think)
        job = Job(self.out / name, run, work, together, masks, self.shard, self.progress)
        return resume(samples, job)

    def _way(self, segmenter: Segmenter, think: bool) -> tuple[int, Work]:
        """How samples are answered: so many at a time, by this."""
        if self.saved:
            return 1, lambda opened: (self._replay(each, segmenter) for each in opened)
        if self.options.batch == 1 or not isinstance(self.reasoner.reasoner, BatchReasoner):
            return 1, _timed(lambda opened: (self._stream(each, segmenter, think) for each in opened))
        paired = self.reasoner.paired_segmenter
        shared = (
            paired is not None and paired.tower is not None
        )  # then a large encoding is held for each image
        together = self.options.batch * (1 if shared else AHEAD)
        return together, _timed(lambda opened: self._batch(opened, segmenter, think))

    def _stream(self, opened: OpenedSample, segmenter: Segmenter, think: bool) -> Record:
        events = ground(opened.image, opened.sample.question, self.reasoner, segmenter, think)
        record = score_events(opened, events)
        return replace(
            record,
            drawn=masks_without_model(opened, segmenter),
            input_wh=self.reasoner.input_wh(opened.image),
            seconds=record.timings_s and record.timings_s["total"],
        )

    def _batch(
        self, opened: Sequence[OpenedSample], segmenter: Segmenter, think: bool
    ) -> Iterator[Record | Unanswered]:
        encoded = [self._encode(each, segmenter) for each in opened]
        asked = [
            (one.for_reasoner, each.sample.question)
            for each, one in zip(opened, encoded, strict=True)
            if one.error is None
        ]
        completions: Iterator[Completion] = iter(())
        if asked:
            images, questions = zip(*asked, strict=True)
            completions = self.reasoner.reasoner.answer_batch(images, questions, think, self.options.batch)
        for each, one in zip(opened, encoded, strict=True):
            if one.for_segmenter is not None:
                segmenter.remember(each.image, one.for_segmenter)
            if one.error is not None:
                failed = ReplayedAnswer(self.run.model, self.frame, "", each.image.size, one.error)
                yield self._score(each, failed, segmenter)
            else:
                yield self._complete(each, one.for_reasoner, next(completions), segmenter)

    def _complete(
        self, opened: OpenedSample, encoded: EncodedImage, completion: Completion, segmenter: Segmenter
    ) -> Record | Unanswered:
        if completion.error is not None:
            return Unanswered(opened.sample.id, opened.sample.question, completion.error, request=True)
        answer = ReplayedAnswer(
            self.run.model,
            self.frame,
            completion.text,
            encoded.input_wh,
            certainty=completion.certainty,
            calibration=self.reasoner.calibration,
        )
        return replace(
            self._score(opened, answer, segmenter),
            seconds=completion.seconds,
            tokens_in=completion.tokens_in,
            tokens_out=completion.tokens_out,
        )

    def _encode(self, opened: OpenedSample, segmenter: Segmenter) -> _Encoded:
        try:
            encoded = self.reasoner.encode(opened.image)
        except ReasonerError as error:
            return _Encoded(error=str(error))
        if encoded.features is None or not isinstance(segmenter, CachingSegmenter):
            return _Encoded(encoded)
        bare = replace(encoded, features=None)
        try:
            return _Encoded(bare, segmenter.encode(opened.image, encoded.features))
        except SegmenterError:
            return _Encoded(bare)  # tried again, and told, when the mask is drawn

    def _replay(self, opened: OpenedSample, segmenter: Segmenter) -> Record | Unanswered:
        sample = opened.sample
        answer = self.saved.replay(sample, opened.image.size, self.frame)
        if answer is None:
            why = f"{self.saved.folder} holds no answer to it"
            return Unanswered(sample.id, sample.question, why, request=True)
        confidence = self.saved.confidence(sample, self.frame)
        return replace(self._score(opened, answer, segmenter), confidence=confidence)

    def _score(self, opened: OpenedSample, answer: ReplayedAnswer, segmenter: Segmenter) -> Record:
        """The record of a known answer; timings are dropped, because it was replayed, not generated."""
        if not points_given(answer.text) and isinstance(segmenter, CachingSegmenter):
            segmenter = segmenter.restricted("box") if "box" in draws_from(segmenter.segmenter) else segmenter
        events = ground(opened.image, opened.sample.question, answer, segmenter)
        record = score_events(opened, events, answer.input_wh).without_timings()
        return replace(record, drawn=masks_without_model(opened, segmenter))


def _timed(work: Work) -> Work:
    """`work` whose records say in `wall_s` how many seconds passed since the one before; their sum is the
    time that the machine was busy."""

    def timed(opened: Sequence[OpenedSample]) -> Iterator[Record | Unanswered]:
        before = time.perf_counter()
        for result in work(opened):
            now = time.perf_counter()
            yield replace(result, wall_s=now - before) if isinstance(result, Record) else result
            before = time.perf_counter()

    return timed
