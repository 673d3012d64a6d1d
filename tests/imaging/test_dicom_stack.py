"""Slices are put in order by their places, and what is no even, straight stack is refused in one sentence.

python -m pytest tests/imaging/test_dicom_stack.py
"""

import numpy as np
import pytest

from medreasoner.imaging import ImageError
from medreasoner.imaging.dicom_stack import stack_order

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
OBLIQUE = (0.8, 0.6, 0.0, 0.0, 0.0, -1.0)


def stack(count: int = 6, step: float = 2.5, orientation=AXIAL) -> tuple[np.ndarray, np.ndarray]:
    normal = np.cross(orientation[:3], orientation[3:])
    places = np.array([10.0, -20.0, 30.0]) + step * np.arange(count)[:, None] * normal
    return places, np.tile(orientation, (count, 1))


@pytest.mark.parametrize("orientation", [AXIAL, OBLIQUE], ids=["axial", "oblique"])
def test_slices_in_any_order_are_sorted_along_their_normal(orientation):
    places, orientations = stack(orientation=orientation)
    shuffled = np.random.default_rng(0).permutation(len(places))
    order, step = stack_order(places[shuffled], orientations)
    assert np.allclose(places[shuffled][order], places) and step == pytest.approx(2.5)


def test_a_single_slice_is_a_stack_without_a_step():
    order, step = stack_order(*stack(1))
    assert list(order) == [0] and step == 0.0


def moved(number: int, by: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    places, orientations = stack()
    places[number] += by
    return places, orientations


def tilted() -> tuple[np.ndarray, np.ndarray]:
    places, orientations = stack()
    places[:, 1] += np.tan(np.radians(10)) * places[:, 2]
    return places, orientations


def without(number: int) -> tuple[np.ndarray, np.ndarray]:
    places, orientations = stack()
    return np.delete(places, number, axis=0), orientations[:-1]


def turned() -> tuple[np.ndarray, np.ndarray]:
    places, orientations = stack()
    orientations[2] = OBLIQUE
    return places, orientations


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: moved(3, (0, 0, -2.5)), "1 of the 6 slices lie where another one does"),
        (lambda: moved(3, (0, 0, 0.6)), "not evenly apart: after slice 3 of 6 come 3.1 mm, elsewhere 2.5 mm"),
        (lambda: without(3), "after slice 3 of 5 come 5 mm"),
        (lambda: moved(2, (4, 0, 0)), "shifted against each other"),
        (tilted, "a tilted gantry"),
        (turned, "do not lie in parallel"),
        (lambda: (stack()[0], np.ones((6, 6))), "The orientation of the slices is none"),
    ],
    ids=["doubled", "gap", "missing", "sideways", "gantry", "scout", "orientation"],
)
def test_what_is_no_even_straight_stack_is_refused_in_one_sentence(made, said):
    with pytest.raises(ImageError, match=said) as error:
        stack_order(*made())
    assert str(error.value).endswith(".") and "\n" not in str(error.value)


def test_a_table_that_moves_by_a_hair_is_still_even():
    places, orientations = stack()
    places[:, 2] += np.random.default_rng(0).uniform(-0.05, 0.05, len(places))
    assert stack_order(places, orientations)[1] == pytest.approx(2.5, abs=0.05)
