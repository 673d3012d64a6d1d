"""What every vision-language model offers (the clinical reasoning module, CRM): image and question in, text
out piece by piece.

One file per way of running a model implements it; `registry.py` opens one by its name, `families.py` holds
what differs between families.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from PIL import Image

from medreasoner.certainty import UNKNOWN, Certainty
from medreasoner.confidence import Calibration
from medreasoner.geometry import Frame
from medreasoner.prompts import Prompt


@dataclass
class EncodedImage:
    """One image as a reasoner takes it in.

    Args:
        image: RGB, resized as the model wants it.
        input_wh: (width, height) in pixels of the vision tower's input; answers of some families are in these
            pixels.
        features: feature maps that a segmenter with the same vision tower can use instead of encoding the
            image again; else None.
        inputs: what the reasoner itself keeps for its next answer about this image.
        prefix: what `PreparingReasoner.prepare` made of it.
    """

    image: Image.Image
    input_wh: tuple[int, int]
    features: object = None
    inputs: dict = field(default_factory=dict)
    prefix: object = None


@dataclass(frozen=True)
class PairedSegmenter:
    """The segmenter that was made for a reasoner.

    Args:
        tower: the reasoner's vision tower where the segmenter uses it as its encoder, else None.
        segmenter: folder, or id on the Hub.
    """

    tower: object | None
    segmenter: Path | str


class Reasoner(Protocol):
    """A vision-language model that reasons aloud and answers in the project's format (see `answer.py`)."""

    # id or folder, for records
    name: str
    # commit on the Hub that the weights (of an adapter: the adapter's) come from; None for local ones
    revision: str | None
    # in which it writes coordinates
    frame: Frame
    prompt: Prompt
    # of its confidence; None where none was fitted
    calibration: Calibration | None
    # None where no segmenter was made for it
    paired_segmenter: PairedSegmenter | None
    # it reasons first or answers at once, as it is asked; False where it does always the same
    thinks_on_request: bool

    def encode(self, image: Image.Image) -> EncodedImage:
        """Take in an RGB image: preprocess it, and encode it where the encoding can be shared. Errors:
        ReasonerError.
        """

    def stream(
        self, encoded: EncodedImage, question: str, think: bool = True, stop: threading.Event | None = None
    ) -> Iterator[str]:
        """Yield the model's text piece by piece as it is generated.

        The piece that closes the answer is a `certainty.Closing` where the reasoner sees how probable its
        tokens were.

        Args:
            think: ask for the reasoning before the answer; False asks for the answer alone.
            stop: ends the run within two tokens of being set.

        Errors: ReasonerError with one sentence for a person.
        """


@runtime_checkable
class SamplingReasoner(Reasoner, Protocol):
    """A reasoner that can also answer at random, in proportion to its own probabilities."""

    def sample(
        self,
        encoded: EncodedImage,
        question: str,
        think: bool = True,
        stop: threading.Event | None = None,
        temperature: float = 1.0,
    ) -> Iterator[str]:
        """As `stream`, but every token is drawn from the model's whole distribution at `temperature`, above
        0.
        """


@runtime_checkable
class PreparingReasoner(Reasoner, Protocol):
    """A reasoner that can read more than the encoding of an image before anything is asked."""

    def prepare(self, encoded: EncodedImage) -> None:
        """Read what no question changes, into `encoded.prefix`. Errors: ReasonerError."""


@dataclass(frozen=True)
class Completion:
    """What a model wrote for one of many questions.

    Args:
        text: everything it wrote, followed by the answer in the project's format where it wrote that in its
            family's own.
        seconds: from the request to the last token; in a batch, the share of the batch's time.
        first_token_s: from the request to the first token; None where it was not seen.
        tokens_in: of the prompt, as the model counted them; None where it did not say.
        tokens_out: of the text, likewise.
        error: why the question never reached the model or its answer never came back; None where it answered.
        certainty: what the probabilities of its tokens say of the answer.
    """

    text: str
    seconds: float
    first_token_s: float | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    error: str | None = None
    certainty: Certainty = UNKNOWN


@runtime_checkable
class BatchReasoner(Reasoner, Protocol):
    """A reasoner that answers many questions faster than one after the other."""

    def answer_batch(
        self, encoded: Sequence[EncodedImage], questions: Sequence[str], think: bool = True, at_once: int = 1
    ) -> Iterator[Completion]:
        """Yield one `Completion` per question in their order, each as soon as it is there.

        Args:
            encoded: the image of each question.
            at_once: how many questions are under way at most.

        Errors: ReasonerError where no question could be answered this way (a wrong key, an unknown model).
        """


class ReasonerError(RuntimeError):
    """The model could not be loaded or run; the message says what was expected, what came and what to do."""
