"""The category table keeps its promises: enough wordings, no leak, nothing shared between training and
validation.
"""

import re

import pytest

from medreasoner.data.category import Category
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


KNOWLEDGE = ("meaning", "appearance", "location", "alternatives")
WORDINGS = ("questions", "held_out", "held_back")
HOLDERS = {"name", "side", "other_side", "image_side"}


def wordings(category: Category) -> list[str]:
    return [question for kind in WORDINGS for question in getattr(category, kind)]


def knowledge(category: Category) -> list[str]:
    return [sentence for kind in KNOWLEDGE for sentence in getattr(category, kind)]


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"\{(\w*)\}", text))


def plain(text: str) -> str:
    return re.sub(r"[^a-z0-9{} ]", "", text.lower()).strip()


def test_no_wording_gives_the_target_away():
    wrong = [(c.name, question) for c in ALL for question in wordings(c) if c.leaks(question) is not None]
    assert not wrong


def test_there_are_enough_wordings_and_sentences():
    few = [
        (c.name, kind, len(getattr(c, kind)))
        for c in ALL
        for kind, least in (("questions", 30), ("held_out", 15), ("held_back", 8), ("meaning", 6))
        if len(getattr(c, kind)) < least
    ]
    few += [(c.name, kind) for c in ALL for kind in KNOWLEDGE[1:] if len(getattr(c, kind)) < 5]
    assert not few and len(ALL) > 100


def test_a_side_is_asked_for_exactly_where_there_are_two():
    for category in ALL:
        for question in wordings(category):
            holders = placeholders(question)
            assert holders <= {"side", "image_side"}, question
            assert bool(holders) == (category.region == "sides"), question


def test_either_kind_of_side_can_be_asked_for():
    """Where the patient's side is not known the image's is asked for, and the other way round."""
    for category in (c for c in ALL if c.region == "sides"):
        for kind in WORDINGS:
            for side in ("side", "image_side"):
                assert any(side not in placeholders(question) for question in getattr(category, kind))


def test_nothing_is_shared_between_training_choice_and_validation():
    train, validation, choice = ({plain(q) for c in ALL for q in getattr(c, kind)} for kind in WORDINGS)
    assert not train & validation and not train & choice and not choice & validation


def test_every_sentence_is_whole_and_belongs_to_one_category():
    sentences = [plain(sentence) for c in ALL for sentence in knowledge(c)]
    assert len(sentences) == len(set(sentences))
    for sentence in (sentence for c in ALL for sentence in knowledge(c)):
        assert 5 <= len(sentence.split()) <= 22, sentence
        assert sentence.endswith(".") and (sentence[0].isupper() or sentence[0] in "{0123456789"), sentence


def test_sentences_have_placeholders_only_where_there_are_sides():
    for category in ALL:
        for sentence in knowledge(category):
            assert placeholders(sentence) <= (HOLDERS if category.region == "sides" else set()), sentence


def test_something_can_be_said_where_no_side_is_known():
    for category in ALL:
        for kind in KNOWLEDGE:
            assert any(placeholders(sentence) <= {"name"} for sentence in getattr(category, kind))


def test_what_is_asked_for_is_named():
    for category in ALL:
        for sentence in category.meaning:
            assert category.name.lower() in sentence.lower() or "name" in placeholders(sentence), sentence


def test_every_category_says_where_in_the_body_it_is():
    assert all(category.body for category in ALL)


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
    assert find("Duodenum", "CT", categories()) is named()["duodenum"]
    assert find("gadget", "CT", categories()) is None


def test_an_entry_of_an_unknown_supercategory_is_named(tmp_path):
    lists = ", ".join(f"{kind}: []" for kind in ("body", "synonyms", *KNOWLEDGE, *WORDINGS))
    entry = f"name: thing, modality: CT, supercategory: stuff, targets: {{}}, region: whole, {lists}"
    (tmp_path / "bad.yaml").write_text(f"- {{{entry}}}\n")
    with pytest.raises(
        ValueError, match="bad.yaml: the super-category 'stuff' of 'thing' is not in taxonomy.yaml"
    ):
        categories(tmp_path)


def test_the_table_holds_every_category_once():
    lines = table().splitlines()
    assert lines[0].startswith("10 modalities: X-ray, CT") and lines[1].startswith("15 super-categories, ")
    assert sorted(line.split(" | ")[1] for line in lines[5:]) == sorted((*categories(), *named()))
