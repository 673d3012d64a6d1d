"""The embedded reasoner's image projector: image tokens from the third stage of SAM 2's encoder, through its
last stage with low-rank updates.
"""

from collections.abc import Callable
from copy import deepcopy

import torch
from torch import nn
from torch.func import functional_call
from torch.nn.functional import linear
from transformers.activations import ACT2FN
from transformers.models.llava.configuration_llava import LlavaConfig

STAGE_3 = 10  # index of the tower's hidden state after its third stage: (B, 32, 32, 384) at 512 pixels


class ImageProjector(nn.Module):
    """The tower's stage-3 map (B, 32, 32, 384) -> image tokens (B, 256, H), through the tower's own last
    blocks with updated weights.
    """

    def __init__(self, config: LlavaConfig) -> None:
        super().__init__()
        width, hidden = (
            config.vision_config.backbone_config.embed_dim_per_stage[-2:],
            config.text_config.hidden_size,
        )
        self.rank = config.adapter_rank
        self.down, self.up = nn.ParameterDict(), nn.ParameterDict()
        for name, (out, into) in _last_stage(width, config.vision_config.backbone_config.mlp_ratio).items():
            self.down[name] = nn.Parameter(torch.empty(self.rank, into))
            # zero: the last stage starts as the tower's
            self.up[name] = nn.Parameter(torch.zeros(out, self.rank))
        self.linear_1 = nn.Linear(width[1], hidden)
        self.act = ACT2FN[config.projector_hidden_act]
        self.linear_2 = nn.Linear(hidden, hidden)
        self.fine = nn.Conv2d(width[0], hidden, kernel_size=2, stride=2)

    def forward(
        self, stage_3: torch.Tensor, blocks: nn.ModuleList, last: torch.Tensor | None = None
    ) -> torch.Tensor:
        """`blocks`: the tower's blocks after its third stage; `last`: what `last_stage` made of `stage_3`,
        where it was computed before."""
        states = self.last_stage(stage_3, blocks) if last is None else last
        coarse = self.linear_2(self.act(self.linear_1(states))).flatten(1, 2)
        return coarse + self.fine(stage_3.permute(0, 3, 1, 2)).flatten(2).transpose(1, 2)

    def updated(self, block: int, name: str, layer: nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
        """The linear layer `name` of block number `block` of the last stage, with its update."""
        key = f"{block}_{name.replace('.', '-')}"

        def apply(states: torch.Tensor) -> torch.Tensor:
            out = layer(states)
            out.flatten(0, -2).addmm_(linear(states, self.down[key]).flatten(0, -2), self.up[key].t())
            return out

        return apply

    def last_stage(self, stage_3: torch.Tensor, blocks: nn.ModuleList) -> torch.Tensor:
        """The map (B, 16, 16, 768) after `blocks`, whose own weights are not changed."""
        states = stage_3
        for number, block in enumerate(blocks):
            updated = {
                f"{name}.weight": block.get_parameter(f"{name}.weight") + self.up[key] @ self.down[key]
                for key in self.down
                if (name := _parameter_of(key, number))
            }
            states = functional_call(_with_same_weights(block), updated, (states,))
        return states


def _with_same_weights(block: nn.Module) -> nn.Module:
    """A module of its own over the block's weights. `functional_call` swaps the weights of a module while it
    runs, and another thread may be in the shared one, for another visitor or for the segmenter."""
    return deepcopy(block, {id(tensor): tensor for tensor in (*block.parameters(), *block.buffers())})


def _last_stage(width: tuple[int, int], ratio: float) -> dict[str, tuple[int, int]]:
    """The linear layers of the last stage's two blocks: key -> (outputs, inputs).

    A key is "block_layer" with "-" for the dots.
    """
    before, after = width
    inner = int(after * ratio)
    layers = {"0_attn-qkv": (3 * after, before), "0_attn-proj": (after, after), "0_proj": (after, before)}
    layers |= {"1_attn-qkv": (3 * after, after), "1_attn-proj": (after, after)}
    for block in "01":
        layers |= {f"{block}_mlp-proj_in": (inner, after), f"{block}_mlp-proj_out": (after, inner)}
    return layers


def _parameter_of(key: str, block: int) -> str | None:
    """The layer's name in block number `block`, None where the key is another block's."""
    number, _, name = key.partition("_")
    return name.replace("-", ".") if number == str(block) else None
