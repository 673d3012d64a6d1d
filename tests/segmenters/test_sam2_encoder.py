"""The encoder for a processor gives the maps of transformers' own."""

import pytest
import torch
from transformers import Sam2VisionConfig, Sam2VisionModel

from medreasoner.segmenters.sam2_encoder import Encoder, can_encode

SMALL = {
    "model_type": "sam2_hiera_det_model",
    "hidden_size": 16,
    "embed_dim_per_stage": [16, 32, 64, 128],
    "blocks_per_stage": [1, 2, 3, 2],
    "num_attention_heads_per_stage": [1, 2, 4, 8],
    "global_attention_blocks": [4],
}
# side of the image; windows: those of hiera-tiny, which do not fit its last two stages, and of hiera-large
CASES = [(512, [8, 4, 14, 7], 2), (512, [8, 4, 16, 8], 1), (256, [8, 4, 14, 7], 1)]


def tower(side: int = 512, windows: tuple[int, ...] = (8, 4, 14, 7), **backbone: object) -> Sam2VisionModel:
    torch.manual_seed(0)
    config = Sam2VisionConfig(
        backbone_config=SMALL
        | {"image_size": [side, side], "window_size_per_stage": list(windows)}
        | backbone,
        backbone_channel_list=[128, 64, 32, 16],
        backbone_feature_sizes=[[side >> 2] * 2, [side >> 3] * 2, [side >> 4] * 2],
        fpn_hidden_size=32,
    )
    made = Sam2VisionModel(config).eval()
    for weight in made.parameters():  # biases and places are zero at first, and would not be missed
        weight.data += 0.1 * torch.randn_like(weight)
    return made


def pixels(side: int = 512, count: int = 1) -> torch.Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("side", "windows", "count"), CASES)
@torch.no_grad()
def test_maps_and_stages_are_those_of_the_stock_encoder(side, windows, count):
    model, image = tower(side, windows), pixels(side, count)
    assert can_encode(model, image)
    stock = model(image, return_dict=True)
    stages = model.backbone(image, return_dict=True).intermediate_hidden_states
    maps, ends = Encoder(model)(image)
    for found, wanted in zip((*maps, *ends), (*stock.fpn_hidden_states, *stages), strict=True):
        assert found.shape == wanted.shape
        torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-3 * float(wanted.std()))


@torch.no_grad()
def test_layers_may_be_put_in_place_of_those_of_the_last_stage():
    model = tower()
    encoder = Encoder(model)
    _, (*_, before, last) = encoder(pixels())
    same = encoder.last_stage(before, lambda block, name, layer: layer)
    torch.testing.assert_close(same, last)
    asked = []

    def put(block: int, name: str, layer: torch.nn.Module):
        asked.append((block, name))
        return lambda states: layer(states) + (block == 1 and name == "mlp.proj_out")

    torch.testing.assert_close(encoder.last_stage(before, put), last + 1)
    layers = ["attn.qkv", "attn.proj", "mlp.proj_in", "mlp.proj_out"]
    assert sorted(asked) == sorted([(0, "proj"), *((block, name) for block in (0, 1) for name in layers)])


@torch.no_grad()
def test_what_it_does_not_know_is_left_to_the_model_itself():
    assert not can_encode(tower(), pixels(256))
    assert not can_encode(tower(windows=(8, 4, 7, 7)), pixels())
    assert not can_encode(tower(num_query_pool_stages=2), pixels())
    assert not can_encode(tower(patch_stride=4), pixels())
    replaced = tower()
    replaced.forward = replaced.forward
    assert not can_encode(replaced, pixels())
    with torch.enable_grad():
        assert not can_encode(tower(), pixels())
