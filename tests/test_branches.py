"""Several conversations about one picture in one sequence: nothing of one reaches another, and counting along the spine."""

import copy
import random

import numpy as np
import pytest
import tiny
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText

from medreasoner.answer import messages, parse
from medreasoner.coordinates import mentions
from medreasoner.data.write import Measured
from medreasoner.geometry import EMBEDDED
from train.branches import PREFIX, Branches, visible
from train.counting import countable, counted
from train.muon import MuonAdamW, split
from train.rows import Item, cover_of, make_rows, turn
from train.subject import open_subject

BOXES = {"L5 vertebra": (80.0, 20.0, 120.0, 40.0), "L4 vertebra": (80.0, 50.0, 120.0, 70.0), "L4-L5 disc": (80.0, 40.0, 120.0, 50.0)}


def item(path, category: str) -> Item:
    mask = np.zeros((100, 200), bool)
    x1, y1, x2, y2 = map(int, BOXES[category])
    mask[y1:y2, x1:x2] = True
    measured = Measured("centre", "middle", "small", "wider than tall", "brighter than")
    points = [[(x1 + x2) / 2, (y1 + y2) / 2], [x1 + 4.0, y1 + 4.0]]
    sample = {"category": category, "measured": vars(measured), "box": list(BOXES[category]), "points": points, "dataset": "spine"}
    return Item(sample, str(path), (200, 100), cover_of(mask))


@pytest.fixture(scope="module")
def subject(tmp_path_factory):
    return open_subject(str(tiny.embedded(tmp_path_factory.mktemp("model") / "start", script=tiny.SCRIPT)))


@pytest.fixture(scope="module")
def rows(subject, tmp_path_factory):
    path = tmp_path_factory.mktemp("spine") / "spine.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (100, 200, 3), np.uint8)).save(path)
    items = [item(path, category) for category in ("L5 vertebra", "L4 vertebra", "L4-L5 disc")]
    lone = [item(path.with_name("cropped.png"), "L4 vertebra")]

    def make(one, rng, beside):
        return turn(one, subject.prompt, subject.frame, rng, beside=beside)

    return make_rows(items + lone, 6, 2, 0, make)


def collator(subject) -> Branches:
    ids = [subject.processor.tokenizer.convert_tokens_to_ids(str(n)) for n in range(10)]
    return Branches(subject.processor, torch.tensor(ids))


