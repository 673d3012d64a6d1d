"""In which window values are shown, and what is said of it.

python -m pytest tests/imaging/test_windowing.py
"""

import numpy as np
import pytest

from medreasoner.imaging import ImageError
from medreasoner.imaging.window import CT_WINDOWS
from medreasoner.imaging.windowing import window_values


def test_presets_are_offered_where_values_may_be_hounsfield_units_and_only_there():
    assert all(-1024 < window.center < 3071 for window in CT_WINDOWS.values())
    assert window_values(np.array([[-1000, 40]], np.int16)).windows == (*CT_WINDOWS, "auto", "full range")
    for others in (np.array([[0, 40]], np.int16), np.array([[0, 60000]], np.uint16), np.array([[-3.0, 3.0]])):
        assert window_values(others).windows == ("auto", "full range")


def test_what_looks_like_hounsfield_units_opens_in_the_window_for_soft_tissue_and_that_is_said():
    values = np.full((50, 50), -1000, np.int16)
    values[10:40, 10:40], values[20, 20:30] = 40, 65
    shown = window_values(values)
    assert shown.window == "CT soft tissue" and shown.notes[0].startswith(
        "The values look like Hounsfield units; shown"
    )
    assert int(shown.pixels[20, 25]) - int(shown.pixels[15, 15]) == 16  # of 25 units in a window 400 wide
    assert window_values(values, "auto").notes == (
        "16-bit values were scaled to 8 bits from their 0.5 to 99.5 percentile.",
    )


def test_without_a_window_wild_values_do_not_count_unless_the_full_range_is_asked_for():
    values = np.r_[np.arange(1000), 60000].astype(np.uint16)[None]
    assert np.median(window_values(values).pixels) > 100
    full = window_values(values, "full range")
    assert np.median(full.pixels) < 5
    assert full.notes == ("16-bit values were scaled to 8 bits from the whole of their range.",)


@pytest.mark.filterwarnings("error")
def test_nothing_finite_is_refused_without_a_warning():
    with pytest.raises(ImageError, match="finite"):
        window_values(np.full((3, 3), np.nan))
