"""`train/embedded/vocabulary.py`: what is taught can be written, token by token, and comes back as it was."""

import random

from medreasoner.answer import Absence, Answer, parse, render
from medreasoner.data.absence import absent_question
from medreasoner.data.build.measuring import BRIGHTNESS, MARGINS, SHAPES, Measured
from medreasoner.data.build.writers.reasonings import reasoning
from medreasoner.data.scenes import scenes
from medreasoner.data.taxonomy import categories
from medreasoner.text.places import HEIGHTS, SIDES, SIZES
from tests.tiny_medreasoner import tokenizer
from train.embedded.vocabulary import NOWHERE, PLACE_FOLLOWS

TABLE = categories()
RELATIONS = ("inside", "around", "above", "below", "to the left of", "above and to the right of")


def ids_of(text: str) -> list[int]:
    return tokenizer()(text, add_special_tokens=False).input_ids


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


def test_an_answer_reads_the_same_after_the_tokenizer():
    rng = random.Random(0)
    for _ in range(300):
        text = drawn_answer(rng)
        ids = ids_of(text)
        assert tokenizer().decode(ids) == text and len(ids) < 224, text
        assert parse(tokenizer().decode(ids)) == parse(text)


def test_whether_a_place_is_named_and_every_number_is_one_token():
    for text in (NOWHERE, PLACE_FOLLOWS, "<answer>", "</think>", *map(str, range(256))):
        assert len(ids_of(text)) == 1, text
    assert len(ids_of(render(Absence()))) == 3 and NOWHERE in render(Absence())
