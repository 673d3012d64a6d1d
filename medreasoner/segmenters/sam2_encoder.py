"""SAM 2's image encoder on a processor, on the weights of transformers' `Sam2VisionModel`.

The maps are the model's own but for rounding; what differs is what is left out. Attention does not ask where
a token stands, so the tokens of a window lie one after the other through a whole stage, and are not brought
together and apart in each block. Windows at the image's edge are filled up with zeros in the model, which all
become the same key and value: here that is one token that counts as often as there are zeros.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import torch
from torch.nn.functional import interpolate, linear, scaled_dot_product_attention
from transformers import Sam2VisionModel

from medreasoner.segmenters.hiera_windows import Order, Windows

Linear = Callable[[torch.Tensor], torch.Tensor]
# given a block's number in its stage, the name of a linear layer in it and the layer: what takes its place
Put = Callable[[int, str, torch.nn.Module], Linear]


def can_encode(tower: Sam2VisionModel, pixels: torch.Tensor) -> bool:
    """Whether `Encoder(tower)` gives what `tower` gives of `pixels` (B, 3, H, W): without gradients, on the
    CPU, for images of the model's side, where each stage but the first pools 2 x 2 tokens inside windows. A
    tower whose `forward` was replaced (in training by a cache, by accelerate where weights are moved) is
    asked itself.
    """
    config = tower.config.backbone_config
    if isinstance(config.image_size, int) or isinstance(config.patch_stride, int):
        return False
    side, pooled = config.image_size[0] // config.patch_stride[0], len(config.blocks_per_stage) - 1
    grids = [side >> stage for stage in range(pooled)] + config.window_size_per_stage[:pooled]
    return (
        not torch.is_grad_enabled()
        and "forward" not in vars(tower)
        and pixels.device.type == "cpu"
        and tuple(pixels.shape[-2:]) == tuple(config.image_size) == (config.image_size[0],) * 2
        and config.num_query_pool_stages == pooled
        and config.query_stride == [2, 2]
        and all(length % 2 == 0 for length in grids)
        and (tower.config.fpn_kernel_size, tower.config.fpn_stride, tower.config.fpn_padding) == (1, 1, 0)
    )


class Encoder:
    """The encoder of `tower`, whose weights must not change while this is used.

    Args:
        tower: one that `can_encode` takes.
    """

    def __init__(self, tower: Sam2VisionModel) -> None:
        self._tower = tower
        config = tower.config.backbone_config
        side, last = config.image_size[0] // config.patch_stride[0], len(config.blocks_per_stage) - 1
        self._orders = [
            Order(side >> number, window, number < last)
            for number, window in enumerate(config.window_size_per_stage)
        ]
        ends = [0, *(end + 1 for end in tower.backbone.stage_ends)]
        self._stages = [tower.backbone.blocks[begin:end] for begin, end in pairwise(ends)]
        self._pooled = [order.after_pooling(after) for order, after in pairwise(self._orders)]
        with torch.no_grad():
            self._embedded = self._orders[0].of_map(tower.backbone._get_pos_embed((side, side)))

    def __call__(self, pixels: torch.Tensor) -> tuple[tuple[torch.Tensor, ...], list[torch.Tensor]]:
        """(the maps for a mask decoder, finest first, (B, 256, S, S); the map after each stage (B, S, S, C)).

        Args:
            pixels: (B, 3, H, W) of the side that the model is made for.
        """
        pixels = pixels.contiguous(memory_format=torch.channels_last)  # so that a token's values lie together
        tokens = self._orders[0].of_map(self._tower.backbone.patch_embed(pixels))
        tokens = tokens + self._embedded.to(tokens.dtype)
        ends = []
        for number, order in enumerate(self._orders):
            tokens = self._stage(number, tokens, lambda _, name, layer: layer)
            ends.append(order.to_map(tokens))
        return self._maps(ends), ends

    def last_stage(self, image: torch.Tensor, put: Put) -> torch.Tensor:
        """The map after the last stage, of the map before it, both (B, S, S, C).

        Args:
            put: see `Put`.
        """
        before, last = self._orders[-2:]
        return last.to_map(self._stage(len(self._orders) - 1, before.of_map(image), put))

    def _stage(self, number: int, tokens: torch.Tensor, put: Put) -> torch.Tensor:
        for n, block in enumerate(self._stages[number]):
            order = self._orders[number - 1 if block.query_stride else number]
            parts = order.parts if block.window_size else [[Windows(1, tokens.shape[1])]]
            tokens = _block(block, tokens, parts, partial(put, n))
            if block.query_stride:
                tokens = tokens[:, self._pooled[number - 1]]
        return tokens

    def _maps(self, ends: Sequence[torch.Tensor]) -> tuple[torch.Tensor, ...]:
        """As `Sam2VisionNeck`, but for its position maps."""
        neck, maps = self._tower.neck, []
        for level, (image, conv) in enumerate(zip(reversed(ends), neck.convs, strict=True)):
            found = linear(image, conv.weight[:, :, 0, 0], conv.bias).permute(0, 3, 1, 2)
            if level and len(ends) - 1 - level in neck.fpn_top_down_levels:
                found = found + interpolate(maps[-1], scale_factor=2.0, mode="nearest")
            maps.append(found)
        return tuple(maps[-self._tower.num_feature_levels :][::-1])


def _block(
    block: torch.nn.Module,
    tokens: torch.Tensor,
    parts: Sequence[Sequence[Windows]],
    put: Callable[[str, torch.nn.Module], Linear],
) -> torch.Tensor:
    """Tokens (B, N, C) after a block; one that pools leaves a quarter of them."""
    attention, feed = block.attn, block.mlp
    into, out = put("attn.qkv", attention.qkv), put("attn.proj", attention.proj)
    wide, narrow = put("mlp.proj_in", feed.proj_in), put("mlp.proj_out", feed.proj_out)
    past = put("proj", block.proj) if block.dim != block.dim_out else None
    pools = block.query_stride is not None
    zero = into(tokens.new_zeros(1, 1, tokens.shape[-1]))
    found = []
    for part, windows in zip(tokens.split([sum(map(len, each)) for each in parts], 1), parts, strict=True):
        normed = block.layer_norm1(part)
        qkv = into(normed).split([len(each) for each in windows], 1)
        read = [
            _attended(some, zero, attention.num_attention_heads, each, pools)
            for some, each in zip(qkv, windows, strict=True)
        ]
        if past is not None:
            part = past(normed).unflatten(1, (-1, 4)).amax(2) if pools else past(normed)
        part = part + out(torch.cat(read, 1))
        found.append(part + narrow(feed.activation(wide(block.layer_norm2(part)))))
    return torch.cat(found, 1)


def _attended(
    qkv: torch.Tensor, zero: torch.Tensor, heads: int, windows: Windows, pools: bool
) -> torch.Tensor:
    """What the tokens of some of these windows read of each other, (B, n, C).

    Args:
        qkv: their queries, keys and values, (B, n, 3 * C); those of a zero (1, 1, 3 * C).
    """
    query, key, value = qkv.reshape(-1, windows.tokens, 3, heads, qkv.shape[-1] // heads // 3).permute(
        2, 0, 3, 1, 4
    )
    mask = None
    if windows.zeros:
        _, zero_key, zero_value = zero.view(3, 1, heads, 1, -1)
        key = torch.cat([key, zero_key.expand(len(key), -1, -1, -1)], 2)
        value = torch.cat([value, zero_value.expand(len(value), -1, -1, -1)], 2)
        mask = qkv.new_zeros(1, 1, 1, windows.tokens + 1)
        mask[..., -1] = math.log(windows.zeros)
    if pools:
        query = query.unflatten(2, (-1, 4)).amax(3)
    read = scaled_dot_product_attention(query, key, value, attn_mask=mask)
    return read.transpose(1, 2).reshape(len(qkv), -1, qkv.shape[-1] // 3)
