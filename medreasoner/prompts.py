"""The prompts: the text a question is wrapped in, for every frame in which a model may write its coordinates.

Training, evaluation and the page use the same bytes (a test holds this). The example in each prompt is
written by `answer.render`, so that the format is defined once. A checkpoint that was trained on another
prompt brings it along as `prompt.json` (see `Prompt.load`).
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from medreasoner.answer import EXAMPLE, KEYS, Absence, render
from medreasoner.answer_blocks import ANSWER, THINK
from medreasoner.geometry import FRAMES, INPUT_PIXELS, Frame
from medreasoner.json_files import read_json

_TASK = """You look at a medical image (X-ray, CT, MRI, ultrasound, endoscopy, fundus, pathology, dermoscopy, mammography or OCT) \
and find the one region a clinical question is about. The question does not name it: work out what the clinician has in mind, then find it \
in the image.

Question: {question}

"""
_THINK_TAGS, _ANSWER_TAGS = "".join(THINK), "".join(ANSWER)
_REASON = f"""Reason first inside {_THINK_TAGS}: what is asked, what it looks like on this kind of image, where you see it, and what rules \
the alternatives out. When the words and the image disagree, trust the image. Then give one region and no diagnosis inside \
{_ANSWER_TAGS}, as JSON. """
_DIRECT = f"Give one region inside {_ANSWER_TAGS}, as JSON, and nothing else. "
_SHAPE = "\nExample of the form, not of the content:\n"
_ABSENT = "\nIf the image does not show the region, or the message asks for none, answer so:\n"


def _keys(frame: Frame) -> str:
    """What each key of the answer holds, with the order of the numbers in `frame`."""
    box, point = (
        ("[x_min, y_min, x_max, y_max]", "[x, y]")
        if frame.axes == "xy"
        else ("[y_min, x_min, y_max, x_max]", "[y, x]")
    )
    bbox, first, second = KEYS
    return (
        f"{bbox} is the tightest box {box} around the region; {first} and {second} are two different points {point} well inside it. "
        + coordinates(frame)
    )


def coordinates(frame: Frame) -> str:
    """The sentence of a prompt that says how to write coordinates in `frame`."""
    if frame.limit is None:
        return "Coordinates are pixels of the image as you see it."
    order = "" if frame.axes == "xy" else ", y before x"
    return f"Coordinates are whole numbers from 0 to {frame.limit:g}, where {frame.limit:g} is the far edge of the image{order}."


def _doubled(text: str) -> str:
    """`text` with its braces doubled, so that they are no placeholder of a template."""
    return text.replace("{", "{{").replace("}", "}}")


def _templates(frame: Frame, absence: bool = False) -> tuple[str, str]:
    """(with reasoning, answer alone); braces are doubled except those of `{question}`. `absence` also says
    how to answer that the region is not there."""
    nowhere = _ABSENT + _doubled(render(Absence())) if absence else ""
    whole, alone = (_doubled(text) for text in (EXAMPLE, EXAMPLE[EXAMPLE.index(ANSWER[0]) :]))
    return _TASK + _REASON + _keys(frame) + _SHAPE + whole + nowhere, _TASK + _DIRECT + _keys(
        frame
    ) + _SHAPE + alone + nowhere


THINK_TEMPLATE, DIRECT_TEMPLATE = _templates(INPUT_PIXELS)


@dataclass(frozen=True)
class Prompt:
    """The text a question is wrapped in.

    `think` and `direct` hold `{question}` once; doubled braces stand for single ones.
    """

    think: str = THINK_TEMPLATE
    direct: str = DIRECT_TEMPLATE
    system: str | None = None

    def __post_init__(self) -> None:
        for name in ("think", "direct"):
            if getattr(self, name).count("{question}") != 1:
                raise ValueError(
                    f"prompt template {name!r} must hold {{question}} exactly once, got {getattr(self, name)[:80]!r}"
                )

    def text(self, question: str, think: bool = True) -> str:
        """The user turn for `question` (the image goes before it)."""
        head, tail = (self.think if think else self.direct).split("{question}")
        return (head + "\0" + tail).replace("{{", "{").replace("}}", "}").replace("\0", question)

    @property
    def sha256(self) -> str:
        """64 hex digits that change with any byte of the prompt; a checkpoint's `medreasoner.json` names the
        prompt it was trained with.
        """
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    @staticmethod
    def load(path: str | Path) -> "Prompt":
        """Read a `prompt.json` that lies beside a checkpoint: an object with `think`, `direct` and, if it has
        one, `system`.
        """
        fields = read_json(Path(path))
        unknown = set(fields) - {"think", "direct", "system"}
        if unknown or not {"think", "direct"} <= set(fields):
            raise ValueError(
                f"{path}: expected the keys think, direct and optionally system, got {sorted(fields)}"
            )
        if not all(isinstance(text, str) for text in fields.values()):
            raise ValueError(f"{path}: think, direct and system must be text, got {fields}")
        return Prompt(**fields)


def prompt_for(frame: Frame, absence: bool = False) -> Prompt:
    """The project's prompt for a model that writes coordinates in `frame`. `absence` is for models that were
    taught to answer that the region is not there (`absence` in `medreasoner.json`); others are not asked for
    it."""
    return Prompt(*_templates(frame, absence))


def misfit(prompt: Prompt, frame: Frame) -> str | None:
    """Why answers to `prompt` would be read wrongly: it asks for coordinates of another frame than `frame`.

    None if it does not.
    """
    for other in FRAMES.values():
        if other != frame and any(coordinates(other) in text for text in (prompt.think, prompt.direct)):
            return f"the prompt asks for coordinates in {other.name!r}, but the model is said to write {frame.name!r}"
    return None


def messages(prompt_text: str, system: str | None = None) -> list[dict]:
    """The chat of one sample, image first, in the form transformers' chat templates and TRL take."""
    user = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": prompt_text}]}
    return (
        [user]
        if system is None
        else [{"role": "system", "content": [{"type": "text", "text": system}]}, user]
    )
