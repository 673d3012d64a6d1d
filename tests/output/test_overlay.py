"""What is drawn, where, and in which colour; and that nothing else of the image is touched."""

import colorsys

import numpy as np
import pytest
from PIL import Image, ImageColor

from medreasoner.geometry import Grounding, mask_to_box, mask_to_points
from medreasoner.output.colours import COLOURS
from medreasoner.output.overlay import FILL, SMALLEST, overlay

GRAY = (90, 90, 90)
IMAGE = Image.new("RGB", (600, 500), GRAY)
MASK = np.zeros((500, 600), bool)
MASK[150:350, 200:450] = True
GROUNDING = Grounding(mask_to_box(MASK), ((260.0, 200.0), (400.0, 300.0)))


def colour(name: str) -> np.ndarray:
    return np.array(ImageColor.getrgb(COLOURS[name]), float)


def near(drawn: Image.Image, name: str, tolerance: float = 12) -> np.ndarray:
    """Where `drawn` has the colour called `name`, (H, W) bool."""
    return (np.abs(np.asarray(drawn, float) - colour(name)) <= tolerance).all(axis=2)


def test_nothing_given_is_nothing_drawn():
    assert overlay(IMAGE, notice=False).tobytes() == IMAGE.tobytes()


def test_the_image_that_was_given_is_not_changed():
    before = IMAGE.tobytes()
    overlay(IMAGE, GROUNDING, MASK, MASK)
    assert IMAGE.tobytes() == before


def test_the_notice_is_a_strip_below_and_leaves_the_image_alone():
    drawn = overlay(IMAGE)
    assert drawn.width == 600 and 20 <= drawn.height - 500 <= 60
    assert drawn.crop((0, 0, 600, 500)).tobytes() == IMAGE.tobytes()
    strip = drawn.crop((0, 500, 600, drawn.height))
    assert near(strip, "ground").mean() > 0.8
    assert near(strip, "words", 60).sum() > 100


def test_the_box_is_a_line_of_two_pixels_with_a_dark_halo_on_its_edge():
    drawn = overlay(IMAGE, GROUNDING, notice=False)
    across = np.asarray(drawn, float)[150 - 4 : 150 + 4, 330]  # through the upper edge, away from the points
    assert (np.abs(across - colour("box")).max(axis=1) < 12).tolist() == [False] * 3 + [True] * 2 + [
        False
    ] * 3
    assert across[2].max() < 60 and across[5].max() < 60
    assert tuple(across[0]) == tuple(across[7]) == GRAY


def test_a_box_along_the_border_is_drawn_in_full():
    drawn = overlay(IMAGE, Grounding((0, 0, 600, 500), GROUNDING.points), notice=False)
    yellow = near(drawn, "box")
    assert (
        yellow[:2, 10:-10].all()
        and yellow[-2:, 10:-10].all()
        and yellow[10:-10, :2].all()
        and yellow[10:-10, -2:].all()
    )


def test_the_points_are_discs_with_digits():
    drawn = overlay(IMAGE, GROUNDING, notice=False)
    orange = near(drawn, "points")
    patches = [
        np.asarray(drawn.crop((int(x) - 8, int(y) - 8, int(x) + 8, int(y) + 8))) for x, y in GROUNDING.points
    ]
    for (x, y), patch in zip(GROUNDING.points, patches, strict=True):
        assert orange[int(y) - 6 : int(y) + 7, int(x) - 6 : int(x) + 7].mean() > 0.5
        assert (patch.max(axis=2) < 80).sum() > 4
    assert not np.array_equal(*patches)
    assert orange.sum() < 2 * 16 * 16


def test_the_mask_is_an_outline_with_a_thin_fill():
    drawn = np.asarray(overlay(IMAGE, mask=MASK, notice=False), float)
    assert drawn[250, 330] == pytest.approx(FILL * colour("mask") + (1 - FILL) * np.array(GRAY), abs=2)
    assert tuple(drawn[250, 330 - 200]) == GRAY
    edge = near(Image.fromarray(drawn.astype(np.uint8)), "mask")
    assert edge[160:340, 199:202].any(axis=1).all() and edge[149:152, 210:440].any(axis=0).all()
    assert not edge[160:340, 210:440].any()


