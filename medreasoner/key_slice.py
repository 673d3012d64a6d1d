"""Finds the slice of a volume in which the target of a question is seen best.

Slices over the whole stack are asked first, then some around the best of them; a batch reasoner answers
several at once.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from medreasoner.answer import parse
from medreasoner.answer_in_pixels import in_pixels
from medreasoner.confidence import features
from medreasoner.events import Scanned
from medreasoner.geometry import GroundingError
from medreasoner.reasoners.base import BatchReasoner, Completion, EncodedImage, Reasoner

COARSE = 9  # slices of the first round
FINE = 4  # of the second


@dataclass
class Scan:
    """What a scan has come to: `scanned` in the order in which slices were looked at, and each one's
    answer.
    """

    scanned: list[Scanned] = field(default_factory=list)
    texts: dict[int, str] = field(default_factory=dict)

    def best(self) -> int | None:
        """The slice that ranks first among those with a target; None where no slice has one."""
        found = [one for one in self.scanned if one.found]
        return max(found, key=lambda one: one.rank).slice if found else None


def scan(
    slices: int,
    encode: Callable[[int], EncodedImage],
    question: str,
    reasoner: Reasoner,
    result: Scan,
    think: bool = True,
    stop: threading.Event | None = None,
) -> Iterator[Scanned]:
    """Ask slices of a volume, each counted from 1; what was found is added to `result`.

    Args:
        encode: called once for each slice that is asked.

    Errors: ReasonerError.
    """
    started, stop = time.perf_counter(), stop or threading.Event()
    coarse = first_round(slices)
    planned = min(slices, len(coarse) + FINE)
    for candidates in (lambda: coarse, lambda: second_round(slices, coarse, result.best())):
        for number, image, completion in _answers(reasoner, encode, candidates(), question, think, stop):
            found, rank = judged(completion, image, reasoner)
            seconds = time.perf_counter() - started
            one = Scanned(number, found, rank, len(result.scanned) + 1, planned, seconds)
            result.scanned.append(one)
            result.texts[number] = completion.text
            yield one


def judged(completion: Completion, image: EncodedImage, reasoner: Reasoner) -> tuple[bool | None, float]:
    """(whether a target was located, None for an answer that cannot be read; its rank among slices).

    The rank is the calibrated chance that the box is right where the reasoner has one that does without a
    mask, else the probability of the coordinates; what cannot be ranked comes last.
    """
    parsed = parse(completion.text)
    if parsed.answer is None:
        return (False if parsed.absent else None), 0.0
    try:
        grounding, _ = in_pixels(parsed.answer, image, reasoner.frame, image.input_wh)
    except GroundingError:
        return None, 0.0
    known = features(completion.certainty, grounding.box, image.input_wh)
    chance = reasoner.calibration and reasoner.calibration.of_place(known)
    return True, chance or completion.certainty.coordinate_probability or 0.0


def first_round(slices: int) -> list[int]:
    """Up to COARSE slices, evenly over the stack, neither the first nor the last where there are more."""
    if slices <= COARSE:
        return list(range(1, slices + 1))
    step = slices / COARSE
    return [int((number + 0.5) * step) + 1 for number in range(COARSE)]


def second_round(slices: int, asked: Sequence[int], best: int | None) -> list[int]:
    """Up to FINE slices around the best one, up to its neighbours of the first round; none where nothing was
    found.
    """
    if best is None:
        return []
    below = max((number for number in asked if number < best), default=0)
    above = min((number for number in asked if number > best), default=slices + 1)
    half = FINE // 2
    before = [below + round((best - below) * (part + 1) / (half + 1)) for part in range(half)]
    after = [best + round((above - best) * (part + 1) / (half + 1)) for part in range(half)]
    return sorted({number for number in (*before, *after) if below < number < above} - {best})


def _answers(
    reasoner: Reasoner,
    encode: Callable[[int], EncodedImage],
    numbers: Sequence[int],
    question: str,
    think: bool,
    stop: threading.Event,
) -> Iterator[tuple[int, EncodedImage, Completion]]:
    """(slice, what the reasoner made of it, its answer) in order; none after `stop` was set."""
    if not isinstance(reasoner, BatchReasoner):
        for number in numbers:
            if stop.is_set():
                return
            started = time.perf_counter()
            image = encode(number)
            text = "".join(reasoner.stream(image, question, think, stop))
            yield number, image, Completion(text, time.perf_counter() - started)
        return
    for begin in range(0, len(numbers), FINE):
        part = numbers[begin : begin + FINE]
        images = []
        for number in part:
            if stop.is_set():
                return
            images.append(encode(number))
        answers = reasoner.answer_batch(images, [question] * len(part), think, at_once=len(part))
        yield from zip(part, images, answers, strict=True)
