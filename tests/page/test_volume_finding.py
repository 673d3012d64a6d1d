"""How a stack's finding is worded."""

import pytest

from medreasoner.page.volume_finding import _span


@pytest.mark.parametrize(
    ("slices", "words"), [((3, 9), "slices 3 to 9"), ((4, 4), "slice 4"), ((None, None), "no slice")]
)
def test_the_slices_of_a_mask_in_words(slices, words):
    assert _span(*slices) == words
