"""ZeroGPU: seconds requested, and its errors in words for visitors."""

import importlib.util
import re
from pathlib import Path

from medreasoner.page import zerogpu
from medreasoner.page.zerogpu import DurationEstimate


def test_the_time_asked_of_a_gpu_follows_what_was_measured():
    estimate = DurationEstimate(30)
    assert estimate.seconds("image", "question") == 30
    estimate.add(12.2)
    estimate.add(4.0)
    assert estimate.seconds() == 19
    for _ in range(zerogpu.HISTORY):
        estimate.add(0.1)
    assert estimate.seconds() == zerogpu.MIN_SECONDS


def test_every_error_title_of_zero_gpu_has_a_sentence_for_visitors():
    zero = Path(importlib.util.find_spec("spaces").origin).parent / "zero"
    source = "".join((zero / name).read_text() for name in ("client.py", "wrappers.py"))
    titles = set(re.findall(r'error\("(ZeroGPU [^"]+)"', source))
    assert len(titles) >= 6
    for title in titles:
        assert zerogpu.error_message(title, "untold") != "untold", title
    assert zerogpu.error_message("Error", "The question is empty.") == "The question is empty."
