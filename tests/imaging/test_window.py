"""Windows as DICOM defines them, their names, and what is done without one.

python -m pytest tests/imaging/test_window.py
"""

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.pixels import apply_windowing

from medreasoner.imaging import ImageError, window
from medreasoner.imaging.window import LINEAR, LINEAR_EXACT, SIGMOID, Window, rescale_to_uint8, resolve_window

VALUES = np.linspace(-1200, 2000, 3001)


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning:pydicom")
@pytest.mark.parametrize("function", [LINEAR, LINEAR_EXACT, SIGMOID])
@pytest.mark.parametrize(("level", "width"), [(40, 400), (-600, 1500), (300.5, 2)])
def test_curves_are_those_of_the_standard_as_pydicom_draws_them(function, level, width):
    dataset = Dataset()
    dataset.WindowCenter, dataset.WindowWidth, dataset.VOILUTFunction = level, width, function
    dataset.PhotometricInterpretation, dataset.BitsStored, dataset.PixelRepresentation = "MONOCHROME2", 8, 0
    expected = apply_windowing(VALUES, dataset)
    assert np.abs(Window(level, width, function).apply(VALUES) - expected).max() <= 0.51


def test_a_linear_window_of_width_1_is_a_threshold():
    assert Window(10, 1, LINEAR).apply(np.array([9.4, 9.6])).tolist() == [0, 255]


def test_nan_is_black_and_infinity_is_not():
    shown = Window(40, 400).apply(np.array([np.nan, -np.inf, np.inf, 140.0]))
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


@pytest.mark.parametrize("kind", [np.int16, np.int32, np.float32, np.float64])
def test_equal_values_of_different_types_become_equal_bytes(kind):
    values = np.arange(-1000, 3000).reshape(40, 100)
    assert np.array_equal(
        rescale_to_uint8(values.astype(kind), -150, 250.5), rescale_to_uint8(values, -150, 250.5)
    )


def test_large_arrays_are_rescaled_in_blocks_like_small_ones(monkeypatch):
    values = np.random.default_rng(0).normal(0, 100, (37, 50))
    whole = rescale_to_uint8(values, -150, 250)
    monkeypatch.setattr(window, "BLOCK", 120)
    assert np.array_equal(rescale_to_uint8(values, -150, 250), whole)
