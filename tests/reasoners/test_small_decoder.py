"""The decoding loop gives the scores of transformers' `generate`, ends where it ends, and leaves to it what it
does not do itself."""

import pytest
import torch

from medreasoner.manifest import EMBEDDED_FOLDER
from medreasoner.reasoners.registry import load_reasoner
from medreasoner.reasoners.small_decoder import SmallDecoder, fits
from tests import tiny, tiny_medreasoner
from tests.reasoners.small_models import picture


@pytest.fixture(scope="module", params=["shipped", "medreasoner"])
def asked(request, tmp_path_factory) -> tuple:
    """(model, inputs) of the shipped weights and of the other architecture, which may write 12 tokens."""
    folder = EMBEDDED_FOLDER
    if request.param == "medreasoner":
        folder = tiny_medreasoner.folder(tmp_path_factory.mktemp("model") / "folder")
    reasoner = load_reasoner(folder, device="cpu")
    settings = reasoner._model.generation_config
    settings.max_new_tokens, settings.eos_token_id = 12, -1  # random weights may write any token
    return reasoner._model, reasoner._inputs(reasoner.encode(picture()), "Where is it?", True)


def written(model, inputs, temperature=None, until=lambda tokens: False) -> tuple[list[int], torch.Tensor]:
    tokens, scores = [], []

    def heard(token, score):
        tokens.append(int(token))
        scores.append(score.clone())
        return until(tokens)

    SmallDecoder(model).write(inputs, heard, temperature)
    return tokens, torch.cat(scores)


def test_every_token_is_chosen_by_the_scores_that_the_model_gives_the_whole_text(asked):
    model, inputs = asked
    tokens, scores = written(model, inputs)
    assert len(tokens) == 12
    ids = torch.cat([inputs["input_ids"], torch.tensor([tokens])], 1)
    whole = {**inputs, "input_ids": ids, "attention_mask": torch.ones_like(ids)}
    with torch.no_grad():
        expected = model(**whole).logits[0, -len(tokens) - 1 : -1]
    may = expected.isfinite()  # only one token may begin the shipped model's answer
    assert torch.equal(scores.isfinite(), may)
    assert torch.allclose(scores[may], expected[may], atol=1e-3 * float(expected[may].abs().max()))
    assert tokens == scores.argmax(-1).tolist()


def test_it_ends_when_told_with_the_end_token_and_at_the_limit(asked):
    model, inputs = asked
    tokens, _ = written(model, inputs)
    assert written(model, inputs, until=lambda so_far: len(so_far) == 2)[0] == tokens[:2]
    settings = model.generation_config
    limit, end = settings.max_new_tokens, settings.eos_token_id
    try:
        settings.max_new_tokens = 3
        assert written(model, inputs)[0] == tokens[:3]
        settings.eos_token_id = [tokens[1]]
        assert written(model, inputs)[0] == tokens[: tokens.index(tokens[1]) + 1]
    finally:
        settings.max_new_tokens, settings.eos_token_id = limit, end


def test_a_sample_is_drawn_in_proportion_to_the_probabilities(asked):
    model, inputs = asked

    def second(temperature: float | None) -> int:  # only one token may begin the shipped model's answer
        return written(model, inputs, temperature, until=lambda so_far: len(so_far) == 2)[0][1]

    torch.manual_seed(0)
    assert {second(1e-3) for _ in range(3)} == {second(None)}
    assert len({second(50.0) for _ in range(8)}) > 1


def test_after_the_token_that_begins_a_place_both_loops_write_a_number(asked, monkeypatch):
    model, inputs = asked
    monkeypatch.setattr(model, "presence_head", None)  # of noise it says that nothing is asked for
    begun, place = written(model, inputs, until=bool)[0], model.config.place_token_id
    try:
        model.config.place_token_id = begun[0]
        tokens, _ = written(model, inputs, until=lambda so_far: len(so_far) == 2)
        generated = model.generate(**inputs, max_new_tokens=2, do_sample=False)[0, -2:].tolist()
    finally:
        model.config.place_token_id = place
    assert tokens == generated and tokens[0] == begun[0] and tokens[1] in model.config.number_token_ids


def test_what_it_does_not_do_is_left_to_generate(asked, tmp_path):
    model, _ = asked
    assert fits(model) and not fits(load_reasoner(tiny.embedded(tmp_path / "llama"), device="cpu")._model)
    model.generation_config.repetition_penalty = 1.1
    try:
        assert not fits(model)
    finally:
        model.generation_config.repetition_penalty = None
