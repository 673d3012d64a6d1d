"""A prompt's beginning that was read before the question changes nothing but the time."""

import pytest
import torch

from medreasoner.manifest import EMBEDDED_FOLDER
from medreasoner.reasoners.prefix import read_prefix
from medreasoner.reasoners.registry import load_reasoner
from tests import tiny, tiny_medreasoner
from tests.reasoners.small_models import QUESTION, picture


@torch.no_grad()
def next_token(model, inputs: dict) -> torch.Tensor:
    """(V,) logits of the first token that `generate` writes."""
    options = {"max_new_tokens": 1, "return_dict_in_generate": True, "output_logits": True}
    return model.generate(**inputs, **options).logits[0][0]


def test_the_next_token_is_as_likely_as_without_it_whatever_is_asked(load):
    reasoner = load("embedded")
    encoded = reasoner.encode(picture())
    reasoner.prepare(encoded)
    reads = []
    hook = reasoner._model.model.language_model.register_forward_pre_hook(
        lambda _, args, given: reads.append(given["inputs_embeds"].shape[1]), with_kwargs=True
    )
    for question, think in ((QUESTION, True), ("Where?", True), (QUESTION, False)):
        inputs = reasoner._inputs(encoded, question, think)
        assert encoded.prefix.begins(inputs["input_ids"])
        whole = next_token(reasoner._model, inputs)
        rest = next_token(reasoner._model, encoded.prefix.continued(inputs))
        torch.testing.assert_close(rest, whole, atol=1e-4, rtol=1e-4)
        before, after = reads[-2:]
        assert after == before - encoded.prefix.ids.shape[1], "the image is read once"
    hook.remove()


def test_another_beginning_is_read_anew(load):
    reasoner = load("embedded")
    encoded = reasoner.encode(picture())
    reasoner.prepare(encoded)
    ids = reasoner._inputs(encoded, QUESTION, think=True)["input_ids"].clone()
    ids[0, 0] += 1
    assert not encoded.prefix.begins(ids)
    assert not encoded.prefix.begins(encoded.prefix.ids), "nothing is left to read"


def test_the_stream_says_the_same_and_again_for_a_second_question(load):
    reasoner = load("embedded_script")
    encoded = reasoner.encode(picture())
    reasoner.prepare(encoded)
    for think in (True, False, True):
        assert "".join(reasoner.stream(encoded, QUESTION, think)) == tiny.SCRIPT
    (batched,) = reasoner.answer_batch([encoded], [QUESTION])
    assert batched.text == tiny.SCRIPT


def test_the_question_is_still_heard_by_the_sentence_encoder():
    """The embedded architecture finds the question after the image's last token, which is why that is read
    with it."""
    model = tiny_medreasoner.model().eval()
    text = "<|im_start|>user\n{image}where is the kidney?<|im_end|>\n<|im_start|>assistant\n"
    tokenizer = tiny_medreasoner.tokenizer()
    ids = tokenizer(
        text.format(image="<image>" * 256), add_special_tokens=False, return_tensors="pt"
    ).input_ids
    pixels = torch.rand(1, 3, 512, 512, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        (tokens,) = model.get_image_features(pixels, return_dict=True).pooler_output
    prefix = read_prefix(model, ids, tokens)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    whole = next_token(model, {**inputs, "pixel_values": pixels})
    rest = next_token(model, prefix.continued(inputs))
    torch.testing.assert_close(rest, whole, atol=1e-4, rtol=1e-4)


def test_the_shipped_model_writes_the_same_with_it():
    """Through the decoding loop of small_decoder.py, which goes on after what was read."""
    reasoner = load_reasoner(EMBEDDED_FOLDER, device="cpu")
    plain, prepared = reasoner.encode(picture()), reasoner.encode(picture())
    reasoner.prepare(prepared)
    scores = []
    for encoded in (plain, prepared):
        inputs = reasoner._inputs(encoded, QUESTION, think=True)
        inputs = encoded.prefix.continued(inputs) if encoded.prefix else inputs
        heard = []
        reasoner._runs.decoder.write(
            inputs, lambda _, each, heard=heard: heard.append(each.clone()) or len(heard) == 4
        )
        scores.append(torch.cat(heard))
    torch.testing.assert_close(scores[1], scores[0], atol=1e-3, rtol=1e-3)


def test_a_model_whose_image_tokens_are_not_known_is_left_alone(load):
    reasoner = load("qwen2_5_vl")
    encoded = reasoner.encode(picture())
    reasoner.prepare(encoded)
    assert encoded.prefix is None


@pytest.mark.parametrize("tokens", [torch.zeros(3, 16), torch.zeros(1, 16)])
def test_a_prompt_without_those_tokens_has_no_beginning(load, tokens):
    reasoner = load("embedded")
    ids = reasoner._inputs(reasoner.encode(picture()), QUESTION, think=True)["input_ids"]
    assert read_prefix(reasoner._model, ids, tokens) is None
