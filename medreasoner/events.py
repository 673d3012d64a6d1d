"""What happens during one grounding run, as values.

Their order is `Thinking* (Located Segmented Done | Absent | Located? Failed)`. All are frozen, pickle
(ZeroGPU carries them between processes) and hold CPU data only.
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


Event = Thinking | Located | Segmented | Done | Absent | Failed
