"""Numbers in a model's frame become pixels of the original image, and what had to be mended is said."""

import pytest
from PIL import Image

from medreasoner.answer import Answer
from medreasoner.answer_in_pixels import in_pixels
from medreasoner.geometry import EMBEDDED, INPUT_PIXELS, THOUSAND, THOUSAND_YX, GroundingError
from medreasoner.reasoners.base import EncodedImage

SIZE = (300, 200)
SEEN = EncodedImage(Image.new("RGB", (840, 840)), (840, 840))


@pytest.mark.parametrize(
    ("frame", "box"),
    [
        (THOUSAND, (100, 100, 400, 500)),
        (THOUSAND_YX, (100, 100, 500, 400)),
        (INPUT_PIXELS, (84, 84, 336, 420)),
        (EMBEDDED, (25.5, 25.5, 102, 127.5)),
    ],
)
def test_a_box_lands_where_its_frame_says(frame, box):
    grounding, notes = in_pixels(Answer(box, (box[:2], box[2:])), SEEN, frame, SIZE)
    assert grounding.box == pytest.approx((30, 20, 120, 100)) and notes == ()


def test_shares_are_read_as_such_in_any_frame_and_keep_its_order():
    answer = Answer((0.25, 0.5, 0.5, 0.75), ((0.3, 0.6), (0.4, 0.7)))
    for frame, box in ((THOUSAND, (75, 100, 150, 150)), (THOUSAND_YX, (150, 50, 225, 100))):
        grounding, notes = in_pixels(answer, SEEN, frame, SIZE)
        assert grounding.box == pytest.approx(box) and "shares" in notes[0]


def test_a_box_beyond_the_image_is_cut_and_said_and_one_outside_refused():
    grounding, notes = in_pixels(Answer((900, 900, 1200, 1100), ((950, 950),) * 2), SEEN, THOUSAND, SIZE)
    assert grounding.box == pytest.approx((270, 180, 300, 200)) and notes
    with pytest.raises(GroundingError):
        in_pixels(Answer((2000, 2000, 3000, 3000), ((2500, 2500),) * 2), SEEN, THOUSAND, SIZE)
