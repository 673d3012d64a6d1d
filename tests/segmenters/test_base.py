"""What a segmenter is asked: at least one part, and points with SAM's labels."""

import pytest

from medreasoner.geometry import Grounding
from medreasoner.segmenters.base import SegmenterPrompt

WHERE = Grounding((1.0, 2.0, 30.0, 40.0), ((5.0, 6.0), (7.0, 8.0)))


def test_a_prompt_of_nothing_is_refused():
    with pytest.raises(ValueError, match="needs a box, a point or a click"):
        SegmenterPrompt()


def test_points_count_as_inside_and_clicks_say_it_themselves():
    prompt = SegmenterPrompt.of(WHERE, [(9.0, 9.0, False), (8.0, 1.0, True)])
    assert prompt.box == WHERE.box
    assert prompt.labelled_points() == ([(5.0, 6.0), (7.0, 8.0), (9.0, 9.0), (8.0, 1.0)], [1, 1, 0, 1])
    assert SegmenterPrompt(WHERE.box).labelled_points() == ([], [])
