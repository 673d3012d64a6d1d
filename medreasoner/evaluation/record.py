"""The record of one answer: what was asked, what was answered, what was true, and the scores. One line of
`records.jsonl` as a value; columns (`columns.py`) are functions of it.

Coordinates are pixels of the original image, boxes half-open xyxy, points xy. A score is None where it does
not apply: no mask to compare with, no points in the model's dialect, no target in the image.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace

from medreasoner.certainty import Certainty
from medreasoner.evaluation.answer_scores import SCORES, Scores, as_tuple
from medreasoner.geometry import Box, Grounding, Point
from medreasoner.metrics import AGREES


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """What made a set of records. Records of different runs are never mixed.

    Args:
        format: version of the records' format.
        model, segmenter: names.
        prompt: first 16 hex digits of the prompt's SHA-256.
        think: reasoning was asked for.
        writes: name of the frame in which the model writes coordinates. frame: in which they were read.
        prompts: what the segmenter saw: "both", "box" or "points".
        weights: fingerprints of local weights, so that a retrained model does not continue its predecessor's
            records.
        answers: folder of the run whose saved answers were scored, None where the model was asked.
    """

    format: int | None = None
    model: str = ""
    prompt: str = ""
    think: bool = True
    writes: str = ""
    segmenter: str = ""
    frame: str = ""
    prompts: str = "both"
    weights: str = ""
    answers: str | None = None

    def to_json(self) -> dict[str, object]:
        """As it stands in records.jsonl and summary.json."""
        values = asdict(self)
        return values if self.answers is not None else {k: v for k, v in values.items() if k != "answers"}

    @staticmethod
    def from_json(values: Mapping[str, object]) -> "RunInfo":
        """Other keys are passed over."""
        return RunInfo(**{f.name: values[f.name] for f in fields(RunInfo) if f.name in values})


@dataclass(frozen=True, kw_only=True)
class Record(Scores):
    """One sample, answered and scored.

    Args:
        id, question: name the sample. case: its patient or study, by which intervals are clustered.
        size: the target's share of the image in words.
        truth: None where the target is not in the image.
        found: True where the answer gives a place, False where it says that the target is not there, None
            where it failed.
        failure: why it failed, in a word. message: in a sentence.
        well_formed: the text was in the asked format.
        place_agrees: the place that the reasoning names is that of the box; None where it names none.
        input_wh: (width, height) of the image as the model saw it.
        mask_rle: COCO's run-length code. mask_score: the segmenter's own estimate of its IoU.
        coordinate_probability, coordinate_spread, presence: as in `certainty.Certainty`.
        confidence, timings_s, tokens_per_s: as in `events.Done`; the last two only of streamed answers.
        seconds: from question to last token; in a batch, the answer's share. wall_s: since the record before.
        drawn: scores of masks that the segmenter made of other prompts than the model's, by the control's
            name.
    """

    id: str
    question: str
    case: str
    modality: str = ""
    supercategory: str = ""
    category: str = ""
    image_wh: tuple[int, int] | None = None
    size: str | None = None
    truth: Grounding | None = None
    failure: str | None = None
    message: str | None = None
    well_formed: bool | None = None
    found: bool | None = None
    think: str = ""
    answer_text: str = ""
    input_wh: tuple[int, int] | None = None
    box: Box | None = None
    points: tuple[Point, Point] | None = None
    place_agrees: bool | None = None
    mask_rle: dict[str, object] | None = None
    mask_score: float | None = None
    coordinate_probability: float | None = None
    coordinate_spread: tuple[float, float, float, float] | None = None
    presence: float | None = None
    confidence: float | None = None
    notes: tuple[str, ...] | None = None
    timings_s: dict[str, float] | None = None
    tokens_per_s: float | None = None
    seconds: float | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    wall_s: float | None = None
    drawn: dict[str, Scores] = field(default_factory=dict)
    run: RunInfo | None = None

    @property
    def certainty(self) -> Certainty:
        """What the probabilities of the model's tokens say of the answer."""
        return Certainty(self.coordinate_probability, self.coordinate_spread, self.presence)

    @property
    def right(self) -> bool | None:
        """Whether the answer is right: a box that overlaps its target by half, or an absence where there is
        no target. None where it failed."""
        if self.found is None:
            return None
        if self.truth is None or not self.found:
            return self.truth is None and not self.found
        return self.box_iou >= AGREES

    def scored(self, scores: Scores) -> "Record":
        """The same sample with the scores of another answer, for controls."""
        sample = {"id": self.id, "question": self.question, "case": self.case, "truth": self.truth}
        return Record(**sample, **scores.given())

    def without_timings(self) -> "Record":
        """For an answer that was replayed: its times are not those of the model."""
        return replace(self, timings_s=None, tokens_per_s=None)

    def to_json(self) -> dict[str, object]:
        """A line of records.jsonl. Left out are what was not measured and scores where there is no target."""
        left_out = OPTIONAL if self.truth is not None else OPTIONAL | set(SCORES)
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        values |= {
            "truth": None if self.truth is None else asdict(self.truth),
            "drawn": {name: scores.given() for name, scores in self.drawn.items()} or None,
            "run": None if self.run is None else self.run.to_json(),
        }
        return {name: value for name, value in values.items() if value is not None or name not in left_out}

    @staticmethod
    def from_json(values: Mapping[str, object]) -> "Record":
        """Reads what `to_json` wrote, also in older versions; other keys are passed over."""
        known = {f.name: as_tuple(values[f.name]) for f in fields(Record) if f.name in values}
        truth, run, drawn = known.get("truth"), known.get("run"), known.get("drawn") or {}
        known |= {
            "truth": truth and Grounding(as_tuple(truth["box"]), as_tuple(truth["points"])),
            "run": run and RunInfo.from_json(run),
            "drawn": {name: Scores.from_json(scores) for name, scores in drawn.items()},
        }
        return Record(**known)


OPTIONAL = {
    "mask_rle", "mask_score", "coordinate_probability", "coordinate_spread", "presence", "confidence",
    "notes", "timings_s", "tokens_per_s", "seconds", "tokens_in", "tokens_out", "wall_s", "drawn", "run",
}  # fmt: skip
