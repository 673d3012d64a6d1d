"""What happens during one grounding run, as values.

Their order is `Thinking* (Located Segmented Done | Absent | Located? Failed)`; of a volume
`Scanned* Chosen Thinking* (Located Segmented Propagated* VolumeDone | Absent | Located? Failed)`, where
nothing is chosen if all that was scanned is absent. All are frozen, pickle (ZeroGPU carries them between
processes) and hold CPU data only. Slices are counted from 1.
"""

from dataclasses import dataclass, field

import numpy as np

from medreasoner.certainty import UNKNOWN, Certainty
from medreasoner.geometry import Frame, Grounding

NOTICE = "Research use only. Not for diagnosis."


@dataclass(frozen=True)
class Thinking:
    """A further piece of the reasoning, to be appended to what came before.

    The first may be empty: the image has been read.
    """

    text: str


@dataclass(frozen=True)
class Located:
    """The answer's JSON has closed: box and points in pixels of the original image, and the repairs that were
    needed, if any.
    """

    grounding: Grounding
    notes: tuple[str, ...] = ()
    seconds: float = 0.0  # since the run began


@dataclass(frozen=True)
class Segmented:
    """`mask` is (H, W) bool in the original image's size; `score` the segmenter's own estimate of its IoU,
    0..1.
    """

    mask: np.ndarray = field(repr=False)
    score: float
    seconds: float = 0.0  # since the run began


@dataclass(frozen=True)
class Done:
    """The whole run again, for callers that want only the end.

    `confidence` is the calibrated chance, 0..1, that the box overlaps the target by half (see
    `confidence.py`), None where it is not known. `mask_score` and `certainty` are raw: not chances of being
    right.
    """

    think: str
    answer_text: str
    grounding: Grounding
    mask: np.ndarray = field(repr=False)
    mask_score: float
    image_wh: tuple[int, int]
    notes: tuple[str, ...]
    timings_s: dict[str, float]  # first_token, located, mask_after_last_token, total; seconds
    tokens_per_s: float | None
    model: str
    segmenter: str
    notice: str = NOTICE
    certainty: Certainty = UNKNOWN
    frame: Frame | None = (
        None  # in which the model writes coordinates, for those in `think`; None where it was not recorded
    )
    input_wh: tuple[int, int] | None = None  # of the resized input; None with `frame`
    confidence: float | None = None

    found = True  # as `Absent.found`


@dataclass(frozen=True)
class Absent:
    """The model's answer is that the target is not in the image, or that the message asks for none. An
    answer, not an error.

    The fields are those of `Done`; `confidence` is the calibrated chance, 0..1, that the target is really not
    there.
    """

    think: str
    answer_text: str
    image_wh: tuple[int, int]
    notes: tuple[str, ...]
    timings_s: dict[str, float]  # read, first_token, total; seconds
    tokens_per_s: float | None
    model: str
    segmenter: str
    notice: str = NOTICE
    confidence: float | None = None
    certainty: Certainty = UNKNOWN

    found = False


@dataclass(frozen=True)
class Failed:
    """The run ended without a mask.

    `reason` is a short name, `message` one sentence for a person, `text` what the model wrote.
    """

    reason: str
    message: str
    think: str = ""
    text: str = ""


@dataclass(frozen=True)
class Scanned:
    """A slice of a volume has been looked at, to find the one where the target is seen best.

    Args:
        found: whether the model located a target in it; None where its answer could not be read.
        rank: by which slices are compared, higher is better; no chance, and of no meaning beside other
            volumes.
        seen, planned: how many slices have been looked at, and how many will be, as far as is known.
    """

    slice: int
    found: bool | None
    rank: float
    seen: int
    planned: int
    seconds: float = 0.0  # since the run began


@dataclass(frozen=True)
class Chosen:
    """The slice that the question is put to. `asked` says whether a person chose it."""

    slice: int
    slices: int  # of the volume
    axis: str | None  # "axial", …; None where the file does not say
    asked: bool


@dataclass(frozen=True)
class Propagated:
    """The mask (H, W) bool of a further slice, and the segmenter's own estimate of its IoU, 0..1."""

    slice: int
    mask: np.ndarray = field(repr=False)
    score: float
    seconds: float = 0.0  # since the run began


@dataclass(frozen=True)
class VolumeDone:
    """The whole run over a volume again.

    Args:
        key: what the run on the chosen slice ended with.
        slice: the chosen one.
        mask: (D, H, W) bool, slices in the volume's order.
        scores: slice -> the segmenter's own estimate of the IoU of its mask.
        scanned: what was looked at before.
        spacing_mm: across the slices, down, to the right; None where it is not known, and with it `volume_ml`
            and `long_axis_mm`, the longest diameter within one slice.
    """

    key: Done
    slice: int
    mask: np.ndarray = field(repr=False)
    scores: dict[int, float]
    scanned: tuple[Scanned, ...]
    axis: str | None
    spacing_mm: tuple[float, float, float] | None
    volume_ml: float | None
    long_axis_mm: float | None
    notes: tuple[str, ...]
    timings_s: dict[str, float]  # scanned, key, total; seconds
    notice: str = NOTICE

    found = True  # as `Done.found`

    @property
    def slices(self) -> tuple[int, int]:
        """The first and the last slice of the mask; (0, 0) of an empty one."""
        filled = np.flatnonzero(self.mask.any(axis=(1, 2))) + 1
        return (int(filled[0]), int(filled[-1])) if len(filled) else (0, 0)


Event = Thinking | Located | Segmented | Done | Absent | Failed
VolumeEvent = Event | Scanned | Chosen | Propagated | VolumeDone
