"""`train/embedded/vocabulary.py`: what is taught can be written, token by token, and comes back as it was."""

import random

import pytest

from medreasoner.answer import Absence, Answer, parse, render
from medreasoner.data.absence import absent_question
from medreasoner.data.build.measuring import BRIGHTNESS, MARGINS, SHAPES, Measured
from medreasoner.data.build.writers.reasonings import reasoning
from medreasoner.data.scenes import scenes
from medreasoner.data.taxonomy import categories
from medreasoner.text.places import HEIGHTS, SIDES, SIZES
from tests.tiny_medreasoner import vocabulary
from train.embedded.vocabulary import BLANK, NOWHERE, NUMBERS, RELATIONS, WHOLE, piece_of

TABLE = categories()


@pytest.fixture(scope="module")
def tokenizer():
    return vocabulary()[0]


def ids_of(tokenizer, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False).input_ids


def drawn_answer(rng: random.Random) -> str:
    """A completion as training draws it: of a random target, or of something that is not there."""
    if rng.random() < 0.2:
        scene = rng.choice(list(scenes().values()))
        think = absent_question(scene, (), ("the left kidney",), TABLE, True, rng).think
        return render(Absence(think if rng.random() < 0.8 else None))
    category = rng.choice(list(TABLE.values()))
    side, shown = (
        rng.choice([("", ""), ("left", "right"), ("", "left")]) if category.region == "sides" else ("", "")
    )
    words = [rng.choice(each) for each in (SIDES, HEIGHTS, SIZES, SHAPES, BRIGHTNESS, MARGINS)]
    near = tuple(
        (rng.choice(RELATIONS), rng.choice(list(TABLE.values())).with_article())
        for _ in range(rng.randrange(3))
    )
    think = reasoning(category, Measured(*words, near), rng, side, shown) if rng.random() < 0.8 else None
    box, points = [[float(rng.randrange(256)) for _ in range(size)] for size in (4, 4)]
    return render(Answer(tuple(box), (tuple(points[:2]), tuple(points[2:])), think))


def test_every_completion_is_made_of_tokens_that_can_be_written(tokenizer):
    rng, written = random.Random(0), vocabulary()[1]
    for _ in range(300):
        text = drawn_answer(rng)
        ids = ids_of(tokenizer, text)
        assert max(ids) < written and tokenizer.unk_token_id not in ids, text
        assert tokenizer.decode(ids) == text and len(ids) < 200


def test_an_answer_reads_the_same_after_the_tokenizer(tokenizer):
    rng = random.Random(1)
    for _ in range(40):
        text = drawn_answer(rng)
        assert parse(tokenizer.decode(ids_of(tokenizer, text))) == parse(text)


def test_tags_numbers_and_absence_are_one_token_each(tokenizer):
    for text in (*WHOLE, *NUMBERS):
        assert len(ids_of(tokenizer, text)) == 1, text
    assert len(ids_of(tokenizer, render(Absence()))) == 3 and NOWHERE in render(Absence())


def test_any_question_can_be_read(tokenizer):
    for text in (" which organ is the kidney?", " Zzyzx, ÄÖÜ", " 512 mm"):
        assert tokenizer.unk_token_id not in ids_of(tokenizer, text.lower())


def test_tokens_start_from_the_sentence_encoders_pieces():
    encoder = {"liver": 0, "##ing": 1, "s": 2, "[UNK]": 3}
    assert [piece_of(token, encoder) for token in (f"{BLANK}Liver", "ing", "s", f"{BLANK}ing")] == [
        "liver",
        "##ing",
        "s",
        "[UNK]",
    ]
    tokenizer, written, pieces = vocabulary()
    assert len(pieces) == len(tokenizer) > written
