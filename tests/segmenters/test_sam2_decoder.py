"""Prompts in one image, decoded together, give the masks that the stock decoder gives."""

import pytest
import torch
from transformers import Sam2Model

from medreasoner.segmenters.sam2_decoder import AT_ONCE, can_decode, decode_many
from medreasoner.segmenters.sam2_model import decode
from tests.tiny import sam2_config

COUNT = AT_ONCE + 2  # prompts, more than are decoded at once


@pytest.fixture(scope="module")
def model() -> Sam2Model:
    torch.manual_seed(0)
    made = Sam2Model(sam2_config()).eval()
    for weight in made.parameters():  # biases are zero at first, and one that is left out would not be seen
        weight.data += 0.1 * torch.randn_like(weight)
    return made


@pytest.fixture(scope="module")
def maps() -> list[torch.Tensor]:
    shapes = (1, 4, 128, 128), (1, 8, 64, 64), (1, 32, 32, 32)
    return [torch.randn(shape, generator=torch.Generator().manual_seed(1)) for shape in shapes]


def prompts(boxes: bool, points: bool) -> dict[str, torch.Tensor]:
    drawn = torch.Generator().manual_seed(2)
    corners = torch.rand(COUNT, 1, 2, 2, generator=drawn).sort(2).values * 512
    asked = {"input_boxes": corners.flatten(2)} if boxes else {}
    if points:
        asked["input_points"] = torch.rand(COUNT, 1, 3, 2, generator=drawn) * 512
        asked["input_labels"] = torch.tensor([[[1, 1, 0]]], dtype=torch.int).repeat(COUNT, 1, 1)
    return asked


# each value of every option beside each of another: boxes, points, passes, multimask, masks that are given
CASES = [
    (True, True, 2, False, 0),
    (True, True, 1, True, COUNT),
    (True, False, 1, False, 1),
    (True, False, 2, True, 0),
    (False, True, 1, True, 0),
    (False, True, 2, False, COUNT),
]


@pytest.mark.parametrize(("boxes", "points", "passes", "multimask", "given"), CASES)
@torch.no_grad()
def test_masks_and_scores_are_those_of_the_stock_decoder(
    model, maps, boxes, points, passes, multimask, given
):
    asked = prompts(boxes, points)
    mask = torch.randn(given, 1, 128, 128, generator=torch.Generator().manual_seed(3)) if given else None
    repeated = mask if mask is None else mask.expand(COUNT, -1, -1, -1)
    many = [one.expand(COUNT, -1, -1, -1) for one in maps]
    logits, scores = decode(model, many, passes, multimask, repeated, **asked)
    found, each = decode_many(model, maps, passes, multimask, mask, **asked)
    assert found.shape == (COUNT, 1, 128, 128)
    assert torch.allclose(each, scores, atol=1e-4)
    assert torch.allclose(found, logits, atol=1e-3 * float(logits.abs().max()))
    assert float(logits.std()) > 0.01  # there was something to compare


def test_a_decoder_that_may_replace_a_single_mask_is_left_to_transformers(model):
    assert can_decode(model, False)
    model.mask_decoder.dynamic_multimask_via_stability = True
    try:
        assert can_decode(model, True) and not can_decode(model, False)
    finally:
        model.mask_decoder.dynamic_multimask_via_stability = False
