"""What the published system takes for an answer, and pays for its form.

python -m pytest tests/rewards/test_paper_format.py
"""

import pytest

from tests.rewards.answers import terms, total, written

FORMATS = {
    "nothing": ("", 0, 0, 0),
    "think only": ("<think>a</think>", 1, 0, 1),
    "empty object": ("<answer>{}</answer>", 0, 0.4, 0.4),
    "no JSON": ("<think>a</think><answer>none</answer>", 1, 0.2, 1.2),
    "a list": ("<think>a</think><answer>[1, 2]</answer>", 1, 0.2, 1.2),
    "a box of three": (written([1, 2, 3], [1, 2], [3, 4]), 1, 0.6, 1.6812),
    "all malformed": (written([1, 2, 3], [1], [3, 4]), 1, 0.4, 1.4),
    "blank think": (written(think="<think> </think>"), 0.2, 1, 3.2),
    "a fence": ("<think>a</think><answer>```json\n{}\n```</answer>", 1, 0.2, 1.2),
    "the wrong order": (written(think="") + "<think>a</think>", 1, 1, 4),
    "text around": ("well, " + written() + " indeed", 1, 1, 4),
    "twice": (written() + written([0, 0, 1, 1]), 1, 1, 4),
    "single quotes": (written().replace('"', "'"), 1, 1, 4),
}


@pytest.mark.parametrize("name", FORMATS)
def test_the_published_format_figures_come_out(name):
    text, think, seg, soft = FORMATS[name]
    got = terms("paper-soft", text)
    assert (got["format_think"], got["format_seg"]) == (think, seg)
    assert total("paper-soft", text) == pytest.approx(soft, abs=5e-5)
