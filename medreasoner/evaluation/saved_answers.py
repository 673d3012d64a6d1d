"""Answers that another run wrote down, to be scored again: with another segmenter, or in another frame."""

from dataclasses import dataclass
from pathlib import Path

from medreasoner.data.load import DataError
from medreasoner.data.sample import Sample
from medreasoner.evaluation.adapters import ReplayedAnswer
from medreasoner.evaluation.record import Record, RunInfo
from medreasoner.evaluation.record_file import read_records
from medreasoner.geometry import FRAMES, Frame
from medreasoner.reasoners.families import UPSTREAM_RAW


@dataclass(frozen=True)
class SavedAnswers:
    """The records of another run by id and question, and what made them."""

    folder: Path
    run: RunInfo
    records: dict[tuple[str, str], Record]

    @staticmethod
    def read(folder: Path) -> "SavedAnswers":
        """The records of a run's folder, which is only read. Errors: DataError."""
        records = read_records(folder / "records.jsonl")
        if not records:
            what = "expected the --out folder of another evaluation"
            raise DataError(f"{folder} holds no records.jsonl with answers; {what}")
        by_key = {(record.id, record.question): record for record in records}
        return SavedAnswers(folder, records[0].run, by_key)

    @property
    def frame(self) -> Frame:
        """In which the model wrote."""
        return {**FRAMES, UPSTREAM_RAW.name: UPSTREAM_RAW}[self.run.writes]

    def replay(self, sample: Sample, image_wh: tuple[int, int], frame: Frame) -> ReplayedAnswer | None:
        """The answer to `sample`, its numbers read in `frame`; None if there is none. `image_wh`: (width,
        height) of its image, for records that do not say in what size the model saw it."""
        old = self.records.get((sample.id, sample.question))
        if old is None:
            return None
        error = old.message if old.failure == "model" else None
        size, certainty = old.input_wh or image_wh, old.certainty
        return ReplayedAnswer(self.run.model, frame, old.answer_text, size, error, certainty=certainty)

    def confidence(self, sample: Sample, frame: Frame) -> float | None:
        """What the model gave its answer to `sample`; None where it is not known, or the box is another one
        because it is read in another frame."""
        old = self.records.get((sample.id, sample.question))
        return old.confidence if old is not None and frame.name == self.run.frame else None
