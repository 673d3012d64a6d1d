"""One grounding run: image and question in, events out. The page, the command line, the Python call and
evaluation all consume this.

The reasoner takes in the image and thinks aloud, its answer becomes box and points in pixels the moment it
closes, and the segmenter, which took in the image meanwhile, draws the mask. Whatever goes wrong with the
input or with a model ends as one Failed; errors of the program are not caught.

    for event in ground(image, question, reasoner, segmenter): ...

Events follow the grammar in `events.py`.
"""

import threading
import time
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

from PIL import Image

from medreasoner.answer import Parsed, oddities
from medreasoner.answer_in_pixels import in_pixels
from medreasoner.answer_stream import StreamParser
from medreasoner.certainty import UNKNOWN, Closing
from medreasoner.confidence import features
from medreasoner.events import Absent, Done, Event, Failed, Located, Segmented, Thinking
from medreasoner.geometry import Grounding, GroundingError
from medreasoner.image_cache import ImageCache
from medreasoner.question import clean, refuse
from medreasoner.reasoners.base import EncodedImage, Reasoner, ReasonerError
from medreasoner.refine import mask_doubts
from medreasoner.segmenters.base import Segmenter, SegmenterError, SegmenterPrompt


def ground(
    image: Image.Image,
    question: str,
    reasoner: Reasoner,
    segmenter: Segmenter,
    think: bool = True,
    stop: threading.Event | None = None,
    cache: ImageCache | None = None,
) -> Iterator[Event]:
    """Ground `question` in `image`.

    Args:
        image: RGB, 8 bits a channel.
        question: up to 2,000 characters with at least one letter or digit.
        think: False asks for the answer alone.
        stop: set it from anywhere to end the run; closing the generator does the same.
        cache: of this very image. What it holds is not computed again; it is filled once both have taken the
            image in, for the next run, `refine.refine` and `sampling.sample_answers`.

    Failed has the reason "question", "stopped", "model", "segmenter", "empty box" or one of those of
    `answer.Parsed`.
    """
    run = _Run(image, reasoner, segmenter, stop or threading.Event(), cache or ImageCache())
    refusal = refuse(question)
    if refusal is not None:
        yield Failed("question", refusal)
        return
    try:
        yield from run.events(clean(question), think)
    except ReasonerError as error:
        yield run.failed("model", f"{error}.")
    except SegmenterError as error:
        yield run.failed("segmenter", f"{error}.")
    except GroundingError as error:
        yield run.failed("empty box", f"{error}.")
    finally:
        run.pool.shutdown(wait=False)


class _Run:
    """What one run has come to so far."""

    def __init__(
        self,
        image: Image.Image,
        reasoner: Reasoner,
        segmenter: Segmenter,
        stop: threading.Event,
        cache: ImageCache,
    ) -> None:
        self.image, self.reasoner, self.segmenter, self.stop, self.cache = (
            image,
            reasoner,
            segmenter,
            stop,
            cache,
        )
        self.parser = StreamParser()
        self.pool = ThreadPoolExecutor(1, "encode")
        self.started = time.perf_counter()
        self.timings: dict[str, float] = {}
        self.pieces = 0
        self.certainty = UNKNOWN

    def now(self) -> float:
        """Seconds since the run began."""
        return time.perf_counter() - self.started

    def events(self, question: str, think: bool) -> Iterator[Event]:
        encoded = self.cache.reasoner_encoding or self.reasoner.encode(self.image)
        # what the segmenter makes of the features is kept instead of them
        self.cache.reasoner_encoding = replace(encoded, features=None)
        self.timings["read"] = self.now()
        yield Thinking("")
        cached = self.cache.segmenter_encoding
        encoding = self.pool.submit(lambda: cached or self.segmenter.encode(self.image, encoded.features))
        parsed = yield from self.think(encoded, question, think)
        if parsed.absent:
            yield self.absent(parsed)
            return
        if parsed.answer is None:
            if self.stop.is_set():
                yield self.failed("stopped", "Stopped before an answer was given.")
            else:
                yield self.failed(parsed.reason, parsed.detail)
            return
        grounding, notes = self.locate(encoded, parsed)
        self.timings["located"] = self.now()
        yield Located(grounding, notes, self.timings["located"])
        yield from self.outline(encoding, grounding, parsed, notes)

    def think(self, encoded: EncodedImage, question: str, think: bool) -> Generator[Event, None, Parsed]:
        """Read the model's text until its answer closes; nothing after that is waited for."""
        with closing(self.reasoner.stream(encoded, question, think, self.stop)) as pieces:
            for piece in pieces:
                self.pieces += 1
                self.timings["last_token"] = self.now()
                self.timings.setdefault("first_token", self.timings["last_token"])
                shown = self.parser.feed(piece)
                if shown:
                    yield Thinking(shown)
                if self.parser.parsed is not None:
                    self.certainty = piece.certainty if isinstance(piece, Closing) else UNKNOWN
                    break
        return self.parser.finish()

    def locate(self, encoded: EncodedImage, parsed: Parsed) -> tuple[Grounding, tuple[str, ...]]:
        """Box and points in pixels of the original image, and what had to be mended."""
        grounding, notes = in_pixels(parsed.answer, encoded, self.reasoner.frame, self.image.size)
        notes += oddities(parsed)
        return grounding, notes

    def outline(
        self, encoding: Future, grounding: Grounding, parsed: Parsed, notes: tuple[str, ...]
    ) -> Iterator[Event]:
        self.cache.segmenter_encoding = encoding.result()
        mask, score = self.segmenter.segment(self.cache.segmenter_encoding, SegmenterPrompt.of(grounding))
        total = self.now()
        notes += mask_doubts(mask, grounding.box)
        yield Segmented(mask, score, total)
        times, calibration = self.timings, self.reasoner.calibration
        known = features(self.certainty, grounding.box, self.image.size, score)
        seconds = {name: times[name] for name in ("read", "first_token", "located")}
        yield Done(
            think=parsed.think or "",
            answer_text=self.parser.text,
            grounding=grounding,
            mask=mask,
            mask_score=score,
            image_wh=self.image.size,
            notes=notes,
            timings_s={**seconds, "mask_after_last_token": total - times["last_token"], "total": total},
            tokens_per_s=self.tokens_per_s(),
            model=self.reasoner.name,
            segmenter=self.segmenter.name,
            certainty=self.certainty,
            frame=self.reasoner.frame,
            input_wh=self.cache.reasoner_encoding.input_wh,
            confidence=calibration and calibration.of_place(known),
        )

    def absent(self, parsed: Parsed) -> Absent:
        calibration = self.reasoner.calibration
        return Absent(
            think=parsed.think or "",
            answer_text=self.parser.text,
            image_wh=self.image.size,
            notes=oddities(parsed),
            timings_s={**{name: self.timings[name] for name in ("read", "first_token")}, "total": self.now()},
            tokens_per_s=self.tokens_per_s(),
            model=self.reasoner.name,
            segmenter=self.segmenter.name,
            certainty=self.certainty,
            confidence=calibration and calibration.of_absence(features(self.certainty)),
        )

    def tokens_per_s(self) -> float | None:
        """Pieces of text a second from the first to the last; None for a single piece."""
        speaking = self.timings["last_token"] - self.timings["first_token"]
        return (self.pieces - 1) / speaking if speaking > 0 else None

    def failed(self, reason: str, message: str) -> Failed:
        return Failed(reason, message, self.parser.finish().think or "", self.parser.text)
