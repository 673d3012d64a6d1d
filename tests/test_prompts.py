"""Prompts declare the frame in which the model is to write."""

from medreasoner.geometry import EMBEDDED, INPUT_PIXELS, THOUSAND, THOUSAND_YX
from medreasoner.prompts import Prompt, prompt_for


def test_prompts_name_the_frame_the_family_writes_in():
    assert prompt_for(INPUT_PIXELS) == Prompt()
    for frame, words in (
        (THOUSAND, "from 0 to 1000"),
        (EMBEDDED, "from 0 to 255"),
        (THOUSAND_YX, "y before x"),
    ):
        for template in (prompt_for(frame).think, prompt_for(frame).direct):
            assert words in template
            assert "pixels of the image as you see it" not in template
