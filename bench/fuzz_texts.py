"""Fuzzes what reads texts and numbers: the answer parser, the rewards, and corrections from the page."""

import math
import random

from bench.fuzz_inputs import NUMBERS, words
from bench.fuzz_target import Target
from medreasoner.answer import parse
from medreasoner.answer_stream import StreamParser
from medreasoner.geometry import THOUSAND, GroundingError, repair
from medreasoner.reasoners.dialects import DIALECTS, translate
from medreasoner.text.mentions import find_mentions


class Parser(Target):
    """The answer: it is never an error, and a stream of it reads as the whole."""

    def attack(self, rng: random.Random) -> None:
        text = words(rng)
        whole, stream, at = parse(text), StreamParser(), 0
        while at < len(text):
            step = rng.randrange(1, 9)
            stream.feed(text[at : at + step])
            at += step
        streamed = stream.finish()
        assert (streamed.answer is None) == (parse(stream.text).answer is None), text
        assert whole.answer is None or all(map(math.isfinite, whole.answer.bbox)), text
        find_mentions(text, THOUSAND, (640, 480))
        translate(text, tuple(DIALECTS))


class Rewards(Target):
    """The rewards: finite numbers for whatever a model writes."""

    def __init__(self) -> None:
        from medreasoner.rewards import SETS, reward_functions

        self._terms = [f for name in SETS if not SETS[name].with_masks for f in reward_functions(name)[0]]

    def attack(self, rng: random.Random) -> None:
        row = {
            "bbox_2d": [[10, 20, 300, 400]],
            "point_2d": [[[30, 40], [50, 60]]],
            "image_wh": [[840, 840]],
        }
        completions = [[{"role": "assistant", "content": words(rng)}]]
        for term in self._terms:
            (value,) = term(completions=completions, **row)
            assert value is None or math.isfinite(value), (term.__name__, completions, value)


class Refine(Target):
    """What a browser or a program sends to have a mask drawn again."""

    refusals = (GroundingError,)

    def __init__(self) -> None:
        from medreasoner.page.endpoints import read_prompt

        self._read = read_prompt

    def attack(self, rng: random.Random) -> None:
        def some(length: int) -> object:
            return [rng.choice(NUMBERS) for _ in range(length)] if rng.random() < 0.9 else rng.choice(NUMBERS)

        box = [1, 2, 30, 40] if rng.random() < 0.5 else some(rng.randrange(6))
        points = [some(2), some(2)] if rng.random() < 0.9 else some(2)
        clicks = [some(3) for _ in range(rng.randrange(3))] if rng.random() < 0.9 else rng.choice(NUMBERS)
        grounding, _ = self._read(box, points, clicks)
        repaired, _ = repair(grounding, (64, 48))
        assert all(0 <= value <= 64 for value in repaired.box)
