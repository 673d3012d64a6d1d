"""`train/embedded/shared_attention.py`: the values and gradients of the dense mask, in less time."""

import pytest
import torch

from tests import tiny_medreasoner
from train.embedded.shared_attention import NAME, attend, spans_of
from train.embedded.token_masks import PAD, PREFIX, attention_mask

# two images of three tokens with two and three conversations of different lengths, and padding
CONVERSATION = torch.tensor(
    [
        [PREFIX] * 3 + [0] * 40 + [1] * 5 + [PAD] * 2,
        [PREFIX] * 3 + [2] * 4 + [3] * 39 + [4] * 4,
    ]
)


@pytest.fixture
def tensors() -> list[torch.Tensor]:
    torch.manual_seed(0)
    return [torch.randn(2, 4, CONVERSATION.shape[1], 8, requires_grad=True) for _ in range(3)]


def test_values_and_gradients_are_those_of_the_dense_mask(tensors):
    real = CONVERSATION != PAD
    dense = torch.nn.functional.scaled_dot_product_attention(*tensors, attn_mask=attention_mask(CONVERSATION))
    ours, _ = attend(None, *tensors, None, spans_of(CONVERSATION))
    dense = dense.transpose(1, 2)[real]
    assert torch.allclose(ours[real], dense, atol=1e-6)
    weights = torch.randn(dense.shape)
    wanted = torch.autograd.grad((dense * weights).sum(), tensors)
    got = torch.autograd.grad((ours[real] * weights).sum(), tensors)
    assert all(torch.allclose(one, other, atol=1e-5) for one, other in zip(got, wanted, strict=True))


def test_a_model_takes_it_by_name():
    model, spans = tiny_medreasoner.model(), spans_of(CONVERSATION)
    decoder = model.model.language_model
    embedded = torch.randn(*CONVERSATION.shape, decoder.config.hidden_size)
    given = {"inputs_embeds": embedded, "attention_mask": attention_mask(CONVERSATION), "use_cache": False}
    with torch.no_grad():
        dense = decoder(**given).last_hidden_state
        decoder.set_attn_implementation(NAME)
        ours = decoder(**given, spans=spans).last_hidden_state
    real = CONVERSATION != PAD
    assert torch.allclose(ours[real], dense[real], atol=1e-4)
