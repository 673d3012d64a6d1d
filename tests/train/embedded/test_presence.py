"""`train/embedded/presence.py`: the head is fitted on a real run of the model, and the folder it is written to
answers with it."""

import json
import random
import re

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoConfig, AutoTokenizer

from medreasoner import MedReasoner
from medreasoner.data.absence import NO_QUESTION
from medreasoner.manifest import EMBEDDED_FOLDER
from medreasoner.prompts import messages
from tests import tiny, tiny_medreasoner
from train.embedded import feature_cache, presence, presence_states
from train.embedded.feature_cache import STAGE_3_NAME, FeatureCache, content_key
from train.embedded.pack import pack
from train.embedded.pictures import load_pictures
from train.embedded.presence_questions import SHOWN, Asked, questions
from train.embedded.presence_states import collect, states_of
from train.embedded.stage_3_cache import Stage3Cache
from train.model_spec import open_model_spec


@pytest.fixture
def packed(tmp_path):
    tiny_medreasoner.folder(tmp_path / "crm")
    tiny.segmenter(tmp_path / "asm", own_encoder=False)
    for name in ("crm", "asm"):
        (tmp_path / name / "run.json").write_text("{}")
    pack(tmp_path / "crm", tmp_path / "asm", tmp_path / "packed")
    return tmp_path / "packed"


@pytest.fixture
def features(built_set, packed, tmp_path, monkeypatch):
    """A cache with random maps of all images, in the tiny tower's width."""
    width = tiny_medreasoner.WIDTHS[2]
    monkeypatch.setattr(feature_cache, "SHAPES", {STAGE_3_NAME: (32, 32, width)})
    cache = FeatureCache(tmp_path / "features", (STAGE_3_NAME,))
    processor = open_model_spec(str(packed)).processor
    for path in sorted((built_set / "images").glob("*.png")):
        pixels = processor.image_processor(Image.open(path).convert("RGB"), return_tensors="pt").pixel_values[
            0
        ]
        cache.append(content_key(pixels), {STAGE_3_NAME: torch.randn(32, 32, width)})
    return tmp_path / "features"


def test_questions_are_those_of_their_split(built_set):
    (picture, *_) = [each for each in load_pictures([built_set]) if each.targets]
    asked = {held: questions(picture, held, random.Random(0), 30, 60) for held in (False, True)}
    texts = {
        held: {each.question for each in some if each.kind == NO_QUESTION} for held, some in asked.items()
    }
    assert texts[False] and texts[True]
    for held, some in asked.items():
        shown = [each for each in some if each.kind == SHOWN]
        assert len(shown) == 30 and len(some) == 90 and {each.think for each in some} == {True, False}
        category = picture.targets[0].category
        wordings = category.held_back if held else category.questions
        words = {frozenset(text.lower().strip("?.").split()) for text in wordings}
        assert (
            sum(
                any(len(each - set(one.question.lower().replace("?", " ").split())) <= 3 for each in words)
                for one in shown
            )
            > 20
        )


def test_many_questions_in_one_sequence_are_read_as_each_alone(built_set, packed, features):
    spec = open_model_spec(str(packed))
    model = MedReasoner.from_pretrained(packed, device="cpu").reasoner._model
    maps, path = Stage3Cache([features]), str(built_set / "images" / "0.png")
    maps.index([path])
    asked = [Asked("Where is the polyp?", SHOWN, True), Asked("Hello", NO_QUESTION, False)]
    together = states_of(model, spec.processor, spec.prompt, maps, path, asked)
    assert together.shape == (2, 4, 32)
    for number, each in enumerate(asked):
        chat = messages(spec.prompt.text(each.question, each.think), spec.prompt.system)
        text = spec.processor.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
        text = text.replace("<image>", "<image>" * 256)
        ids = spec.processor.tokenizer(text, add_special_tokens=False, return_tensors="pt").input_ids
        with torch.no_grad():
            alone = model.model(input_ids=ids, stage_3=maps.get(path)[None], output_hidden_states=True)
        states = torch.stack([each[0, -1] for each in alone.hidden_states])
        assert torch.allclose(together[number], states, atol=1e-4)


def test_a_fitted_head_tells_what_it_was_fitted_on():
    torch.manual_seed(0)
    kinds = [SHOWN, NO_QUESTION] * 400
    states = torch.randn(800, 4, 16) * 3 + 5
    states[::2, 2, :4] += 6.0
    rule = presence.rule_of(tiny_medreasoner.tokenizer(), (2, 3), 8)
    states[1::2, 3, 0] += 20.0
    head = presence.fit(states, kinds, rule)
    odds = presence.log_odds(head, states)
    assert presence.report_messages(head, states.numpy(), kinds) == "100.0% of 400 told, 0.0% of the others"
    right = (odds > 0) == (np.array(kinds) == SHOWN)
    assert right.mean() > 0.9
    assert re.match(r"AUROC (0\.9|1\.0)", presence.report(odds, kinds))


def test_the_folder_answers_with_the_head_and_nothing_else_has_changed(
    built_set, packed, features, tmp_path, monkeypatch
):
    before = {path.name: path.read_bytes() for path in packed.glob("model-*.safetensors")}
    cases = sorted({each.case for each in load_pictures([built_set])})
    monkeypatch.setattr(presence_states, "held_back_cases", lambda given: frozenset(cases[:1]))
    monkeypatch.setattr(presence, "STEPS", 20)
    arguments = [
        packed,
        "--data",
        built_set,
        "--features",
        features,
        "--out",
        tmp_path / "states",
        "--refused",
        0.5,
    ]
    presence.main(list(map(str, arguments)))
    kinds = json.loads((tmp_path / "states" / "held_back.json").read_text())
    assert {SHOWN} < set(kinds)
    assert {path.name: path.read_bytes() for path in packed.glob("model-*.safetensors")} == before
    model = MedReasoner.from_pretrained(packed, device="cpu").reasoner._model
    assert model.presence_head.rule.layers == [0, 1, 2, 3]
    held = torch.from_numpy(np.load(tmp_path / "states" / "held_back.npy")).float()
    odds = presence.log_odds(model.presence_head, held)
    shown = odds[np.array(kinds) == SHOWN]
    assert (shown <= 0).mean() == pytest.approx(0.5, abs=0.2), "the share that was asked for is refused"
    again = collect(packed, [], [], True, tmp_path / "states" / "held_back.npy")
    assert np.array_equal(again[0], held.half().numpy())


def test_without_images_it_says_what_to_do(built_set, packed, tmp_path):
    with pytest.raises(SystemExit, match="run train.embedded.features on the sets first"):
        collect(packed, [built_set], [tmp_path / "none"], False, tmp_path / "x.npy")


def test_the_shipped_rule_is_the_one_that_the_command_writes():
    tokenizer = AutoTokenizer.from_pretrained(EMBEDDED_FOLDER)
    shipped = AutoConfig.from_pretrained(EMBEDDED_FOLDER).presence
    assert presence.rule_of(tokenizer, shipped["layers"], shipped["width"]).settings() == shipped
