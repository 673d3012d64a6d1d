"""What the viewer shows: the picture, the layers, and the answer in words for screen readers."""

import numpy as np
from PIL import Image

from medreasoner.geometry import Grounding
from medreasoner.imaging import load_image
from medreasoner.page.image_view import alt_text, picture, screen_url

WHERE = Grounding((10.4, 20, 50, 80), ((20, 30), (40, 60)))


def test_the_picture_keeps_grey_pixels_exactly_and_a_large_one_is_made_smaller(image_file):
    shown = picture(load_image(image_file), "CC0")
    assert shown["src"].startswith("data:image/png") and (shown["width"], shown["height"]) == (320, 240)
    assert shown["caption"] == ["320 × 240 px", "CC0"]
    large = picture(load_image(np.zeros((3000, 5000), np.uint8)))
    with_size = screen_url(Image.new("RGB", (5000, 3000)))
    assert (large["width"], large["height"]) == (5000, 3000) and large["src"] == with_size


def test_the_answer_in_words_says_where_and_how_much():
    mask = np.zeros((100, 100), dtype=bool)
    mask[20:80, 10:50] = True
    where = "The answer is at mid-height on the left of the image, mid-sized: a box from 10, 20 to 50, 80"
    assert alt_text(WHERE, (100, 100)) == f"{where}."
    assert alt_text(WHERE, (100, 100), mask) == f"{where}, and a mask that covers 24.0% of the image."
