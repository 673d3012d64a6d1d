"""Windows as DICOM defines them, their names, and what is done without one.

python -m pytest tests/imaging/test_windowing.py
"""

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.pixels import apply_windowing

from medreasoner.imaging.types import ImageError
from medreasoner.imaging.windowing import (
    CT_WINDOWS,
    LINEAR,
    LINEAR_EXACT,
    SIGMOID,
    Window,
    apply_window,
    rescale_percentiles,
    resolve_window,
    window_values,
)

VALUES = np.linspace(-1200, 2000, 3001)


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning:pydicom")
@pytest.mark.parametrize("function", [LINEAR, LINEAR_EXACT, SIGMOID])
@pytest.mark.parametrize(("level", "width"), [(40, 400), (-600, 1500), (300.5, 2)])
def test_curves_are_those_of_the_standard_as_pydicom_draws_them(function, level, width):
    dataset = Dataset()
    dataset.WindowCenter, dataset.WindowWidth, dataset.VOILUTFunction = level, width, function
    dataset.PhotometricInterpretation, dataset.BitsStored, dataset.PixelRepresentation = "MONOCHROME2", 8, 0
    expected = apply_windowing(VALUES, dataset)
    assert np.abs(apply_window(VALUES, Window(level, width, function)) - expected).max() <= 0.51


def test_a_linear_window_of_width_1_is_a_threshold():
    assert apply_window(np.array([9.4, 9.6]), Window(10, 1, LINEAR)).tolist() == [0, 255]


def test_nan_is_black_and_infinity_is_not():
    shown = apply_window(np.array([np.nan, -np.inf, np.inf, 140.0]), Window(40, 400))
    assert shown.tolist() == [0, 0, 255, 191]


@pytest.mark.parametrize(
    "options",
    [(40, 0), (40, -3), (np.nan, 40), (40, np.inf), (40, 0.5, LINEAR), (40, 400, "CUBIC")],
    ids=lambda options: str(options),
)
def test_a_window_that_no_curve_can_have_is_no_window(options):
    with pytest.raises(ValueError):
        Window(*options)


def test_a_window_is_chosen_by_name_by_number_or_by_its_values():
    names = ["file 1: LUNG", "file 2", "CT bone", "auto"]
    assert (
        resolve_window("CT bone", names) == "CT bone"
        and resolve_window("file 1", names) == "file 1: LUNG"
        and resolve_window("file 2", names) == "file 2"
    )
    assert resolve_window("40/400", names) == Window(40, 400) and resolve_window(
        " -600.5 / 1500 ", names
    ) == Window(-600.5, 1500)


@pytest.mark.parametrize("asked", ["bone", "", "40", "40/400/3", "nan/3", "1e99/3", "4" * 200, "file"])
def test_a_window_that_is_not_there_is_answered_with_those_that_are(asked):
    with pytest.raises(ImageError, match=r"LEVEL/WIDTH such as 40/400, or one of: file 1, auto\."):
        resolve_window(asked, ["file 1", "auto"])


def test_a_width_of_nothing_is_refused_with_a_sentence():
    with pytest.raises(ImageError, match="cannot be used"):
        resolve_window("40/0", ["auto"])


def test_presets_are_offered_where_values_may_be_hounsfield_units_and_only_there():
    assert all(-1024 < window.center < 3071 for window in CT_WINDOWS.values())
    assert window_values(np.array([[-1000, 40]], np.int16)).windows == ("auto", "full range", *CT_WINDOWS)
    for others in (np.array([[0, 40]], np.int16), np.array([[0, 60000]], np.uint16), np.array([[-3.0, 3.0]])):
        assert window_values(others).windows == ("auto", "full range")


def test_without_a_window_wild_values_do_not_count_unless_the_full_range_is_asked_for():
    values = np.r_[np.arange(1000), 60000].astype(np.uint16)
    assert (
        np.median(rescale_percentiles(values)) > 100
        and np.median(rescale_percentiles(values, whole=True)) < 5
    )
    assert window_values(values, "full range").notes == (
        "16-bit values were scaled to 8 bits from the whole of their range.",
    )


@pytest.mark.filterwarnings("error")
def test_nothing_finite_is_refused_without_a_warning():
    with pytest.raises(ImageError, match="finite"):
        window_values(np.full((3, 3), np.nan))
