"""`train/embedded/collator.py`: several conversations about one picture in one sequence, and nothing of one
reaches another.
"""

import re

import numpy as np
import pytest
import torch
from PIL import Image

from medreasoner.prompts import messages
from tests import tiny_medreasoner
from tests.train.embedded.targets_drawn import picture, target
from train.embedded.collator import SharedImageCollator
from train.embedded.endless_rows import Rows
from train.embedded.pictures import number_of
from train.embedded.token_masks import IGNORED, PREFIX, attention_mask, questions_of
from train.model_spec import ModelSpec, open_model_spec

SHAPE = (32, 32, tiny_medreasoner.WIDTHS[2])


class Maps:
    """Stands for `Stage3Cache`: a random map for every path."""

    def get(self, path: str) -> torch.Tensor:
        return torch.randn(SHAPE, generator=torch.Generator().manual_seed(len(path)))


@pytest.fixture(scope="module")
def spec(tmp_path_factory) -> ModelSpec:
    return open_model_spec(str(tiny_medreasoner.folder(tmp_path_factory.mktemp("model") / "start")))


@pytest.fixture(scope="module")
def rows(spec) -> list[dict]:
    """Four rows of two conversations; in at least one of them nothing is to be marked."""
    kidneys = (
        target("kidney", (20.0, 40.0, 60.0, 70.0), "right", "left"),
        target("kidney", (140.0, 40.0, 180.0, 70.0), "left", "right"),
    )
    pictures = [picture(*kidneys, dataset="ct_abdomen_btcv", path="a"), picture(target(), path="bb")]
    series = Rows(pictures, spec.prompt, spec.frame, turns=2)
    drawn = [series[n] for n in range(40)]
    present = [row for row in drawn if all(each["present"] for each in row["conversations"])]
    return [*present[:3], next(row for row in drawn if not row["conversations"][1]["present"])]


@pytest.fixture(scope="module")
def collate(spec) -> SharedImageCollator:
    ids = [spec.processor.tokenizer.convert_tokens_to_ids(str(n)) for n in range(256)]
    return SharedImageCollator(spec.processor, torch.tensor(ids), Maps())


def test_a_conversation_among_others_is_what_it_is_alone(spec, rows, collate):
    batch, model = collate(rows), tiny_medreasoner.model()
    given = {
        name: batch[name] for name in ("input_ids", "position_ids", "attention_mask", "stage_3", "questions")
    }
    with torch.no_grad():
        together = model(**given, use_cache=False).logits
    for number, one in enumerate(each for row in rows for each in row["conversations"]):
        row = number // 2
        chat = messages(one["prompt"], one["system"])
        chat[-1]["content"][0]["image"] = Image.fromarray(np.zeros((100, 200, 3), np.uint8))
        chat.append({"role": "assistant", "content": [{"type": "text", "text": one["completion"]}]})
        inputs = spec.processor.apply_chat_template(
            [chat], tokenize=True, return_dict=True, processor_kwargs={"return_tensors": "pt"}
        )
        inputs.pop("pixel_values")
        with torch.no_grad():
            alone = model(**inputs, stage_3=batch["stage_3"][row : row + 1], use_cache=False).logits[0]
        mine = batch["conversation"][row] == number
        count = int(mine.sum())
        assert torch.equal(batch["input_ids"][row][mine], inputs["input_ids"][0, -count:])
        assert torch.allclose(together[row][mine], alone[-count:], atol=1e-4)


