"""The category table keeps its promises: enough wordings, no leak, nothing shared between training and validation."""

import re

import pytest

from medreasoner.data.taxonomy import (
    categories,
    find,
    modalities,
    modality_of,
    named,
    supercategories,
    supercategory_of,
    table,
)

ALL = list(categories().values())


@pytest.mark.parametrize("category", ALL, ids=lambda c: c.name)
def test_no_wording_gives_the_target_away(category):
    for question in (*category.wordings, *category.held_out, *category.held_back):
        assert category.leaks(question) is None, question


@pytest.mark.parametrize("category", ALL, ids=lambda c: c.name)
def test_there_are_enough_wordings_and_a_quarter_is_kept_back(category):
    assert len(category.questions) >= 20
    assert len(category.held_out) >= len(category.questions) / 3
    assert len(category.held_out) + len(category.held_back) >= len(category.wordings) / 3


@pytest.mark.parametrize("category", ALL, ids=lambda c: c.name)
def test_a_side_is_asked_for_exactly_where_there_are_two(category):
    for question in (*category.wordings, *category.held_out, *category.held_back):
        assert ("{side}" in question) == (category.region == "sides"), question


def test_no_wording_is_in_two_of_training_choice_and_validation():
    def plain(text: str) -> str:
        return re.sub(r"[^a-z0-9 ]", "", text.lower()).strip()

    train, choice, validation = (
        {plain(q) for c in ALL for q in getattr(c, kind)} for kind in ("wordings", "held_back", "held_out")
    )
    assert not train & validation and not train & choice and not choice & validation


def test_a_leak_is_found_at_the_start_of_a_word_only():
    polyp = categories()["colorectal polyp"]
    assert polyp.leaks("Where are the Polyps?") is not None
    assert polyp.leaks("What would you snare?") is None


def test_an_entry_that_lacks_a_field_is_named(tmp_path):
    (tmp_path / "bad.yaml").write_text("- {name: thing, modality: CT}\n")
    with pytest.raises(ValueError, match="bad.yaml.*thing"):
        categories(tmp_path)


def test_there_are_ten_modalities_and_fifteen_supercategories_with_all_that_writers_need():
    assert len(modalities()) == 10 and all(kind.describe and kind.synonyms for kind in modalities().values())
    assert len(supercategories()) == 15
    assert all(kind.question and kind.think and kind.synonyms for kind in supercategories().values())


def test_every_category_has_a_known_supercategory_and_words_that_give_it_away():
    assert not set(categories()) & set(named())
    for category in (*ALL, *named().values()):
        assert supercategory_of(category.supercategory) == category.supercategory
        assert category.synonyms and all(word == word.strip() for word in category.synonyms)
    assert all(modality_of(category.modality) for category in ALL)


def test_no_synonym_means_two_things():
    for terms in (modalities(), supercategories()):
        names = [name.lower() for term in terms.values() for name in (term.name, *term.synonyms)]
        assert len(names) == len(set(names))


@pytest.mark.parametrize(
    "told,meant",
    [
        ("PET/CT (fused slice)", "CT"),
        ("Fundus (RetCam/Neo)", "Fundus"),
        ("X-Ray", "X-ray"),
        ("Digital Mammography", "Mammography"),
        ("Blood smear microscopy", "Pathology"),
        ("MR", "MRI"),
        ("seismograph", None),
    ],
)
def test_a_modality_is_known_by_what_sources_call_it(told, meant):
    assert modality_of(told) == meant


def test_a_supercategory_is_known_by_its_published_name():
    published = [
        "abdomen anatomies",
        "brain anatomies",
        "eye anatomies",
        "heart anatomies",
        "histology structure",
        "lung",
        "vessel",
    ]
    assert all(supercategory_of(name) == name for name in published)
    assert (
        supercategory_of("non-neoplasm") == "non-neoplastic lesion" and supercategory_of("furniture") is None
    )


def test_a_class_is_found_in_either_spelling_and_for_its_modality_only():
    assert find("Lung_Tumor", "CT", categories()) is categories()["lung tumour"]
    assert (
        find("spleen", "MRI", categories()).questions == [] and find("spleen", "CT", categories()).questions
    )
    assert (
        find("Liver", "CT", categories()) is named()["liver"] and find("gadget", "CT", categories()) is None
    )


def test_an_entry_of_an_unknown_supercategory_is_named(tmp_path):
    fields = (
        "targets: {}, region: whole, synonyms: [], look: [], place: [], role: [], questions: [], held_out: []"
    )
    (tmp_path / "bad.yaml").write_text(f"- {{name: thing, modality: CT, supercategory: stuff, {fields}}}\n")
    with pytest.raises(
        ValueError, match="bad.yaml: the super-category 'stuff' of 'thing' is not in taxonomy.yaml"
    ):
        categories(tmp_path)


def test_the_table_holds_every_category_once():
    lines = table().splitlines()
    assert lines[0].startswith("10 modalities: X-ray, CT") and lines[1].startswith("15 super-categories, ")
    assert sorted(line.split(" | ")[1] for line in lines[5:]) == sorted((*categories(), *named()))
