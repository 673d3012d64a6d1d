"""Several conversations about one picture in one sequence: nothing of one reaches another."""

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText

from medreasoner.data.build.writers.offline import Measured
from medreasoner.prompts import messages
from tests import tiny
from train.embedded.collator import PREFIX, SharedImageCollator, attention_mask
from train.embedded.conversations import Target, conversation, coverage_of, make_rows
from train.embedded.sft import Options, dense_rows
from train.model_spec import open_model_spec
from train.preflight import PreflightError

BOXES = {
    "L5 vertebra": (80.0, 20.0, 120.0, 40.0),
    "L4 vertebra": (80.0, 50.0, 120.0, 70.0),
    "L4-L5 disc": (80.0, 40.0, 120.0, 50.0),
}


def item(path, category: str) -> Target:
    mask = np.zeros((100, 200), bool)
    x1, y1, x2, y2 = map(int, BOXES[category])
    mask[y1:y2, x1:x2] = True
    measured = Measured("centre", "middle", "small", "wider than tall", "brighter than")
    points = [[(x1 + x2) / 2, (y1 + y2) / 2], [x1 + 4.0, y1 + 4.0]]
    sample = {
        "category": category,
        "measured": vars(measured),
        "box": list(BOXES[category]),
        "points": points,
        "dataset": "spine",
    }
    return Target(sample, str(path), (200, 100), coverage_of(mask))


@pytest.fixture(scope="module")
def subject(tmp_path_factory):
    return open_model_spec(str(tiny.embedded(tmp_path_factory.mktemp("model") / "start", script=tiny.SCRIPT)))


@pytest.fixture(scope="module")
def rows(subject, tmp_path_factory):
    path = tmp_path_factory.mktemp("spine") / "spine.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (100, 200, 3), np.uint8)).save(path)
    items = [item(path, category) for category in ("L5 vertebra", "L4 vertebra", "L4-L5 disc")]

    def make(one, rng):
        return conversation(one, subject.prompt, subject.frame, rng)

    return make_rows(items, 6, 2, 0.0, 0, make)


def collator(subject) -> SharedImageCollator:
    ids = [subject.processor.tokenizer.convert_tokens_to_ids(str(n)) for n in range(10)]
    return SharedImageCollator(subject.processor, torch.tensor(ids))


def test_a_conversation_among_others_is_what_it_is_alone(subject, rows):
    batch = collator(subject)([rows[0], rows[1]])
    model = AutoModelForImageTextToText.from_pretrained(subject.folder, dtype=torch.float32).eval()
    given = {name: batch[name] for name in ("input_ids", "position_ids", "attention_mask", "pixel_values")}
    with torch.no_grad():
        together = model(**given, use_cache=False).logits
    for number, one in enumerate([*rows[0]["conversations"], *rows[1]["conversations"]]):
        chat = messages(one["prompt"], one["system"])
        chat[-1]["content"][0]["image"] = rows[number // 2]["image"]
        chat.append({"role": "assistant", "content": [{"type": "text", "text": one["completion"]}]})
        inputs = subject.processor.apply_chat_template(
            [chat], tokenize=True, return_dict=True, processor_kwargs={"return_tensors": "pt"}
        )
        with torch.no_grad():
            alone = model(**inputs).logits[0]
        mine = batch["conversation"][number // 2] == number
        count = int(mine.sum())
        assert torch.equal(batch["input_ids"][number // 2][mine], inputs["input_ids"][0, -count:])
        assert torch.allclose(together[number // 2][mine], alone[-count:], atol=1e-4)


def test_what_is_learnt_is_the_completion_and_its_places_are_the_coordinates(subject, rows):
    batch = collator(subject)([rows[0]])
    tok = subject.processor.tokenizer
    for number, one in enumerate(rows[0]["conversations"]):
        mine = batch["conversation"][0] == number
        learnt = batch["labels"][0][mine & (batch["labels"][0] != -100)]
        assert tok.decode(learnt).startswith(one["completion"])
        row, asked, written = (batch[name][number] for name in ("row", "question_end", "answer_start"))
        assert row == 0 and batch["labels"][0, asked] == -100 and batch["labels"][0, asked + 1] != -100
        assert batch["input_ids"][0, written] == tok.convert_tokens_to_ids("<answer>")
    assert (batch["labels"][batch["conversation"] == PREFIX] == -100).all() and len(batch["box01"]) == 2


def test_only_numbers_of_the_answer_are_coordinates(subject):
    collate = collator(subject)
    ids = {name: subject.processor.tokenizer.convert_tokens_to_ids(name) for name in "(12345678"} | {
        "<answer>": collate.answer
    }
    text = ["1", "(", "2", "<answer>", *"123", "(", *"45678"]
    assert collate._coordinates([ids[token] for token in text]) == [
        -1,
        -1,
        -1,
        -1,
        0,
        1,
        2,
        -1,
        3,
        4,
        5,
        6,
        7,
    ]


def test_a_word_sees_its_own_conversation_and_the_picture():
    seen = attention_mask(torch.tensor([[PREFIX, PREFIX, 0, 0, 1, 1, -2]]))[0, 0]
    assert seen[5].tolist() == [True, True, False, False, True, True, False]
    assert (
        seen[1].tolist() == [True, True, False, False, False, False, False] and seen[3, 2] and not seen[2, 3]
    )


def test_all_targets_of_a_picture_take_turns(rows):
    asked = [number for drawn in rows.with_format(None) for number in drawn["members"]]
    assert len(asked) == 18 and max(map(asked.count, range(3))) - min(map(asked.count, range(3))) <= 1
    assert all(len(row["conversations"]) == 2 for row in rows)


@pytest.mark.parametrize("wrong", [{"turns": 0}, {"even": 1.5}])
def test_turns_and_evenness_that_no_rows_can_have_are_refused(wrong):
    with pytest.raises(PreflightError, match="--turns"):
        dense_rows(
            Options(output_dir="unused", report_to="none", use_cpu=True, bf16=False, **wrong), None, set()
        )


def test_rare_sets_are_drawn_more_often_where_that_is_asked_for(tmp_path):
    items = [item(tmp_path / f"{n}.png", "L5 vertebra") for n in range(20)]
    items = [
        Target(one.sample | {"dataset": "rare" if n < 2 else "common"}, one.image, one.wh, one.coverage)
        for n, one in enumerate(items)
    ]

    def drawn(even: float) -> int:
        rows = make_rows(items, 30, 3, even, 0, lambda one, rng: {}).with_format(None)
        assert abs(len(rows) - 200) <= 20
        return sum(row["n"] < 2 for row in rows)

    assert (
        drawn(0.0) == pytest.approx(20, abs=2)
        and drawn(0.5) == pytest.approx(50, abs=2)
        and drawn(1.0) == pytest.approx(100, abs=2)
    )
