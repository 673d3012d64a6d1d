"""The clinical reasoning module (CRM) as a protocol, and the way to open one.

Is: what the pipeline asks of a vision-language model, what evaluation may ask besides, and the ways to open one.
Is not: any model (`reasoners/`), nor what differs between families (`families.py`).
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from PIL import Image

from medreasoner.answer import DIRECT_TEMPLATE, THINK_TEMPLATE, Prompt
from medreasoner.families import FAMILIES
from medreasoner.geometry import Frame
from medreasoner.loading import FRAMES, adapter_base, read_json


@dataclass
class Look:
    """One image as the reasoner saw it. `input_wh` is the (width, height) after its own resizing; `features` whatever a segmenter that
    shares the eye can reuse (else None)."""

    image: Image.Image
    input_wh: tuple[int, int]
    features: object = None
    inputs: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Eye:
    """The segmenter that was made for a model: its folder or Hub id, and the model's vision tower where they share it, else None."""

    tower: object | None
    segmenter: Path | str


class Reasoner(Protocol):
    name: str  # id or folder, for records
    revision: str | None  # commit on the Hub that the weights (of an adapter: the adapter) come from, None for local ones
    frame: Frame
    prompt: Prompt
    eye: Eye | None  # None where no segmenter was made for it

    def look(self, image: Image.Image) -> Look:
        """Take in an RGB image: preprocess, and encode it where the encoding can be shared."""

    def stream(self, look: Look, question: str, think: bool = True, stop: threading.Event | None = None) -> Iterator[str]:
        """Yield the answer's text piece by piece as it is generated; ends within two tokens of `stop` being set. The piece that closes the
        answer is an `answer.Closing` where the reasoner can tell how probable its numbers were.

        Errors: ReasonerError with one sentence for a person.
        """


@runtime_checkable
class SamplingReasoner(Reasoner, Protocol):
    """A reasoner that can also answer by chance, in proportion to its own probabilities."""

    def sample(
        self, look: Look, question: str, think: bool = True, stop: threading.Event | None = None, temperature: float = 1.0
    ) -> Iterator[str]:
        """As `stream`, but every token is drawn from the model's whole distribution at `temperature`, above 0."""


@dataclass(frozen=True)
class Said:
    """What a model wrote for one question, for callers that ask many at once.

    Args:
        text: everything, in the project's format where a dialect could be read.
        seconds: from asking to the last token; in a batch, the share of the batch's time. first_token_s: None where it was not seen.
        tokens_in, tokens_out: as the model counted them; None where it did not say.
        error: why the question never reached the model or its answer never came back; None where it answered.
        coordinate_probability: as in `events.Done`.
    """

    text: str
    seconds: float
    first_token_s: float | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    error: str | None = None
    coordinate_probability: float | None = None


@runtime_checkable
class BatchReasoner(Reasoner, Protocol):
    """A reasoner that can answer many questions faster than one after the other."""

    def answer_batch(self, looks: Sequence[Look], questions: Sequence[str], think: bool = True, at_once: int = 1) -> Iterator[Said]:
        """One `Said` per question in their order, each as soon as it is there; never more than `at_once` are under way.

        Errors: ReasonerError where no question could be answered this way (a wrong key, an unknown model).
        """


class ReasonerError(RuntimeError):
    """The model could not be loaded or run; the message says what was expected, what came and what to do."""


SAM3 = ("sam3", "sam3_video")  # no language model: it is asked in words all the same
SERVED = "openai:"  # before the name of a model behind a server
_IN_PIXELS = "Coordinates are pixels of the image as you see it."


def coordinates(frame: Frame) -> str:
    """The sentence of a prompt that says how to write coordinates in `frame`."""
    if frame.limit is None:
        return _IN_PIXELS
    order = "" if frame.axes == "xy" else ", y before x"
    return f"Coordinates are whole numbers from 0 to {frame.limit:g}, where {frame.limit:g} is the far edge of the image{order}."


def prompt_for(frame: Frame) -> Prompt:
    """The project's prompt with the sentence about coordinates, and their order, that fit `frame`."""
    changes = {_IN_PIXELS: coordinates(frame)}
    if frame.axes == "yx":
        changes |= {"[x_min, y_min, x_max, y_max]": "[y_min, x_min, y_max, x_max]", "[x, y]": "[y, x]"}
    think, direct = THINK_TEMPLATE, DIRECT_TEMPLATE
    for old, new in changes.items():
        think, direct = think.replace(old, new), direct.replace(old, new)
    return Prompt(think, direct)


def misfit(prompt: Prompt, frame: Frame) -> str | None:
    """Why answers to `prompt` would be read wrongly: it asks for coordinates of another frame than `frame`. None if it does not."""
    for other in FRAMES.values():
        if other != frame and any(coordinates(other) in text for text in (prompt.think, prompt.direct)):
            return f"the prompt asks for coordinates in {other.name!r}, but the model is said to write {frame.name!r}"
    return None


def load_reasoner(
    id_or_folder: str | Path,
    device: str | None = None,
    prompt: Prompt | None = None,
    revision: str | None = None,
    name: str | None = None,
    family: str | None = None,
) -> Reasoner:
    """Open a reasoner: a Hub id or a folder of a transformers image-text-to-text model or of a PEFT adapter, `openai:MODEL` or
    `openai:MODEL@URL` for one behind an OpenAI-compatible server, or a `.json` file of recorded runs.

    Args:
        device: "cpu", "cuda", "mps" or "auto" (spread over all GPUs); None takes a GPU if there is one.
        prompt: instead of the folder's `prompt.json`, or of the project's own prompt where it has none.
        revision: branch, tag or commit on the Hub.
        name: for records, instead of `id_or_folder`.
        family: one of `families.FAMILIES`, where neither config.json nor the served model's name tells it, or tells it wrongly.

    Errors: ReasonerError.
    """
    from medreasoner.hub import HubError, commit_of, fetch_folder

    if family is not None and family not in FAMILIES:
        raise ReasonerError(f"the family {family!r} is not known; expected one of {', '.join(FAMILIES)}")
    if str(id_or_folder).startswith(SERVED):
        from medreasoner.reasoners.endpoint import EndpointReasoner

        return EndpointReasoner.open(str(id_or_folder).removeprefix(SERVED), prompt, family)
    if str(id_or_folder).endswith(".json"):
        from medreasoner.reasoners.replay import ReplayReasoner

        return ReplayReasoner.load(id_or_folder)
    adapter, base = None, None
    try:
        folder = fetch_folder(id_or_folder, revision)
        if base := adapter_base(folder):
            adapter, folder = folder, fetch_folder(*base)
    except (HubError, ValueError) as error:
        raise ReasonerError(f"the adapter {id_or_folder} stands on {base[0]}: {error}" if base else str(error)) from error
    if _kind(folder) in SAM3:
        from medreasoner.reasoners.sam3 import Sam3Reasoner

        reasoner = Sam3Reasoner.load(folder, name or str(id_or_folder), device)
        reasoner.revision = commit_of(folder)
        return reasoner
    from medreasoner.reasoners.vlm import VlmReasoner

    reasoner = VlmReasoner.load(folder, name or str(id_or_folder), device, prompt, adapter, family)
    reasoner.revision = commit_of(adapter or folder)
    return reasoner


def _kind(folder: Path) -> str | None:
    """The `model_type` of a folder's config.json; None where it has none that can be read, which is for its reader to tell."""
    try:
        return read_json(folder / "config.json").get("model_type")
    except (OSError, ValueError):
        return None
