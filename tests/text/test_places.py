"""Words for places and the boxes they are true of."""

from hypothesis import given
from hypothesis import strategies as st

from medreasoner.text.places import (
    HEIGHTS,
    SIDES,
    claimed_place,
    place_agrees,
    place_phrase,
    place_words,
    size_word,
)

WH = (640, 480)


def box_at(cx: float, cy: float, half: float = 10) -> tuple[float, float, float, float]:
    return (cx - half, cy - half, cx + half, cy + half)


@given(st.floats(20, 620), st.floats(20, 460))
def test_what_is_said_of_a_box_agrees_with_it(cx, cy):
    box = box_at(cx, cy)
    side, height = place_words(box, WH)
    sentence = f"I see it {place_phrase(side, height)} of the image: small."
    assert claimed_place(sentence) == (side, height)
    assert place_agrees(sentence, box, WH) is True


def test_every_cell_has_its_own_phrase():
    phrases = {place_phrase(side, height) for side in SIDES for height in HEIGHTS}
    assert len(phrases) == 9


def test_the_other_side_does_not_agree():
    assert place_agrees("I see it in the upper left of the image.", box_at(600, 40), WH) is False
    assert place_agrees("I see it at the centre of the image.", box_at(40, 240), WH) is False


def test_a_claim_just_over_the_border_is_not_held_against_the_answer():
    assert place_agrees("It lies in the upper left of the image.", box_at(640 / 3 + 10, 40), WH) is True
    assert place_agrees("It lies in the upper left of the image.", box_at(640 / 3 + 60, 40), WH) is False


def test_nothing_claimed_is_neither_true_nor_false():
    assert place_agrees("A dark focus with a bright rim.", box_at(40, 40), WH) is None


def test_the_first_claim_counts():
    assert claimed_place("It lies at the centre of the image, not in the lower left.") == ("centre", "middle")


def test_size_words_follow_the_share_of_the_image():
    shares = {"tiny": 0.005, "small": 0.03, "mid-sized": 0.1, "large": 0.5}
    for word, share in shares.items():
        side = (share * WH[0] * WH[1]) ** 0.5
        assert size_word((0, 0, side, side), WH) == word
