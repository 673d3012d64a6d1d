"""`medreasoner/reasoners/embedded.py`: Auto classes load it, a question is heard alone, and the tower stays
what it was.
"""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from transformers import AutoConfig, AutoModelForImageTextToText

from medreasoner.reasoners.embedded import MedReasonerForConditionalGeneration
from medreasoner.reasoners.embedded_config import MedReasonerConfig
from medreasoner.reasoners.image_projector import STAGE_3
from tests import tiny_medreasoner
from train.embedded.features import stage_3_of


@pytest.fixture(scope="module")
def model() -> MedReasonerForConditionalGeneration:
    made = tiny_medreasoner.model()
    projector = made.model.multi_modal_projector
    with torch.no_grad():  # as after training: an eye of its own
        for matrix in (*projector.up.values(), projector.fine.weight):
            matrix.normal_(std=0.2)
    return made


@pytest.fixture(scope="module")
def pixels() -> torch.Tensor:
    return torch.rand(2, 3, 512, 512, generator=torch.Generator().manual_seed(0))


def ids_of(question: str) -> torch.Tensor:
    """(1, L) token ids of a whole prompt."""
    text = f"<|im_start|>user\n{'<image>' * 256}{question}<|im_end|>\n<|im_start|>assistant\n"
    return tiny_medreasoner.tokenizer()(text, add_special_tokens=False, return_tensors="pt").input_ids


@torch.no_grad()
def logits(model, ids: torch.Tensor, **given) -> torch.Tensor:
    return model(input_ids=ids, use_cache=False, **given).logits


def test_auto_classes_load_a_saved_model_without_remote_code(model, pixels, tmp_path):
    model.save_pretrained(tmp_path)
    assert type(AutoConfig.from_pretrained(tmp_path)) is MedReasonerConfig
    again = AutoModelForImageTextToText.from_pretrained(tmp_path).eval()
    assert type(again) is MedReasonerForConditionalGeneration
    ids = ids_of("where is the kidney?")
    assert torch.allclose(
        logits(again, ids, pixel_values=pixels[:1]), logits(model, ids, pixel_values=pixels[:1]), atol=1e-5
    )


def test_the_answer_begins_as_the_end_of_the_prompt_asks_for(model, pixels, monkeypatch):
    ids = ids_of("where is the kidney?")
    ending, longer = ids[0, -2:].tolist(), ids[0, -3:].tolist()
    free = logits(model, ids, pixel_values=pixels[:1])
    monkeypatch.setattr(model.config, "openings", [(longer, 5), (ending, 7)])
    for begun, first in ((ids, 5), (torch.cat([ids[:, :-3], ids[:, -3:] * 0 + ids[0, -1]], 1), None)):
        allowed = logits(model, begun, pixel_values=pixels[:1]).isfinite()
        assert allowed[0, :-1].all()
        assert allowed[0, -1].nonzero().flatten().tolist() == [first] or (first is None and allowed.all())
    monkeypatch.setattr(model.config, "openings", [([*longer[:1], 0, 0], 5), (ending, 7)])
    held = logits(model, ids, pixel_values=pixels[:1])
    assert held[0, -1].isfinite().nonzero().flatten().tolist() == [7]
    assert held[0, -1, 7] == free[0, -1, 7]
    model.train()
    assert logits(model, ids, pixel_values=pixels[:1]).isfinite().all()
    model.eval()


def test_once_a_place_has_begun_nothing_but_a_number_may_follow(model, pixels):
    tokenizer, numbers = tiny_medreasoner.tokenizer(), model.config.number_token_ids
    assert tokenizer.convert_ids_to_tokens(numbers) == [str(number) for number in range(256)]
    begun = tokenizer('{"bbox": [', add_special_tokens=False, return_tensors="pt").input_ids
    ids = torch.cat([ids_of("where is the kidney?"), begun, begun[:, :1] * 0 + numbers[7]], 1)
    allowed = logits(model, ids, pixel_values=pixels[:1]).isfinite()
    assert begun.shape == (1, 1) and allowed[0, -2].nonzero().flatten().tolist() == sorted(numbers)
    assert allowed[0, :-2].all() and allowed[0, -1].all()
    model.train()
    assert logits(model, ids, pixel_values=pixels[:1]).isfinite().all(), "the loss of a wrong token is finite"
    model.eval()


def test_threads_that_read_images_at_once_do_not_disturb_each_other(model, pixels):
    tower = model.model.vision_tower
    with torch.no_grad():
        stage_3 = tower(pixels[:1], output_hidden_states=True).hidden_states[STAGE_3]
        tokens, last = model.model.image_tokens(stage_3), tower(pixels[:1]).last_hidden_state

    @torch.no_grad()
    def read(number: int) -> bool:
        if number % 2:
            return torch.allclose(tower(pixels[:1]).last_hidden_state, last, atol=1e-5)
        return torch.allclose(model.model.image_tokens(stage_3), tokens, atol=1e-5)

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(read, range(40)))


