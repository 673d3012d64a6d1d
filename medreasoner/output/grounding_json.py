"""A finished run as JSON: what was asked, what was found, and what made it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

from medreasoner.events import Absent, Done
from medreasoner.imaging import LoadedImage
from medreasoner.output.rle import mask_to_rle
from medreasoner.prompts import Prompt

MASK_FILE = "mask.png"  # beside the JSON
_LOCATION = ("box_xyxy", "points_xy", "mask", "mask_rle")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class Provenance:
    """What made a run, beyond what its events say; None where the caller does not know.

    Args:
        model_revision, segmenter_revision: commits of their repositories.
        prompt_sha256: of the model's prompt, see `Prompt.sha256`.
        created: UTC, ISO 8601 to the second; "" if unknown.
    """

    question: str | None = None
    model_revision: str | None = None
    segmenter_revision: str | None = None
    prompt_sha256: str | None = None
    created: str = field(default_factory=_now)

    @staticmethod
    def of(
        prompt: Prompt,
        question: str | None = None,
        model_revision: str | None = None,
        segmenter_revision: str | None = None,
    ) -> "Provenance":
        """Of a run that is made now."""
        return Provenance(question, model_revision, segmenter_revision, prompt.sha256)


NO_PROVENANCE = Provenance(created="")


def as_json(
    done: Done | Absent,
    loaded: LoadedImage | None = None,
    provenance: Provenance = NO_PROVENANCE,
    more: Mapping[str, object] | None = None,
) -> dict[str, object]:
    """The run as plain JSON values.

    `found` says whether the model located a target; where it did not, box, points and mask are null.
    Coordinates are
    pixels of the original image: `box_xyxy` half-open, `points_xy` two [x, y], `image_wh` [width, height].
    `mask` is the name of the mask's file, `mask_rle` the mask itself (see rle.py). `timings_s` are seconds.
    `confidence` is that of `Done` or `Absent`, the chance that the answer is right; `uncalibrated` holds the
    raw figures beside it, no chances: the segmenter's estimate of its mask's IoU, and `certainty.Certainty`.
    `left_out` names what other files lack.

    Args:
        loaded: adds what the image came as, which view of it was asked about (`load_image` takes the same),
            and its spacing and orientation.
        more: further values of the caller's.
    """
    return {
        "found": done.found,
        "think": done.think,
        "image_wh": list(done.image_wh),
        **(_location(done) if isinstance(done, Done) else dict.fromkeys(_LOCATION)),
        "confidence": done.confidence,
        "uncalibrated": {"mask_iou_estimate": done.mask_score if done.found else None, **_raw(done)},
        "model": done.model,
        "model_revision": provenance.model_revision,
        "segmenter": done.segmenter,
        "segmenter_revision": provenance.segmenter_revision,
        "prompt_sha256": provenance.prompt_sha256,
        "question": provenance.question,
        "created": provenance.created or None,
        "timings_s": done.timings_s,
        "answer_text": done.answer_text,
        "kind": loaded and loaded.kind,
        "view": loaded and asdict(loaded.view),
        "spacing_mm": loaded and loaded.spacing_mm and list(loaded.spacing_mm),
        "orientation": loaded and loaded.orientation and list(loaded.orientation),
        "left_out": [],
        "notice": done.notice,
        **(more or {}),
    }


def _location(done: Done) -> dict[str, object]:
    """Box, points and mask of a run as JSON values, under the keys of `_LOCATION`."""
    box, points = list(done.grounding.box), [list(point) for point in done.grounding.points]
    return dict(zip(_LOCATION, (box, points, MASK_FILE, mask_to_rle(done.mask)), strict=True))


def _raw(done: Done | Absent) -> dict[str, object]:
    """The certainty of a run as JSON values."""
    values = asdict(done.certainty)
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def dumps(
    done: Done | Absent,
    loaded: LoadedImage | None = None,
    provenance: Provenance = NO_PROVENANCE,
    more: Mapping[str, object] | None = None,
) -> str:
    """`as_json` as text in plain ASCII, the same on every terminal, ending in a newline."""
    return json.dumps(as_json(done, loaded, provenance, more), allow_nan=False, indent=1) + "\n"
