"""`train/embedded/mask_weights.py`: means of tuned weights, and weights between tuned and untuned."""

import torch
from safetensors.torch import save_file

from train.embedded.mask_weights import interpolate, mean_of


def test_tuned_weights_are_drawn_back_towards_the_untuned_ones():
    layer = torch.nn.Linear(2, 2)
    untuned = {name: torch.zeros_like(value) for name, value in layer.state_dict().items()}
    torch.nn.init.constant_(layer.weight, 4.0)
    torch.nn.init.constant_(layer.bias, 2.0)
    interpolate(layer, untuned, 0.75, "^bias$")
    assert torch.equal(layer.weight, torch.full((2, 2), 3.0)) and torch.equal(
        layer.bias, torch.full((2,), 2.0)
    )
    interpolate(layer, untuned, 1.0, "^$")
    assert torch.equal(layer.weight, torch.full((2, 2), 3.0))


def test_the_mean_of_segmenters_leaves_fixed_weights_as_in_the_first(tmp_path):
    for n in (1.0, 2.0):
        (tmp_path / str(n)).mkdir()
        save_file(
            {"a.mlp": torch.tensor([n]).half(), "b": torch.tensor([n]).half()},
            tmp_path / str(n) / "model.safetensors",
        )
    mean = mean_of([tmp_path / "1.0", tmp_path / "2.0"], r"\.mlp$")
    assert mean["a.mlp"].item() == 1.0 and mean["b"].item() == 1.5 and mean["b"].dtype == torch.float32
