"""The category table keeps its promises: enough wordings, no leak, nothing shared between training and validation."""

import re

import pytest

from medreasoner.data.taxonomy import categories

ALL = list(categories().values())


@pytest.mark.parametrize("category", ALL, ids=lambda c: c.name)
def test_no_wording_gives_the_target_away(category):
    for question in (*category.questions, *category.held_out):
        assert category.leaks(question) is None, question


@pytest.mark.parametrize("category", ALL, ids=lambda c: c.name)
def test_there_are_enough_wordings_and_a_quarter_is_kept_back(category):
    assert len(category.questions) >= 20
    assert len(category.held_out) >= len(category.questions) / 3


@pytest.mark.parametrize("category", ALL, ids=lambda c: c.name)
def test_a_side_is_asked_for_exactly_where_there_are_two(category):
    for question in (*category.questions, *category.held_out):
        assert ("{side}" in question) == (category.region == "sides"), question


def test_no_held_out_wording_is_a_training_wording_of_any_category():
    def plain(text: str) -> str:
        return re.sub(r"[^a-z ]", "", text.lower()).strip()

    train = {plain(q) for c in ALL for q in c.questions}
    assert not train & {plain(q) for c in ALL for q in c.held_out}


def test_a_leak_is_found_at_the_start_of_a_word_only():
    polyp = categories()["colorectal polyp"]
    assert polyp.leaks("Where are the Polyps?") is not None
    assert polyp.leaks("What would you snare?") is None


def test_an_entry_that_lacks_a_field_is_named(tmp_path):
    (tmp_path / "bad.yaml").write_text("- {name: thing, modality: CT}\n")
    with pytest.raises(ValueError, match="bad.yaml.*thing"):
        categories(tmp_path)
