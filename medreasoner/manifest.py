"""What a model folder says about itself beside its weights: `medreasoner.json`.

Is: one small JSON object, the same for a reasoner's folder and for a segmenter's, and the one place that knows its keys.

    {"format": 1, "frame": "0..255", "segmenter": "segmenter", "prompt_sha256": "…"}    a reasoner with a segmenter in a subfolder
    {"format": 1, "multimask": false}                                                   a segmenter whose single mask is the tuned one

Is not: the prompt (`prompt.json`, see `answer.Prompt.load`) nor anything transformers' own config files say already.
A folder without the file is an ordinary one; everything then follows from its `config.json`.
"""

import json
import textwrap
from dataclasses import dataclass
from pathlib import Path

from medreasoner.geometry import FRAMES, Frame

FORMAT = 1
TYPES = {
    "frame": str, "square": int, "max_pixels": int, "prompt_sha256": str, "segmenter": str, "multimask": bool, "specks": float,
    "looks": int, "absence": bool,
}  # fmt: skip
EMBEDDED_FOLDER = Path(__file__).parent / "embedded"


@dataclass(frozen=True)
class Manifest:
    """The contents of `medreasoner.json`; None where the folder leaves the choice to the model family.

    Args:
        frame: how the model writes coordinates.
        square: side in pixels to which each image is resized first, its aspect not kept.
        max_pixels: larger images are scaled down to this area first.
        prompt_sha256: `answer.Prompt.sha256` of the prompt the model was trained with; it is not run with another by accident.
        segmenter: the one that belongs to this model: a subfolder, which may share the model's vision tower, or "owner/name" on the Hub.
        multimask: for a segmenter: choose the best of three masks (True), or take the single one (False).
        specks: for a segmenter: regions and holes smaller than this share of the mask are taken out, see `segmenters/cleanup.py`.
        absence: whether the model was taught to answer that the target is not in the image.
        looks: for a segmenter: how often the mask is drawn, each time with the one before in view; 1 or more.
    """

    frame: Frame | None = None
    square: int | None = None
    max_pixels: int | None = None
    prompt_sha256: str | None = None
    segmenter: str | None = None
    multimask: bool | None = None
    specks: float | None = None
    looks: int | None = None
    absence: bool | None = None

    @staticmethod
    def read(folder: str | Path) -> "Manifest":
        """The manifest of `folder`, empty if it has none. ValueError with one sentence if it is not understood."""
        path = Path(folder) / "medreasoner.json"
        if not path.exists():
            return Manifest()
        values = read_json(path)
        version = values.pop("format", None)
        if version != FORMAT:
            raise ValueError(
                f"{path}: format {version!r} is not known, expected {FORMAT}; a newer medreasoner may read it"
            )
        for key, value in values.items():
            if key not in TYPES:
                raise ValueError(f"{path}: unknown key {key!r}, expected some of {', '.join(TYPES)}")
            if type(value) is not TYPES[key]:
                raise ValueError(f"{path}: {key} must be of type {TYPES[key].__name__}, got {value!r}")
        if values.get("looks", 1) < 1:
            raise ValueError(f"{path}: looks must be 1 or more, got {values['looks']}")
        if "frame" in values:
            if values["frame"] not in FRAMES:
                raise ValueError(
                    f"{path}: frame {values['frame']!r} is not known, expected one of {', '.join(map(repr, FRAMES))}"
                )
            values["frame"] = FRAMES[values["frame"]]
        return Manifest(**values)

    def dumps(self) -> str:
        """The contents of the file."""
        values = {
            key: value.name if isinstance(value, Frame) else value
            for key, value in vars(self).items()
            if value is not None
        }
        return json.dumps({"format": FORMAT, **values}, indent=1) + "\n"


def adapter_base(folder: Path) -> tuple[str, str | None] | None:
    """(id or folder of the base model, its revision) of a PEFT adapter's folder, None for a folder that holds a whole model.

    Errors: ValueError.
    """
    path = folder / "adapter_config.json"
    if not path.exists() or (folder / "config.json").exists():
        return None
    values = read_json(path)
    base, revision = values.get("base_model_name_or_path"), values.get("revision")
    if not isinstance(base, str) or not base or not isinstance(revision, str | None):
        raise ValueError(f"{path}: expected the base model's id under base_model_name_or_path, got {base!r}")
    return base, revision


def read_json(path: Path) -> dict:
    """The object in `path`. ValueError with the file's name if it holds anything else, OSError if it is not there."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not valid JSON ({error})") from error
    if not isinstance(values, dict):
        raise ValueError(f"{path}: expected a JSON object, got {type(values).__name__}")
    return values


def first_line(error: Exception) -> str:
    """The first line of an error's text, without its full stop and not too long, for use inside a sentence."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return textwrap.shorten(lines[0], 200, placeholder=" …").rstrip(".: ")
