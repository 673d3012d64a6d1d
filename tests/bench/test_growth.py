"""Every part of the growth bench does its work at tiny sizes, and exponents are those of known curves."""

import pytest
from PIL import Image

from bench.growth import PARTS, UNITS, exponents, images, sets, table, volumes
from bench.growth_plot import draw


def test_exponents_of_a_constant_a_line_and_a_square():
    found = [(10, 2.0), (20, 2.0), (40, 4.0), (80, 16.0)]
    assert exponents(found) == pytest.approx([0, 1, 2])
    assert table("rows", found) == "| `rows` | rows | 10: 2, 20: 2, 40: 4, 80: 16 | 0.00, 1.00, 2.00 |"
    assert PARTS.keys() == UNITS.keys()


def test_the_work_grows_as_it_says():
    [(_, read)] = images((1,))
    width, height = read().image.size
    assert width * height == pytest.approx(1e6, rel=0.01)
    assert [work() for _, work in sets((3, 7))] == [3, 7]
    for number, work in volumes((2, 3)):
        assert number in (2, 3)
        work()


def test_the_plot_has_a_panel_for_each_part(tmp_path):
    found = {"rows": [(10, 0.1), (100, 1.0)], "slices": [(10, 0.2), (300, 4.0)]}
    both = Image.open(draw(found, UNITS, tmp_path / "both.png"))
    one = Image.open(draw({"rows": found["rows"]}, UNITS, tmp_path / "one.png"))
    assert (both.width, both.height) == (2 * one.width, one.height)
    assert len(both.convert("RGB").getcolors(both.width * both.height)) > 20  # lines, points and letters