def test_a_stored_map_stands_for_the_picture(model, pixels):
    tower = model.model.vision_tower
    with torch.no_grad():
        stage_3 = tower(pixels[:1], output_hidden_states=True).hidden_states[STAGE_3]
        assert torch.allclose(stage_3_of(tower, pixels[:1]), stage_3, atol=1e-5)
    ids = ids_of("where is the kidney?")
    by_pixels = logits(model, ids, pixel_values=pixels[:1])
    assert torch.allclose(logits(model, ids, stage_3=stage_3), by_pixels, atol=1e-5)
    assert not torch.allclose(logits(model, ids, stage_3=torch.zeros_like(stage_3)), by_pixels, atol=1e-3)


def test_before_training_the_eye_is_the_unchanged_tower(pixels):
    model = tiny_medreasoner.model().model
    with torch.no_grad():
        outputs = model.vision_tower(pixels, output_hidden_states=True)
        eye = model.multi_modal_projector
        plain = eye.linear_2(eye.act(eye.linear_1(outputs.last_hidden_state))).flatten(1, 2)
        assert torch.allclose(model.image_tokens(outputs.hidden_states[STAGE_3]), plain, atol=1e-5)


def test_training_moves_the_eye_and_never_the_tower(model, pixels):
    tower = {name: value.clone() for name, value in model.model.vision_tower.state_dict().items()}
    model.zero_grad()
    model.model.vision_tower.requires_grad_(False)
    model(input_ids=ids_of("where?"), pixel_values=pixels[:1]).logits.sum().backward()
    projector = model.model.multi_modal_projector
    assert all(matrix.grad.abs().sum() > 0 for matrix in (*projector.up.values(), projector.fine.weight))
    assert all(parameter.grad is None for parameter in model.model.vision_tower.parameters())
    for name, value in model.model.vision_tower.state_dict().items():
        assert torch.equal(value, tower[name]), name
    model.zero_grad()


def test_a_question_is_heard_alone_in_a_batch_with_padding(model, pixels):
    """A longer question beside it, and the padding that it brings, change nothing."""
    short, long = ids_of("which organ?"), ids_of("which organ on the left is the kidney of the left?")
    gap = long.shape[1] - short.shape[1]
    pad = tiny_medreasoner.tokenizer().pad_token_id
    both = torch.cat([torch.nn.functional.pad(short, (gap, 0), value=pad), long])
    mask = (torch.arange(both.shape[1]) >= torch.tensor([[gap], [0]])).long()
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    together = logits(model, both, pixel_values=pixels, attention_mask=mask, position_ids=positions)
    assert torch.allclose(together[:1, gap:], logits(model, short, pixel_values=pixels[:1]), atol=1e-4)
    assert torch.allclose(together[1:], logits(model, long, pixel_values=pixels[1:]), atol=1e-4)


def test_the_words_of_a_question_are_heard_and_its_order_too(model, pixels):
    def answer(question: str) -> torch.Tensor:
        return logits(model, ids_of(question), pixel_values=pixels[:1])[0, -1]

    first = answer("the left kidney is on the right")
    assert not torch.allclose(first, answer("the right kidney is on the left"), atol=1e-4)


def test_of_a_very_long_question_the_beginning_is_heard(model, pixels):
    longest = model.config.question_config.max_position_embeddings
    first = logits(model, ids_of("which organ? " * longest), pixel_values=pixels[:1])
    other = logits(model, ids_of("where is it? " * longest), pixel_values=pixels[:1])
    assert torch.isfinite(first).all() and not torch.allclose(first[0, -1], other[0, -1], atol=1e-4)


def test_generation_goes_on_from_its_cache_as_from_the_beginning(model, pixels):
    ids = ids_of("where is the kidney?")
    written = model.generate(
        input_ids=ids, pixel_values=pixels[:1], max_new_tokens=5, do_sample=False, min_new_tokens=5
    )
    assert written.shape[1] == ids.shape[1] + 5
    whole = logits(model, written[:, :-1], pixel_values=pixels[:1])[0, ids.shape[1] - 1 :]
    end = model.config.text_config.eos_token_id
    whole[:, end] = -torch.inf
    assert whole.argmax(-1).tolist() == written[0, ids.shape[1] :].tolist()


def test_questions_may_be_numbered_and_each_is_heard_by_itself(model):
    """Two questions in one row, as in training: each embedded as if it stood alone."""
    ids = tiny_medreasoner.tokenizer()(
        "which organ is the kidney<|im_end|>", add_special_tokens=False
    ).input_ids
    first, second = torch.tensor([ids]), torch.tensor([ids[::-1][1:] + ids[-1:]])
    both = torch.cat([first, second], 1)
    numbers = torch.full_like(both, -1)
    size = first.shape[1]
    numbers[0, : size - 1], numbers[0, size:-1] = 0, 1
    alone = [torch.where(torch.arange(size) < size - 1, 0, -1)[None]] * 2
    with torch.no_grad():
        together = model.model.embed(both, numbers)
        parts = [model.model.embed(each, number) for each, number in zip((first, second), alone, strict=True)]
    assert torch.allclose(together, torch.cat(parts, 1), atol=1e-5)
    plain = model.get_input_embeddings()(both)
    assert not torch.allclose(together[0, size - 1], plain[0, size - 1]), "the end of a question sums it up"
