"""Axes and grey values of a mask."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from medreasoner.imaging import LoadedImage
from medreasoner.page.measure import axes, grey_values


def ellipse(size: int, box: tuple[int, int, int, int], turn: float = 0) -> np.ndarray:
    canvas = Image.new("L", (size, size))
    ImageDraw.Draw(canvas).ellipse(box, fill=255)
    return np.asarray(canvas.rotate(turn)) > 127


@pytest.mark.parametrize("turn", [0, 30, 45, 90])
def test_the_axes_of_an_ellipse_are_its_own_whichever_way_it_lies(turn):
    found = axes(ellipse(200, (40, 70, 160, 130), turn))
    assert found.long == pytest.approx(121, abs=2) and found.short == pytest.approx(61, abs=3)


def test_axes_are_in_mm_where_the_spacing_is_known_and_of_the_largest_part():
    mask = ellipse(200, (40, 70, 160, 130))
    mask[0:3, 190:] = True
    found = axes(mask, (0.5, 2.0))
    assert found.long == pytest.approx(61 * 2, abs=3) and found.short == pytest.approx(121 * 0.5, abs=3)


@pytest.mark.parametrize("rows, columns, long", [(1, 1, 1), (1, 7, 7), (2, 1, 2)])
def test_a_few_pixels_have_axes_too(rows, columns, long):
    mask = np.zeros((20, 20), bool)
    mask[5 : 5 + rows, 5 : 5 + columns] = True
    assert axes(mask).long == pytest.approx(long, abs=0.01)
    assert axes(np.zeros((20, 20), bool)) is None


def test_values_are_the_images_own_where_it_has_them_and_none_for_colour():
    grey = Image.fromarray(np.full((10, 10), 100, np.uint8)).convert("RGB")
    mask = np.zeros((10, 10), bool)
    mask[:, :5] = True
    hounsfield = np.tile(np.where(np.arange(10) < 5, 40, -1000), (10, 1))
    assert grey_values(LoadedImage(grey, "DICOM", values=hounsfield, unit="HU"), mask) == (40, 0, "HU")
    assert grey_values(LoadedImage(grey, "PNG"), mask) == (100, 0, "")
    colour = Image.new("RGB", (10, 10), (200, 100, 90))
    assert grey_values(LoadedImage(colour, "PNG"), mask) is None
    assert grey_values(LoadedImage(grey, "PNG"), mask & False) is None


@pytest.mark.parametrize("turn", [0, 30, 90])
@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.5, 2.0)])
def test_the_axes_are_drawn_where_they_were_measured(turn, spacing):
    mask = ellipse(200, (40, 70, 160, 130), turn)
    found = axes(mask, spacing)
    directions = []
    for line, length in zip(found.lines, (found.long, found.short), strict=True):
        start, end = np.reshape(line, (2, 2))
        step = (end - start) * spacing
        assert np.hypot(*step) == pytest.approx(length, abs=0.01)
        directions.append(step / np.hypot(*step))
        for x, y in (start + 0.03 * (end - start), end - 0.03 * (end - start)):
            around = mask[int(y) - 2 : int(y) + 3, int(x) - 2 : int(x) + 3]
            assert around.any(), "both ends lie on the mask"
    assert directions[0] @ directions[1] == pytest.approx(0, abs=1e-6)
