"""What a model's folder says about itself: `medreasoner.json` beside the weights, and the base model of an
adapter.

One small JSON object, the same for a reasoner's folder and for a segmenter's:

    {"format": 1, "frame": "0..255", "segmenter": "segmenter", "prompt_sha256": "…"}   a reasoner with a
    segmenter in a subfolder {"format": 1, "multimask": false}
    a segmenter whose single mask is the tuned one

A folder without the file is an ordinary one; everything then follows from its `config.json`. The prompt lies
beside it in `prompt.json` (see `prompts`).
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NamedTuple

from medreasoner.geometry import FRAMES, Frame
from medreasoner.json_files import read_json
from medreasoner.messages import short

NAME = "medreasoner.json"
FORMAT = 1
# the small pair that comes with this package: its name and its folder
EMBEDDED_NAME = "embedded"
EMBEDDED_FOLDER = Path(__file__).parent / "embedded"

MAX_SPECKS = 0.5  # of the mask's area; half of a mask is no speck
SHA256 = re.compile(r"[0-9a-f]{64}")
FOLDER_OR_HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", re.ASCII)


class Rule(NamedTuple):
    """What a key may hold: its exact types, a test of the value, and both in words."""

    types: tuple[type, ...]
    allows: Callable[[object], bool]
    expected: str


def whole(low: int, high: int) -> Rule:
    """The rule for a whole number from `low` to `high`, both included."""
    return Rule((int,), lambda value: low <= value <= high, f"a whole number from {low} to {high}")


_SWITCH = Rule((bool,), lambda value: True, "true or false")
# The limits keep out what no model means and what would make a run endless; NaN is in no range.
RULES = {
    "frame": Rule((str,), FRAMES.__contains__, f"one of {', '.join(map(repr, FRAMES))}"),
    "square": whole(16, 8192),
    "max_pixels": whole(256, 8192 * 8192),
    "prompt_sha256": Rule((str,), SHA256.fullmatch, "a SHA-256 of 64 hex digits"),
    "segmenter": Rule(
        (str,), FOLDER_OR_HUB_ID.fullmatch, "the name of a subfolder, or owner/name on the Hub"
    ),
    "absence": _SWITCH,
    "multimask": _SWITCH,
    "specks": Rule((float, int), lambda value: 0 <= value <= MAX_SPECKS, f"a number from 0 to {MAX_SPECKS}"),
    "looks": whole(1, 16),
}


@dataclass(frozen=True)
class Manifest:
    """The contents of `medreasoner.json`; None where the folder leaves the choice to the model family.

    Args:
        frame: how the model writes coordinates; one of `geometry.FRAMES`, by its name in the file.
        square: side in pixels to which each image is resized first, its aspect not kept.
        max_pixels: larger images are scaled down to this area first.
        prompt_sha256: `prompts.Prompt.sha256` of the prompt the model was trained with; it is not run with
            another by accident.
        segmenter: the one that belongs to this model: a subfolder, which may share the model's vision tower,
            or "owner/name" on the Hub.
        absence: whether the model was taught to answer that the target is not in the image.
        multimask: for a segmenter: choose the best of three masks (true), or take the single one (false).
        specks: for a segmenter: regions and holes smaller than this share of the mask are removed, see
            `segmenters/cleanup.py`.
        looks: for a segmenter: how many passes of the mask decoder draw a mask, each with the mask of the one
            before as a prompt.

    Errors: ValueError for a value outside its range, see `RULES`.
    """

    frame: Frame | None = None
    square: int | None = None
    max_pixels: int | None = None
    prompt_sha256: str | None = None
    segmenter: str | None = None
    absence: bool | None = None
    multimask: bool | None = None
    specks: float | None = None
    looks: int | None = None

    def __post_init__(self) -> None:
        for key, value in self._values().items():
            rule = RULES[key]
            if type(value) not in rule.types or not rule.allows(value):
                raise ValueError(f"{key} must be {rule.expected}, got {short(value)}")

    @staticmethod
    def read(folder: str | Path) -> "Manifest":
        """The manifest of `folder`, empty if it has none. Errors: ValueError with one sentence if it is not
        understood.
        """
        path = Path(folder) / NAME
        if not path.exists():
            return Manifest()
        values = read_json(path)
        version = values.pop("format", None)
        if version != FORMAT:
            raise ValueError(
                f"{path}: format {version!r} is not known, expected {FORMAT}; a newer medreasoner may read it"
            )
        if unknown := sorted(values.keys() - RULES.keys()):
            raise ValueError(f"{path}: unknown key {short(unknown[0])}, expected some of {', '.join(RULES)}")
        if nothing := [key for key, value in values.items() if value is None]:
            raise ValueError(
                f"{path}: {nothing[0]} must be {RULES[nothing[0]].expected}, got null; leave it out instead"
            )
        frame = values.get("frame")
        if isinstance(frame, str):
            values["frame"] = FRAMES.get(frame, Frame(frame))
        try:
            return Manifest(**values)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    def dumps(self) -> str:
        """The contents of the file."""
        return json.dumps({"format": FORMAT, **self._values()}, indent=1) + "\n"

    def _values(self) -> dict[str, object]:
        """What is set, as it stands in the file."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            key: value.name if isinstance(value, Frame) else value
            for key, value in values.items()
            if value is not None
        }


def adapter_base(folder: Path) -> tuple[str, str | None] | None:
    """(id or folder of the base model, its revision) of a PEFT adapter's folder, None for a folder that holds
    a whole model.

    Errors: ValueError.
    """
    path = folder / "adapter_config.json"
    if not path.exists() or (folder / "config.json").exists():
        return None
    values = read_json(path)
    base, revision = values.get("base_model_name_or_path"), values.get("revision")
    if not isinstance(base, str) or not base or not isinstance(revision, str | None):
        raise ValueError(
            f"{path}: expected the base model's id under base_model_name_or_path, got {short(base)}"
        )
    return base, revision
