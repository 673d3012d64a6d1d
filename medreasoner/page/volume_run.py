"""One question about a whole stack: what has been found in its slices so far, and what the visitor has
corrected. It outlives the views of its stack, for a visitor leafs through them meanwhile.
"""

import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from medreasoner.certainty import UNKNOWN
from medreasoner.events import Absent, Done, VolumeDone
from medreasoner.geometry import Grounding, mask_to_box
from medreasoner.imaging import ViewSelection, Volume
from medreasoner.output.grounding_json import Provenance
from medreasoner.output.size import longest_axis_mm
from medreasoner.page.answers import AnsweredQuestion, Asked
from medreasoner.page.small_stack import SmallStack
from medreasoner.segmenters.base import SegmenterPrompt
from medreasoner.volume_masks import reach, seed_component

NOTHING = np.zeros((1, 1), bool)


@dataclass
class VolumeRun:
    """A run over a stack, while it lasts and afterwards.

    Args:
        volume: the stack, along one axis, at one time point. view: names axis and time point.
        asked: the model that is asked, and whether it reasons first.
        provenance: what makes the answer; `provenance.question` is the question.
        file: names the opened files to the browser.
        viewing: the slice that the visitor looks at, None where another axis is shown.
        stop: set it to end what runs. dropped: another image was opened; nothing is to be shown any more.
        running: something is under way. status: the line that says so.
        think: the reasoning so far.
        looked: slice -> whether the target was seen there, of the slices that were looked at.
        key: the slice that was asked. grounding: what the model said there, before there is a mask.
        masks: slice -> (H, W) bool, none of them empty. scores: slice -> the segmenter's own estimate.
        result: how the run ended, before corrections.
        seeds: slice -> what is asked or corrected there. offered: slice -> what there was to correct.
        small: a small copy of the stack.
    """

    volume: Volume
    view: ViewSelection
    asked: Asked
    provenance: Provenance
    file: int
    viewing: int | None = None
    stop: threading.Event = field(default_factory=threading.Event, repr=False)
    dropped: bool = False
    running: bool = True
    status: dict = field(default_factory=dict)
    think: str = ""
    looked: dict[int, bool | None] = field(default_factory=dict)
    key: int | None = None
    grounding: Grounding | None = None
    masks: dict[int, np.ndarray] = field(default_factory=dict, repr=False)
    scores: dict[int, float] = field(default_factory=dict)
    result: VolumeDone | Absent | None = field(default=None, repr=False)
    seeds: dict[int, SegmenterPrompt] = field(default_factory=dict, repr=False)
    small: SmallStack | None = field(default=None, repr=False)
    offered: dict[int, SegmenterPrompt | None] = field(default_factory=dict, repr=False)
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def found(self) -> bool:
        return isinstance(self.result, VolumeDone)

    @property
    def corrected(self) -> bool:
        return self.found and bool(self.changed_seeds())

    @property
    def own_seeds(self) -> dict[int, SegmenterPrompt]:
        """What the model itself answered. Only where `found`."""
        return {self.result.slice: SegmenterPrompt.of(self.result.key.grounding)}

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the masks take."""
        kept = [self.result.mask] if self.found else []
        return sum(mask.nbytes for mask in (*self.masks.values(), *kept))

    def covers(self, view: ViewSelection) -> bool:
        """Whether a view shows a slice of this stack."""
        return (view.axis, view.frame) == (self.view.axis, self.view.frame)

    def look_at(self, view: ViewSelection) -> None:
        """The visitor has turned to another view of the file."""
        self.viewing = (view.slice or 1) if self.covers(view) else None

    def drop(self) -> None:
        """Another image has been opened."""
        self.stop.set()
        self.dropped = True

    def put(self, number: int, mask: np.ndarray, score: float) -> None:
        """Store the mask of a slice."""
        self.masks.pop(number, None)
        self.scores.pop(number, None)
        if mask.any():
            self.masks[number], self.scores[number] = mask, score

    def end(self, result: VolumeDone | Absent) -> None:
        """Store the end of a run."""
        self.result = result
        if isinstance(result, VolumeDone):
            self.seeds = self.own_seeds
            self.restore()

    def restore(self) -> None:
        """Take the model's own answer again."""
        self.seeds, self.offered = self.own_seeds, {}
        self._take(self.result.mask)
        self.scores = dict(self.result.scores)

    def clean(self) -> None:
        """Drop what is not connected in space with a mask that was asked or corrected."""
        mask = self.mask()
        self._take(seed_component(mask, {number: mask[number - 1] for number in self.seeds}))

    def mask(self) -> np.ndarray:
        """All masks, (D, H, W) bool."""
        whole = np.zeros(self.volume.shape, bool)
        for number, mask in self.masks.items():
            whole[number - 1] = mask
        return whole

    def done(self) -> VolumeDone:
        """The answer as it was corrected last. Only where `found`."""
        if not self.corrected:
            return self.result
        mask, spacing = self.mask(), self.volume.spacing_mm
        return replace(
            self.result,
            mask=mask,
            scores={number: self.scores[number] for number in sorted(self.masks)},
            volume_ml=self.volume.volume_ml(mask),
            long_axis_mm=None if spacing is None else longest_axis_mm(mask, spacing),
        )

    def prompt(self, number: int) -> SegmenterPrompt | None:
        """What is drawn to be corrected on a slice: its own prompt, else the box of its mask."""
        if number in self.seeds or number not in self.masks:
            return self.seeds.get(number)
        return SegmenterPrompt(mask_to_box(self.masks[number]))

    def slice_answer(self, number: int) -> AnsweredQuestion | None:
        """The answer as far as one slice shows it; None where the target is not in it."""
        if not self.found or number not in self.masks:
            return None
        key, mask, prompt = self.result.key, self.masks[number], self.prompt(number)
        grounding = Grounding(prompt.box or mask_to_box(mask), tuple(prompt.points))
        if number == self.result.slice and number not in self.changed_seeds():
            here = key
        else:  # the model's confidence is about the slice that it was asked on
            here: Done = replace(
                key,
                grounding=grounding,
                mask=mask,
                mask_score=self.scores.get(number, 0.0),
                confidence=None,
                certainty=UNKNOWN,
            )
        return AnsweredQuestion(self.id, self.provenance, here, key, prompt.clicks, self.corrected)

    def changed_seeds(self) -> Mapping[int, SegmenterPrompt]:
        """The seeds that a visitor has set or moved."""
        own = self.own_seeds
        return {number: seed for number, seed in self.seeds.items() if own.get(number) != seed}

    def correct(self, number: int, prompt: SegmenterPrompt | None) -> None:
        """Take the correction of a slice; one that is what was there before takes the correction back. The
        slices that are drawn from it are emptied.
        """
        if prompt == self.offered.setdefault(number, self.prompt(number)):
            self.seeds.pop(number, None)
            self.seeds = self.own_seeds | self.seeds
            emptied = range(1, self.volume.shape[0] + 1)
        else:
            self.seeds[number] = prompt
            emptied = reach(number, self.seeds, self.volume.shape[0])
        for each in emptied:
            self.put(each, NOTHING, 0.0)

    def _take(self, mask: np.ndarray) -> None:
        self.masks = {int(at) + 1: mask[at] for at in np.flatnonzero(mask.any(axis=(1, 2)))}
