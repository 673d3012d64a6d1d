"""Attention of sequences in which several conversations share one image, free of what the mask would hide.

A dense mask over a sequence of six conversations hides five sixths of what lies beyond the image, and masked
attention computes it all the same: a third of a training step. Here every conversation is a batch element of
its own whose keys are those of the image and its own. The values are those of the dense mask (a test).
"""

from dataclasses import dataclass

import torch
from transformers import AttentionInterface

from train.embedded.token_masks import PREFIX

NAME = "shared_image"  # of this attention in transformers' registry
STEP = 32  # conversations whose lengths round up to the same multiple are computed together


@dataclass(frozen=True)
class Group:
    """Conversations of about the same length.

    Args:
        rows: (N,) int, the sequence of each.
        places: (N, M) int, row * L + column of each of its tokens; padded at the end by its first token.
    """

    rows: torch.Tensor
    places: torch.Tensor


@dataclass(frozen=True)
class Spans:
    """Where the conversations of a batch (B, L) stand.

    Args:
        prefix: tokens of the image and what stands before it, the same number in every sequence.
        back: (B * L,) int, for every token its row in the outputs of the prefixes, then of each group; those
            of padding are arbitrary.
    """

    prefix: int
    groups: tuple[Group, ...]
    back: torch.Tensor


def spans_of(conversation: torch.Tensor) -> Spans:
    """The spans of a batch of `SharedImageCollator`, from its `conversation` (B, L)."""
    batch, length = conversation.shape
    prefix = int((conversation[0] == PREFIX).sum())
    flat = conversation.flatten()
    places = [(flat == number).nonzero()[:, 0] for number in range(int(flat.max()) + 1)]
    back = torch.zeros(batch * length, dtype=torch.long)
    image = torch.arange(batch)[:, None] * length + torch.arange(prefix)
    back[image.flatten()] = torch.arange(batch * prefix)
    taken, groups = batch * prefix, []
    for size in sorted({-(-len(each) // STEP) for each in places}):
        members = [each for each in places if -(-len(each) // STEP) == size]
        longest = max(map(len, members))
        padded = torch.stack([torch.cat([each, each[:1].expand(longest - len(each))]) for each in members])
        for number, each in enumerate(members):
            back[each] = taken + number * longest + torch.arange(len(each))
        taken += padded.numel()
        groups.append(Group(padded[:, 0] // length, padded))
    return Spans(prefix, tuple(groups), back)


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    spans: Spans,
    scaling: float | None = None,
    **kwargs: object,
) -> tuple[torch.Tensor, None]:
    """As transformers' attention functions, of query, key and value (B, heads, L, d): (B, L, heads, d).

    `attention_mask` is what `spans` say and is not read.
    """
    batch, heads, length, width = query.shape
    p = spans.prefix
    image_key, image_value = key[:, :, :p], value[:, :, :p]
    image_query = query[:, :, :p]
    causal = torch.ones(p, p, dtype=torch.bool).tril()
    image = _attention(image_query * (scaling or width**-0.5), image_key, image_value, causal)
    outputs = [image.transpose(1, 2).reshape(-1, heads * width)]
    tokens = [each.transpose(1, 2).reshape(batch * length, heads * width) for each in (query, key, value)]
    for group in spans.groups:
        count, size = group.places.shape
        q, k, v = (
            each.index_select(0, group.places.flatten()).view(count, size, heads, width).transpose(1, 2)
            for each in tokens
        )
        k = torch.cat([image_key.index_select(0, group.rows), k], 2)
        v = torch.cat([image_value.index_select(0, group.rows), v], 2)
        seen = torch.ones(size, p + size, dtype=torch.bool).tril(p)
        own = _attention(q * (scaling or width**-0.5), k, v, seen)
        outputs.append(own.transpose(1, 2).reshape(-1, heads * width))
    return torch.cat(outputs).index_select(0, spans.back).view(batch, length, heads, width), None


def _attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, seen: torch.Tensor
) -> torch.Tensor:
    """Attention of scaled queries, `seen` (queries, keys) bool.

    Written out, for the backward pass of PyTorch's fused attention is a third slower on a CPU with bf16.
    """
    scores = (query @ key.transpose(-1, -2)).masked_fill(~seen, float("-inf"))
    return scores.softmax(-1, dtype=torch.float32).to(value.dtype) @ value


AttentionInterface.register(NAME, attend)
