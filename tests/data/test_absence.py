"""Messages that nothing in an image answers: never about what could be in view, never the same for training
and validation.
"""

import random
import re
from collections import Counter

import pytest

from medreasoner.data.absence import (
    CANNOT_SHOW,
    MESSAGES,
    NO_QUESTION,
    NOT_HERE,
    NOT_MEDICAL,
    absent_question,
    absent_target,
    cannot_show,
    message,
    not_here,
    texts,
)
from medreasoner.data.scenes import Scene, scene_of, scenes
from medreasoner.data.taxonomy import categories

TABLE = categories()
HEAD = Scene("head", scene="a slice through the head", body=("brain", "face"))


def question_of(drawn: object) -> str:
    return drawn["question"] if isinstance(drawn, dict) else drawn


def test_what_may_be_in_view_is_never_called_impossible():
    for scene in scenes().values():
        impossible = cannot_show(scene, TABLE)
        assert impossible and not any(set(c.body) & set(scene.body) for c in impossible), scene.source
        labelled = {c.name for c in TABLE.values() if scene.source in c.targets}
        assert not labelled & {c.name for c in impossible}, scene.source


def test_of_an_unknown_image_nothing_is_called_impossible():
    assert cannot_show(Scene("own"), TABLE) == []


def test_what_is_not_in_this_slice_is_what_would_be_labelled():
    scene = scene_of("ct_abdomen_btcv")
    assert scene.complete, "the labels of this set are complete"
    missing = not_here(scene, ["liver", "left kidney"], TABLE)
    names = {category.name for category in missing}
    assert "spleen" in names and not names & {"liver", "kidney", "kidneys"}
    assert not_here(Scene(scene.source), [], TABLE) == []


def test_every_drawn_question_fits_its_image():
    rng, kinds = random.Random(0), set()
    for scene in scenes().values():
        for training in (True, False):
            for _ in range(12):
                drawn = absent_question(scene, (), (), TABLE, training, rng)
                kinds.add(drawn.kind)
                assert not re.search(r"[{}]", drawn.question + drawn.think), drawn
                if drawn.kind == NO_QUESTION:
                    assert drawn.name == ""
                    continue
                category = TABLE[drawn.name]
                assert category.name.lower() in drawn.think.lower()
                if drawn.kind == CANNOT_SHOW:
                    assert not set(category.body) & set(scene.body)
                elif drawn.kind == NOT_MEDICAL:
                    assert not scene.medical
                else:
                    assert scene.source in category.targets
    assert kinds == {NO_QUESTION, CANNOT_SHOW, NOT_HERE, NOT_MEDICAL}


def test_training_and_validation_share_no_message():
    for kind in MESSAGES:
        training, held_out = (
            {question_of(each) for each in texts()[key]} for key in (kind, f"{kind}_held_out")
        )
        assert training and held_out and not training & held_out


@pytest.mark.parametrize("training", [True, False])
def test_what_is_drawn_is_of_its_own_side(training):
    rng = random.Random(1)
    own = {question_of(each) for kind in MESSAGES for each in texts()[kind + "_held_out" * (not training)]}
    assert {message(training, rng).question for _ in range(200)} <= own
    for _ in range(200):
        drawn = absent_question(HEAD, (), (), TABLE, training, rng)
        if drawn.kind != NO_QUESTION:
            category = TABLE[drawn.name]
            wordings = category.questions if training else category.held_out
            asked = {text.replace("{side}", side) for text in wordings for side in ("left", "right")}
            assert drawn.question in asked


def test_explanations_are_filled_in():
    kidney, rng = TABLE["kidney"], random.Random(0)
    for kind in (CANNOT_SHOW, NOT_HERE, NOT_MEDICAL):
        for seen in ((), ("the liver",)):
            for _ in range(60):
                drawn = absent_target(kind, kidney, "Where?", HEAD, rng, seen, "left")
                assert "the left kidney" in drawn.think and not re.search(r"[{}]", drawn.think)
    assert any(
        "the liver" in absent_target(NOT_HERE, kidney, "Where?", HEAD, rng, ("the liver",)).think
        for _ in range(90)
    )


@pytest.mark.parametrize("training", [True, False])
def test_every_kind_of_message_is_drawn(training):
    """Small talk, instructions, other languages, nonsense and questions without a place, besides targets that
    the image cannot show, or does not show here."""
    rng, kinds = random.Random(0), Counter()
    for scene in scenes().values():
        for _ in range(40):
            drawn = absent_question(scene, (), (), TABLE, training, rng)
            kinds[drawn.message or drawn.kind] += 1
            assert (drawn.kind == NO_QUESTION) == bool(drawn.message)
    assert set(kinds) == {*MESSAGES, CANNOT_SHOW, NOT_HERE, NOT_MEDICAL}
    assert min(kinds.values()) > 0.02 * kinds.total(), kinds


def test_of_few_explanations_each_kind_has_its_own_and_a_target_is_named_first():
    rng, liver, scene = random.Random(0), TABLE["liver"], scene_of("mri_brain_ms_flair")
    for kind in (CANNOT_SHOW, NOT_HERE, NOT_MEDICAL):
        drawn = {
            absent_target(kind, liver, "?", scene, rng, choices=1).think.partition(". ")[0] for _ in range(20)
        }
        assert len(drawn) == 1 and drawn.pop().startswith("The question describes the liver"), kind
    thinks: dict[str, set[str]] = {}
    for _ in range(300):
        drawn = message(training=True, rng=rng, choices=1)
        thinks.setdefault(drawn.message, set()).add(drawn.think)
    assert set(thinks) == set(MESSAGES) and all(len(each) == 1 for each in thinks.values())
