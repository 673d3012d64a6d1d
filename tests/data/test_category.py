"""A category names its target, and knows when a question gives it away."""

import pytest

from medreasoner.data.category import Category
from medreasoner.data.taxonomy import categories


def test_a_region_or_body_part_that_is_unknown_is_refused():
    with pytest.raises(ValueError, match="region must be one of .*, got 'all'"):
        Category("thing", "other", region="all")
    with pytest.raises(ValueError, match="body must be of brain, face, .*; got elbow"):
        Category("thing", "other", body=["elbow"])


def test_a_target_is_called_by_the_side_of_the_patient():
    kidney, tumour = categories()["kidney"], categories()["lung tumour"]
    assert (kidney.called("left"), kidney.with_article("left")) == ("left kidney", "the left kidney")
    assert (kidney.called(), tumour.with_article()) == ("kidney", "a lung tumour")


def test_a_leak_is_found_at_the_start_of_a_word_only():
    polyp = categories()["colorectal polyp"]
    assert polyp.leaks("Where are the Polyps?") is not None
    assert polyp.leaks("What would you snare?") is None
