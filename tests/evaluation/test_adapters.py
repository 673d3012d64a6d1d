"""Reasoners and segmenters as evaluation wraps them.

python -m pytest tests/evaluation/test_adapters.py
"""

import pytest
from PIL import Image

from medreasoner.evaluation.adapters import CachingReasoner, CachingSegmenter, ReplayedAnswer
from medreasoner.geometry import INPUT_PIXELS, THOUSAND
from medreasoner.reasoners.base import ReasonerError
from medreasoner.segmenters.base import SegmenterPrompt
from tests.evaluation.fakes import Adopter, ColourFinder, Encoder


def picture(grey: int) -> Image.Image:
    return Image.new("RGB", (8, 6), (grey,) * 3)


def test_an_image_is_encoded_once_and_its_features_are_held_for_the_latest_alone():
    encoder = Encoder()
    reasoner = CachingReasoner(encoder, INPUT_PIXELS)
    first, second = picture(1), picture(2)
    assert reasoner.encode(first).features == "maps" and reasoner.encode(first).features == "maps"
    reasoner.encode(second)
    again = reasoner.encode(picture(1))
    assert again.features is None and again.inputs and encoder.encodings == 2
    assert reasoner.frame == INPUT_PIXELS and reasoner.paired_segmenter is encoder.paired_segmenter
    assert reasoner.input_wh(first) is None


def test_encodings_that_cost_nothing_are_not_cached():
    finder = ColourFinder()
    reasoner = CachingReasoner(finder)
    for image in (picture(1), picture(2), picture(1)):
        reasoner.encode(image)
    assert finder.encodings == 3 and reasoner.frame == THOUSAND


def test_a_restricted_segmenter_shares_the_encoding_and_sees_its_part_of_the_prompt():
    seen = []

    class Watcher(Adopter):
        def segment(self, encoded, prompt):
            seen.append(prompt)
            return super().segment(encoded, prompt)

    watcher, image = Watcher(), picture(1)
    both = CachingSegmenter(watcher)
    box = both.restricted("box")
    prompt = SegmenterPrompt((1, 1, 4, 4), ((2, 2), (3, 3)))
    for segmenter in (both, box, both.restricted("points")):
        segmenter.segment(segmenter.encode(image), prompt)
    assert watcher.encoded == 1
    assert [(one.box is not None, len(one.points)) for one in seen] == [(True, 2), (True, 0), (False, 2)]
    with pytest.raises(ValueError, match="prompts must be one of both, box, points, got 'lines'"):
        CachingSegmenter(watcher, "lines")


def test_a_replayed_failure_comes_after_what_was_written():
    answer = ReplayedAnswer("m", THOUSAND, "<think>It", (8, 6), "out of memory")
    pieces = answer.stream(answer.encode(picture(1)), "?")
    assert next(pieces) == "<think>It"
    with pytest.raises(ReasonerError, match="out of memory"):
        next(pieces)