def test_a_ground_truth_is_dashed_and_not_filled():
    drawn = overlay(IMAGE, truth=MASK, notice=False)
    top = near(drawn, "truth")[149:151, 210:440].all(axis=0)
    assert 0.35 < top.mean() < 0.8
    assert np.count_nonzero(np.diff(top.astype(int)) == 1) >= 8
    assert tuple(np.asarray(drawn)[250, 330]) == GRAY


def test_the_discs_of_a_small_target_stand_beside_it():
    mask = np.zeros((500, 600), bool)
    mask[240:252, 300:314] = True
    drawn = overlay(IMAGE, Grounding(mask_to_box(mask), mask_to_points(mask)), mask, notice=False)
    orange = near(drawn, "points")
    assert orange[235:257, 295:319].mean() < 0.25
    assert orange.sum() > 200


@pytest.mark.parametrize("corner", [(0, 0), (590, 0), (0, 490), (590, 490)])
def test_discs_stay_whole_inside_the_image(corner):
    x, y = corner
    box = (x, y, x + 10, y + 10)
    inside = overlay(IMAGE, Grounding((250, 250, 260, 260), ((255, 255), (255, 255))), notice=False)
    drawn = overlay(IMAGE, Grounding(box, ((x + 5, y + 5), (x + 5, y + 5))), notice=False)
    assert near(drawn, "points").sum() > 0.8 * near(inside, "points").sum()


@pytest.mark.parametrize("size", [(16, 16), (36, 50), (200, 150), (479, 300), (1500, 400), (3000, 2250)])
def test_lines_and_digits_have_room_at_every_size(size):
    width, height = size
    box = (width // 4, height // 4, width // 2, height // 2)
    drawn = overlay(Image.new("RGB", size, GRAY), Grounding(box, (box[:2], box[2:])), notice=False)
    factor = drawn.width // width
    assert drawn.size == (width * factor, height * factor)
    assert max(drawn.size) >= SMALLEST
    assert factor == 1 or (factor - 1) * max(size) < SMALLEST
    wanted = max(2, round(max(drawn.size) / 400))
    x = round(0.3 * drawn.width)
    line = near(drawn, "box")[: round(0.4 * drawn.height), x]
    assert abs(np.count_nonzero(line) - wanted) <= 1


def test_a_narrow_image_gets_room_for_its_notice():
    drawn = overlay(Image.new("RGB", (16, 600), GRAY))
    assert drawn.width >= 150
    assert near(drawn.crop((0, 600, *drawn.size)), "words", 60).sum() > 100


@pytest.mark.parametrize("name", ["mask", "truth"])
def test_a_mask_of_another_size_is_refused(name):
    with pytest.raises(ValueError, match=rf"{name} has shape \(600, 500\); expected \(500, 600\)"):
        overlay(IMAGE, **{name: MASK.T})


def test_an_empty_mask_draws_nothing():
    assert overlay(IMAGE, mask=MASK & False, truth=MASK & False, notice=False).tobytes() == IMAGE.tobytes()


def test_colours_of_layers_differ_in_lightness_or_hue_and_never_pair_red_with_green():
    layers = [colour(name) / 255 for name in ("box", "points", "mask", "truth")]
    hues = [360 * colorsys.rgb_to_hsv(*rgb)[0] for rgb in layers]
    assert not (any(hue < 25 or hue > 345 for hue in hues) and any(90 < hue < 170 for hue in hues))
    lightness = [rgb @ np.array([0.2126, 0.7152, 0.0722]) for rgb in layers]
    pairs = [(i, j) for i in range(4) for j in range(i)]
    assert all(
        abs(lightness[i] - lightness[j]) > 0.05
        or min(abs(hues[i] - hues[j]), 360 - abs(hues[i] - hues[j])) > 60
        for i, j in pairs
    )