def test_what_is_learnt_is_the_completion_and_its_places_are_the_coordinates(spec, rows, collate):
    batch, tokenizer = collate(rows), spec.processor.tokenizer
    for number, one in enumerate(each for row in rows for each in row["conversations"]):
        row, asked, written = (int(batch[name][number]) for name in ("row", "question_end", "answer_start"))
        mine = batch["conversation"][row] == number
        turn_end = int(batch["turn_end"][number])  # after the question's last word
        assert turn_end == int((batch["questions"][row] == number).nonzero()[-1]) + 1
        assert batch["input_ids"][row, turn_end] == tokenizer.eos_token_id
        learnt = batch["labels"][row][mine & (batch["labels"][row] != IGNORED)]
        assert tokenizer.decode(learnt).startswith(one["completion"]) and row == number // 2
        assert batch["labels"][row, asked] == IGNORED and batch["labels"][row, asked + 1] != IGNORED
        assert batch["input_ids"][row, written] == tokenizer.convert_tokens_to_ids("<answer>")
        assert int((batch["coordinates"][row][mine] >= 0).sum()) == (8 if one["present"] else 0)
    shown = {number_of("kidney"), number_of("colorectal polyp")}
    assert set(batch["asked"][batch["present"]].tolist()) == shown
    assert batch["present"].tolist() == [each["present"] for row in rows for each in row["conversations"]]
    assert (batch["labels"][batch["conversation"] == PREFIX] == IGNORED).all() and not batch["present"].all()


def test_the_words_of_a_question_are_marked_and_nothing_else(spec, rows, collate):
    batch, tokenizer = collate(rows), spec.processor.tokenizer
    for number, one in enumerate(each for row in rows for each in row["conversations"]):
        words = batch["input_ids"][batch["questions"] == number]
        assert tokenizer.decode(words).strip() == one["prompt"]


def test_only_numbers_of_the_answer_are_coordinates(spec, collate):
    ids = dict(
        zip("12345678", (spec.processor.tokenizer.convert_tokens_to_ids(n) for n in "12345678"), strict=True)
    )
    ids |= {"(": spec.processor.tokenizer.convert_tokens_to_ids("("), "<answer>": collate.answer}
    text = ["1", "(", "2", "<answer>", *"123", "(", *"45678"]
    found = collate._coordinates([ids[token] for token in text])
    assert found == [-1, -1, -1, -1, 0, 1, 2, -1, 3, 4, 5, 6, 7]


def test_the_map_of_a_row_is_that_of_its_view(rows, collate):
    windows = {row["view"].window for row in rows}
    batch = collate(rows)
    assert batch["stage_3"].shape == (4, *SHAPE) and len(windows) > 1
    for row, map_of_view in zip(rows, batch["stage_3"], strict=True):
        whole = row["view"].window == (0.0, 0.0, 1.0, 1.0) and not row["view"].mirrored
        assert torch.equal(map_of_view, Maps().get(row["image"])) == whole


def test_a_word_sees_its_own_conversation_and_the_picture():
    seen = attention_mask(torch.tensor([[PREFIX, PREFIX, 0, 0, 1, 1, -2]]))[0, 0]
    assert seen[5].tolist() == [True, True, False, False, True, True, False]
    assert seen[1].tolist() == [True, True, False, False, False, False, False]
    assert seen[3, 2] and not seen[2, 3]


def test_a_question_ends_where_its_turn_ends():
    ids = torch.tensor(
        [[9, 5, 6, 1, 8, 7, 1, 5, 1, 8, 7, 1]]
    )  # 1 closes a turn, 8 opens the answer, 7 is learnt
    labels = torch.tensor([[IGNORED] * 5 + [7, 1] + [IGNORED] * 3 + [7, 1]])
    conversation = torch.tensor([[PREFIX] + [0] * 6 + [1] * 5])
    assert questions_of(ids, labels, conversation, end=1).tolist() == [
        [-1, 0, 0, -1, -1, -1, -1, 1, -1, -1, -1, -1]
    ]


def test_the_words_that_decide_on_absence_are_the_first_and_those_around_the_first_clauses_end(
    spec, rows, collate
):
    batch, tokenizer = collate(rows), spec.processor.tokenizer
    for number, each in enumerate(one for row in rows for one in row["conversations"]):
        learnt = (batch["conversation"] == number) & (batch["labels"] != IGNORED)
        words = tokenizer.convert_ids_to_tokens(batch["labels"][learnt & batch["decides"]].tolist())
        if each["prompt"].endswith("only."):
            assert len(words) == 1 and each["completion"].startswith(f"<answer>{words[0][:8]}")
        else:
            first, end, after = (word.replace("Ġ", "") for word in words)
            text = each["completion"].removeprefix("<think>")
            assert text.startswith(first) and end in ".,"
            assert re.split(r"[.,]", text)[1].lstrip().startswith(after)