def test_a_conversation_among_others_is_what_it_is_alone(subject, rows):
    batch = collator(subject)([rows[0], rows[1]])
    model = AutoModelForImageTextToText.from_pretrained(subject.folder, dtype=torch.float32).eval()
    given = {name: batch[name] for name in ("input_ids", "position_ids", "attention_mask", "pixel_values")}
    with torch.no_grad():
        together = model(**given, use_cache=False).logits
    for number, one in enumerate([*rows[0]["turns"], *rows[1]["turns"]]):
        chat = messages(one["prompt"], one["system"])
        chat[-1]["content"][0]["image"] = rows[number // 2]["image"]
        chat.append({"role": "assistant", "content": [{"type": "text", "text": one["completion"]}]})
        inputs = subject.processor.apply_chat_template([chat], tokenize=True, return_dict=True, processor_kwargs={"return_tensors": "pt"})
        with torch.no_grad():
            alone = model(**inputs).logits[0]
        mine = batch["branch"][number // 2] == number
        count = int(mine.sum())
        assert torch.equal(batch["input_ids"][number // 2][mine], inputs["input_ids"][0, -count:])
        assert torch.allclose(together[number // 2][mine], alone[-count:], atol=1e-4)


def test_what_is_learnt_is_the_completion_and_its_places_are_the_coordinates(subject, rows):
    batch = collator(subject)([rows[0]])
    tok = subject.processor.tokenizer
    for number, one in enumerate(rows[0]["turns"]):
        mine = batch["branch"][0] == number
        learnt = batch["labels"][0][mine & (batch["labels"][0] != -100)]
        assert tok.decode(learnt).startswith(one["completion"])
        row, asked, written = (batch[name][number] for name in ("row", "asked", "written"))
        assert row == 0 and batch["labels"][0, asked] == -100 and batch["labels"][0, asked + 1] != -100
        assert batch["input_ids"][0, written] == tok.convert_tokens_to_ids("<answer>")
    assert (batch["labels"][batch["branch"] == PREFIX] == -100).all() and len(batch["box01"]) == 2


def test_the_place_of_a_number_is_its_coordinate(subject):
    collate = collator(subject)
    ids = {name: subject.processor.tokenizer.convert_tokens_to_ids(name) for name in "()12345678"} | {"<answer>": collate.answer}
    text = ["1", "(", "2", "3", ")", "4", "<answer>", *"12345678"]
    assert collate._places([ids[token] for token in text]) == [-1, -1, 4, 5, -1, -1, -1, *range(8)]


def test_a_word_sees_its_own_conversation_and_the_picture():
    seen = visible(torch.tensor([[PREFIX, PREFIX, 0, 0, 1, 1, -2]]))[0, 0]
    assert seen[5].tolist() == [True, True, False, False, True, True, False]
    assert seen[1].tolist() == [True, True, False, False, False, False, False] and seen[3, 2] and not seen[2, 3]


def test_all_targets_of_a_picture_take_turns_and_a_spine_without_its_lowest_level_is_left_out(rows):
    asked = [number for drawn in rows.with_format(None) for number in drawn["asked"]]
    assert {drawn["n"] for drawn in rows.with_format(None)} == {0}, "of the cropped picture nothing is asked"
    assert max(map(asked.count, range(3))) - min(map(asked.count, range(3))) <= 2
    assert all(len(row["turns"]) == 2 for row in rows)


def test_levels_are_counted_from_the_sacrum_in_the_models_frame():
    text = counted("L4 vertebra", BOXES, EMBEDDED, (200, 100))
    assert text == "Counting up from the sacrum: L5 at (128, 76), L4 at (128, 153)."
    points = [mention.point for mention in mentions(text, EMBEDDED, (200, 100))]
    assert np.allclose(points, [(100, 30), (100, 60)], atol=0.5), "what the page lights up is where the levels are"
    assert counted("L4-L5 disc", BOXES, EMBEDDED, (200, 100)) == "Counting up from the sacrum: L4-L5 at (128, 115)."
    assert counted("colorectal polyp", BOXES, EMBEDDED, (200, 100)) is None


def test_what_is_counted_needs_a_lowest_level():
    assert countable({"L5 vertebra", "L4 vertebra"}) and countable({"L5-S1 disc"}) and countable({"colorectal polyp"})
    assert not countable({"L4 vertebra", "spinal canal"})


def test_a_counted_answer_parses(subject, tmp_path):
    for seed in range(8):
        made = turn(item(tmp_path, "L4 vertebra"), subject.prompt, EMBEDDED, random.Random(seed), beside=BOXES)
        parsed = parse(made["completion"])
        assert parsed.reason is None and (parsed.think is None or "L5 at (128, 76), L4 at (128, 153)" in parsed.think)


def test_muon_takes_the_matrices_and_goes_on_from_its_state():
    def model():
        torch.manual_seed(0)
        inner = torch.nn.ModuleDict({"layers": torch.nn.Linear(6, 4)})
        return torch.nn.ModuleDict({"language_model": inner, "lm_head": torch.nn.Linear(4, 3)})

    def step(net, optimiser, seed):
        x = torch.randn(5, 6, generator=torch.Generator().manual_seed(seed))
        net["lm_head"](net["language_model"]["layers"](x)).pow(2).mean().backward()
        optimiser.step()
        optimiser.zero_grad()

    first = model()
    matrices, others = split(first)
    assert [tuple(p.shape) for p in matrices] == [(4, 6)] and len(others) == 3
    one = MuonAdamW(*split(first), lr=0.1, weight_decay=0.0, beta2=0.98)
    schedule = torch.optim.lr_scheduler.ConstantLR(one, factor=0.5, total_iters=10)
    step(first, one, 0)
    schedule.step()
    assert {group["lr"] for part in one.parts for group in part.param_groups} == {0.05}, "one schedule moves both"
    second = model()
    second.load_state_dict(first.state_dict())
    other = MuonAdamW(*split(second), lr=0.1, weight_decay=0.0, beta2=0.98)
    other.load_state_dict(copy.deepcopy(one.state_dict()))
    step(first, one, 1)
    step(second, other, 1)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(first["language_model"]["layers"].weight, model()["language_model"]["layers"].weight)
