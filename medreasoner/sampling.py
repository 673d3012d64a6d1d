"""Answers the same question several times at random: how much the answers agree says how sure the model is.

Each sample is yielded as it comes. The answer that is shown stays the greedy one of `pipeline.ground`;
`metrics.agreement` compares the boxes.

    done = model.ground(image, question)
    boxes = [sample.box for sample in model.samples(image, question)]
    agreement(boxes, done.grounding.box)      # Agreement(pairwise_iou=0.71, agreeing=4, number=5)
"""

import threading
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass

from PIL import Image

from medreasoner.answer import Parsed
from medreasoner.answer_in_pixels import in_pixels
from medreasoner.answer_stream import StreamParser
from medreasoner.geometry import Box, Frame, Grounding, GroundingError
from medreasoner.image_cache import ImageCache
from medreasoner.question import clean, refuse
from medreasoner.reasoners.base import EncodedImage, Reasoner, ReasonerError, SamplingReasoner

SAMPLES = 5
TEMPERATURE = 1.0  # the model's own distribution, neither sharpened nor flattened


@dataclass(frozen=True)
class SampledAnswer:
    """One answer that was drawn at random.

    Args:
        grounding: in pixels of the original image, None where the answer holds none that could be read.
        seconds: it took.
    """

    grounding: Grounding | None
    seconds: float

    @property
    def box(self) -> Box | None:
        return None if self.grounding is None else self.grounding.box


def sample_answers(
    image: Image.Image,
    question: str,
    reasoner: Reasoner,
    number: int = SAMPLES,
    temperature: float = TEMPERATURE,
    *,
    think: bool = True,
    stop: threading.Event | None = None,
    cache: ImageCache | None = None,
) -> Iterator[SampledAnswer]:
    """Ask `question` about `image` `number` times, one after the other; yield each sample as soon as it is
    there.

    Samples come from torch's own generator: `torch.manual_seed` before the call makes them the same again.

    Args:
        image: RGB.
        number: at least 1.
        temperature: above 0; the reasoning is drawn at it too.
        stop: set it from anywhere to end, or close the generator; a sample that is not finished is left out.
        cache: of this very image and reasoner; filled if it is empty.

    Errors: ReasonerError, also for a reasoner that cannot sample (a recording, a server); ValueError for a
        question, number or temperature that cannot be used.
    """
    if not isinstance(reasoner, SamplingReasoner):
        raise ReasonerError(
            f"{reasoner.name} cannot be sampled: it is a recording or runs elsewhere; load the model's own "
            "weights"
        )
    if why := refuse(question):
        raise ValueError(why)
    if number < 1 or not temperature > 0:
        raise ValueError(
            f"expected at least one sample and a temperature above 0, got {number} and {temperature}"
        )
    stop = stop or threading.Event()
    cache = ImageCache() if cache is None else cache
    if cache.reasoner_encoding is None:
        cache.reasoner_encoding = reasoner.encode(image)
    encoded = cache.reasoner_encoding
    for _ in range(number):
        started = time.perf_counter()
        parsed = _parsed(reasoner.sample(encoded, clean(question), think, stop, temperature))
        if stop.is_set():
            return
        grounding = _grounding(parsed, encoded, reasoner.frame, image.size)
        yield SampledAnswer(grounding, time.perf_counter() - started)


def _parsed(pieces: Generator[str, None, None]) -> Parsed:
    """What `pieces` hold as far as the end of their answer; nothing after that is generated."""
    parser = StreamParser()
    with closing(pieces):
        for piece in pieces:
            parser.feed(piece)
            if parser.parsed is not None:
                break
    return parser.finish()


def _grounding(
    parsed: Parsed, encoded: EncodedImage, frame: Frame, image_wh: tuple[int, int]
) -> Grounding | None:
    try:
        return parsed.answer and in_pixels(parsed.answer, encoded, frame, image_wh)[0]
    except GroundingError:  # numbers that are no place in the image
        return None
