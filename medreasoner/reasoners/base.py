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

from medreasoner.geometry import Frame
from medreasoner.prompts import Prompt


@dataclass
class EncodedImage:
    """One image as the reasoner saw it. `input_wh` is the (width, height) after its own resizing; `features` whatever a segmenter that
    shares the vision tower can reuse (else None)."""

    image: Image.Image
    input_wh: tuple[int, int]
    features: object = None
    inputs: dict = field(default_factory=dict)


@dataclass(frozen=True)
class PairedSegmenter:
    """The segmenter that was made for a model: its folder or Hub id, and the model's vision tower where they share it, else None."""

    tower: object | None
    segmenter: Path | str


class Reasoner(Protocol):
    name: str  # id or folder, for records
    revision: (
        str | None
    )  # commit on the Hub that the weights (of an adapter: the adapter) come from, None for local ones
    frame: Frame
    prompt: Prompt
    paired_segmenter: PairedSegmenter | None  # None where no segmenter was made for it

    def encode(self, image: Image.Image) -> EncodedImage:
        """Take in an RGB image: preprocess, and encode it where the encoding can be shared."""

    def stream(
        self, encoded: EncodedImage, question: str, think: bool = True, stop: threading.Event | None = None
    ) -> Iterator[str]:
        """Yield the answer's text piece by piece as it is generated; ends within two tokens of `stop` being set. The piece that closes the
        answer is an `answer.Closing` where the reasoner can tell how probable its numbers were.

        Errors: ReasonerError with one sentence for a person.
        """


@runtime_checkable
class SamplingReasoner(Reasoner, Protocol):
    """A reasoner that can also answer by chance, in proportion to its own probabilities."""

    def sample(
        self,
        encoded: EncodedImage,
        question: str,
        think: bool = True,
        stop: threading.Event | None = None,
        temperature: float = 1.0,
    ) -> Iterator[str]:
        """As `stream`, but every token is drawn from the model's whole distribution at `temperature`, above 0."""


@dataclass(frozen=True)
class Completion:
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

    def answer_batch(
        self, encoded: Sequence[EncodedImage], questions: Sequence[str], think: bool = True, at_once: int = 1
    ) -> Iterator[Completion]:
        """One `Completion` per question in their order, each as soon as it is there; never more than `at_once` are under way.

        Errors: ReasonerError where no question could be answered this way (a wrong key, an unknown model).
        """


class ReasonerError(RuntimeError):
    """The model could not be loaded or run; the message says what was expected, what came and what to do."""
