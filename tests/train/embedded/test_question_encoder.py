"""`train/embedded/question_encoder.py`: the sentence encoder learns words, and the decoder hears as before."""

import random
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import AutoModelForImageTextToText

from medreasoner.data.taxonomy import categories
from tests import tiny_medreasoner
from train.embedded import question_encoder
from train.embedded.conversations import IMAGE_SIDES
from train.embedded.question_encoder import Hearing, Wording, heard, main, read, refit, wordings
from train.model_spec import open_model_spec


@pytest.fixture
def start(tmp_path) -> Path:
    return tiny_medreasoner.folder(tmp_path / "start")


def test_wordings_are_those_of_their_split_and_a_patients_left_is_on_the_images_right():
    taught, held = (wordings(held, random.Random(0)) for held in (False, True))
    assert not {each.text for each in taught} & {each.text for each in held}
    kidney = 1 + list(categories()).index("kidney")
    asked = {each for each in taught if each.target == kidney}
    assert {each.side for each in asked} == {0, 1, 2}
    for each in asked:
        words = each.text.lower().replace("'s", "").split()
        if each.side and "patient" in words and "left" in words:
            assert IMAGE_SIDES[each.side] == "right", each.text
        if each.side and "image" in words and "left" in words:
            assert IMAGE_SIDES[each.side] == "left", each.text
    assert all("{" not in each.text for each in taught + held)


def test_targets_of_other_modalities_do_not_count_where_the_modality_is_told():
    hearing = Hearing(8)
    names = list(categories())
    number, other = 1 + names.index("kidney"), 1 + names.index("colorectal polyp")
    assert hearing.same[number, number] and not hearing.same[number, other] and not hearing.same[number, 0]


def test_a_layer_that_is_fitted_again_says_what_it_said():
    torch.manual_seed(0)
    layer, before = nn.Linear(6, 4), torch.randn(400, 6)
    said = layer(before).detach()
    after = before @ torch.linalg.qr(torch.randn(6, 6))[0] * 2 + 3
    refit(layer, before, after)
    assert torch.allclose(layer(after), said, atol=0.1)


def test_a_taught_encoder_names_more_and_the_rest_of_the_model_stays(tmp_path, start, monkeypatch):
    names = ("liver", "kidney", "spleen")
    few = [Wording(f"{ask} the {name}", n) for n, name in enumerate(names, 1) for ask in ("Show", "Where is")]
    monkeypatch.setattr(question_encoder, "wordings", lambda held_back, rng: list(few))
    monkeypatch.setattr(random.Random, "sample", lambda self, population, k: list(population)[:k])
    shares = main(start, tmp_path / "taught", steps=400, seed=0)
    assert shares["target"] > 0.6  # a third by chance
    was, now = (
        AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).state_dict()
        for folder in (start, tmp_path / "taught")
    )
    changed = {name.split(".")[1] for name, value in now.items() if not torch.equal(was[name], value)}
    assert changed == {"question_encoder", "question_projector", "sentence_projector"}


def test_what_is_read_is_the_state_that_the_model_itself_uses(start):
    spec, model = open_model_spec(str(start)), tiny_medreasoner.model()
    words, whole = read(model.model, spec, ["Where is the liver?", "And?"], random.Random(0))
    assert words.shape[1] == whole.shape[1] and whole.shape[0] == 2 and len(words) > 4
    hearing = Hearing(whole.shape[1])
    assert set(heard(model.model, spec, hearing, random.Random(0))) == {
        "target", "target of its modality", "side"
    }  # fmt: skip
