"""Attention between a prompt's few tokens (T = 11) and an image's many places (P = 1024), as SAM 2's mask
decoder computes it between both, on the weights of transformers' `Sam2Attention`.

The projections of the places go to the tokens' side: (x Wq)(y Wk)' = x (y Wk Wq')', and likewise for the
values. In the first block, where the places are the same for all prompts but for what a mask adds to them,
they are projected once.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.functional import linear, scaled_dot_product_attention


@dataclass(frozen=True)
class Places:
    """An image's places (P, 256) and what is added to them for each prompt, which has few channels.

    Args:
        image: (P, 256), for all prompts alike.
        channels: (N, P, c), or None where nothing but a constant is added.
        weight, bias: (256, c) and (256,) that make of them what is added.
    """

    image: torch.Tensor
    channels: torch.Tensor | None
    weight: torch.Tensor | None
    bias: torch.Tensor

    def states(self) -> torch.Tensor:
        """(N, P, 256), or (1, P, 256) for all prompts."""
        if self.channels is None:
            return (self.image + self.bias)[None]
        return linear(self.channels, self.weight, self.bias).add_(self.image)

    def through(self, layer: nn.Linear, projected: torch.Tensor) -> torch.Tensor:
        """What `layer` makes of `states()`, given what it makes of the image (P, d)."""
        projected = projected + linear(self.bias, layer.weight)
        if self.channels is None:
            return projected[None]
        return linear(self.channels, layer.weight @ self.weight).add_(projected)


def read(
    attention: nn.Module, tokens: torch.Tensor, placed: torch.Tensor, states: torch.Tensor
) -> torch.Tensor:
    """What tokens (N, T, 256) read of the image: queries from them, keys from `placed`, values from
    `states`. The bias of the keys adds the same to all scores of a token, and so nothing."""
    count, length, width = tokens.shape
    heads = attention.num_attention_heads
    query = attention.q_proj(tokens).view(count, length, heads, -1) * attention.scaling
    into, out = (
        weight.view(heads, -1, width) for weight in (attention.k_proj.weight, attention.v_proj.weight)
    )
    query = torch.einsum("nthd,hdc->nthc", query, into).reshape(count, -1, width)
    shares = (query @ placed.mT).softmax(-1)
    seen = (shares @ states).view(count, length, heads, width)
    values = torch.einsum("nthc,hdc->nthd", seen, out).reshape(count, length, -1)
    return attention.o_proj(values + attention.v_proj.bias)


def read_projected(
    attention: nn.Module, tokens: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
) -> torch.Tensor:
    """As `read`, of keys and values (N or 1, P, d) that are projected already."""
    query, keys, values = (
        each.unflatten(-1, (attention.num_attention_heads, -1))
        .transpose(1, 2)
        .expand(len(tokens), -1, -1, -1)
        for each in (attention.q_proj(tokens), keys, values)
    )
    seen = scaled_dot_product_attention(query, keys, values)
    return attention.o_proj(seen.transpose(1, 2).flatten(2))


def asked(attention: nn.Module, tokens: torch.Tensor, placed: torch.Tensor) -> torch.Tensor:
    """Scores (N, heads, T, P) of places for tokens (N, T, 256): queries from `placed`, keys from tokens."""
    count, length, width = tokens.shape
    heads = attention.num_attention_heads
    keys = attention.k_proj(tokens).view(count, length, heads, -1) * attention.scaling
    constant = torch.einsum("nthd,hd->nht", keys, attention.q_proj.bias.view(heads, -1))
    keys = torch.einsum("nthd,hdc->nhtc", keys, attention.q_proj.weight.view(heads, -1, width))
    scores = keys.reshape(count, -1, width) @ placed.mT
    return scores.view(count, heads, length, -1).add_(constant[..., None])


def asked_projected(attention: nn.Module, tokens: torch.Tensor, queries: torch.Tensor) -> torch.Tensor:
    """As `asked`, of queries (N or 1, P, d) that are projected already."""
    heads = attention.num_attention_heads
    keys, queries = (
        each.unflatten(-1, (heads, -1)).transpose(1, 2)
        for each in (attention.k_proj(tokens) * attention.scaling, queries)
    )
    return keys @ queries.mT


def written(
    attention: nn.Module, scores: torch.Tensor, tokens: torch.Tensor, states: torch.Tensor
) -> torch.Tensor:
    """`states` (N or 1, P, 256) and what each place reads of the tokens (N, T, 256) by its scores (N, heads,
    T, P)."""
    count, length, width = tokens.shape
    heads = attention.num_attention_heads
    shares = scores.softmax(2).flatten(1, 2)
    values = attention.v_proj(tokens).view(count, length, heads, -1)
    # the shares of each head add up to one, so each brings its part of the bias
    values = torch.einsum("nthd,chd->nhtc", values, attention.o_proj.weight.view(width, heads, -1))
    values = (values + attention.o_proj.bias / heads).flatten(1, 2)
    return torch.baddbmm(states.expand(count, -1, -1), shares.mT, values)
