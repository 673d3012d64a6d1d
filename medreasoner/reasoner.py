"""The clinical reasoning module (CRM) as a protocol, and the registry of model families.

Is: what the pipeline asks of a vision-language model, and per family one line of data that says how it sees and writes coordinates.
Is not: any model; those are in `reasoners/`.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from PIL import Image

from medreasoner.answer import DIRECT_TEMPLATE, THINK_TEMPLATE, Prompt
from medreasoner.geometry import INPUT_PIXELS, THOUSAND, Frame


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
    """A vision tower that a mask decoder can share: the module itself, and the folder of the segmenter that was made for it."""

    tower: object
    segmenter: Path


class Reasoner(Protocol):
    name: str  # id or folder, for records
    frame: Frame
    prompt: Prompt
    eye: Eye | None  # None where no segmenter shares it

    def look(self, image: Image.Image) -> Look:
        """Take in an RGB image: preprocess, and encode it where the encoding can be shared."""

    def stream(self, look: Look, question: str, think: bool = True, stop: threading.Event | None = None) -> Iterator[str]:
        """Yield the answer's text piece by piece as it is generated; ends within two tokens of `stop` being set.

        Errors: ReasonerError with one sentence for a person.
        """


class ReasonerError(RuntimeError):
    """The model could not be loaded or run; the message says what was expected, what came and what to do."""


@dataclass(frozen=True)
class Family:
    """How models of one architecture see and write; a checkpoint that was trained otherwise says so in its `medreasoner.json`.

    Args:
        frame: in which they write coordinates.
        square: side in pixels to which each image is resized first, its aspect not kept; None leaves the size to the model's processor.
        max_pixels: larger images are scaled down to this area first (more image tokens cost time and bring little).
    """

    frame: Frame
    square: int | None = None
    max_pixels: int = 1024 * 1024


# model_type in config.json -> how it sees and writes (reference of each line: the family's own grounding examples)
FAMILIES = {
    "qwen2_vl": Family(THOUSAND),
    "qwen2_5_vl": Family(INPUT_PIXELS, square=840),  # 840 is what the published MedReasoner checkpoints were trained on
    "qwen3_vl": Family(THOUSAND),
    "qwen3_vl_moe": Family(THOUSAND),
    "internvl": Family(THOUSAND),
    "llava": Family(THOUSAND, max_pixels=4096 * 4096),  # its processor makes every image small itself; this only bounds the work
}
ANY_OTHER = Family(THOUSAND)

_IN_PIXELS = "Coordinates are pixels of the image as you see it."


def prompt_for(frame: Frame) -> Prompt:
    """The project's prompt with the sentence about coordinates that fits `frame`."""
    if frame.limit is None:
        return Prompt()
    order = "" if frame.axes == "xy" else ", y before x"
    sentence = f"Coordinates are whole numbers from 0 to {frame.limit:g}, where {frame.limit:g} is the far edge of the image{order}."
    return Prompt(THINK_TEMPLATE.replace(_IN_PIXELS, sentence), DIRECT_TEMPLATE.replace(_IN_PIXELS, sentence))


def load_reasoner(
    id_or_folder: str | Path,
    device: str | None = None,
    prompt: Prompt | None = None,
    revision: str | None = None,
    name: str | None = None,
) -> Reasoner:
    """Open a reasoner: a Hub id or a folder of a transformers image-text-to-text model, or a `.json` file of recorded runs.

    Args:
        device: "cpu", "cuda", "mps" or "auto" (spread over all GPUs); None takes a GPU if there is one.
        prompt: instead of the folder's `prompt.json`, or of the project's own prompt where it has none.
        revision: branch, tag or commit on the Hub.
        name: for records, instead of `id_or_folder`.

    Errors: ReasonerError.
    """
    from medreasoner.hub import HubError, fetch_folder

    if str(id_or_folder).endswith(".json"):
        from medreasoner.reasoners.replay import ReplayReasoner

        return ReplayReasoner.load(id_or_folder)
    try:
        folder = fetch_folder(id_or_folder, revision)
    except HubError as error:
        raise ReasonerError(str(error)) from error
    from medreasoner.reasoners.vlm import VlmReasoner

    return VlmReasoner.load(folder, name or str(id_or_folder), device, prompt)
