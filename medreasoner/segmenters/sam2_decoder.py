"""SAM 2's mask decoder for many prompts in one image, on the weights of transformers' `Sam2Model`.

The numbers are those of `sam2_model.decode` but for rounding; what differs is the order of the products, of
which those of attention are in `sam2_attention.py`. The transposed convolutions, whose stride is their size,
are products over places, and only the masks that are asked for are drawn.
"""

from collections.abc import Sequence

import torch
from torch.nn.functional import layer_norm
from transformers import Sam2Model

from medreasoner.segmenters.sam2_attention import (
    Places,
    asked,
    asked_projected,
    read,
    read_projected,
    written,
)
from medreasoner.segmenters.sam2_model import CLIPPED_LOGITS

AT_ONCE = 4  # prompts; their maps fit into a processor's cache


def can_decode(model: Sam2Model, multimask: bool) -> bool:
    """Whether `decode_many` draws what the model itself would: not where a single mask may be replaced."""
    return multimask or not model.mask_decoder.dynamic_multimask_via_stability


def decode_many(
    model: Sam2Model,
    maps: Sequence[torch.Tensor],
    passes: int = 1,
    multimask: bool = False,
    mask: torch.Tensor | None = None,
    **prompts: torch.Tensor | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mask logits (N, 1, S, S) and predicted IoU (N,) of N prompts in one image, without gradients.

    Args:
        maps: of that image, (1, C, H, W) each. The others: see `sam2_model.decode`.
    """
    fine, middle, coarse = maps
    side, decoder = coarse.shape[-1], model.mask_decoder
    image, places = (
        each[0].flatten(1).t().contiguous() for each in (coarse, model.get_image_wide_positional_embeddings())
    )
    first = decoder.transformer.layers[0]
    picture = {
        "image": image,  # (P, 256)
        "places": places,
        # what the first block's projections make of both, (P, 128)
        "keys": first.cross_attn_token_to_image.k_proj(image + places),
        "values": first.cross_attn_token_to_image.v_proj(image),
        "queries": first.cross_attn_image_to_token.q_proj(image + places),
        # what is added to both results of `_upscaled`, in its order: (P, 4 * 64) and (P * 4, 4 * 32)
        "middle": _split(middle, side).flatten(1) + decoder.upscale_conv1.bias.repeat(4),
        "fine": _split(fine, side).flatten(2).flatten(0, 1) + decoder.upscale_conv2.bias.repeat(4),
    }
    found = []
    count = len(next(tensor for tensor in prompts.values() if tensor is not None))
    for begin in range(0, count, AT_ONCE):
        part = {name: t[begin : begin + AT_ONCE] for name, t in prompts.items() if t is not None}
        first = mask if mask is None or len(mask) == 1 else mask[begin : begin + AT_ONCE]
        found.append(_passes(model, picture, side, passes, multimask, first, part))
    logits, scores = zip(*found, strict=True)
    return torch.cat(logits), torch.cat(scores)


def _passes(
    model: Sam2Model,
    picture: dict[str, torch.Tensor],
    side: int,
    passes: int,
    multimask: bool,
    mask: torch.Tensor | None,
    prompts: dict[str, torch.Tensor],
) -> tuple[torch.Tensor, torch.Tensor]:
    logits, scores = [], []
    told = {f"input_{name}": prompts.get(f"input_{name}") for name in ("points", "labels", "boxes")}
    for _ in range(passes):
        tokens, _ = model.prompt_encoder(**told, input_masks=None)
        image = _with_mask(model.prompt_encoder, picture["image"], mask)
        drawn, each = _decode(model.mask_decoder, image, tokens[:, 0], picture, multimask)
        best = each.argmax(-1)
        rows = torch.arange(len(best), device=best.device)
        logits.append(_joined(drawn[rows, best], side))
        scores.append(each[rows, best])
        mask = logits[-1].clamp(-CLIPPED_LOGITS, CLIPPED_LOGITS)
    return torch.stack(logits).mean(0), torch.stack(scores).mean(0)


def _with_mask(encoder: torch.nn.Module, image: torch.Tensor, mask: torch.Tensor | None) -> Places:
    """The image's places and what `encoder` adds for mask logits (N, 1, S, S), or for none."""
    if mask is None:
        return Places(image, None, None, encoder.no_mask_embed.weight[0])
    embed = encoder.mask_embed
    channels = embed.activation(embed.layer_norm1(embed.conv1(mask)))
    channels = embed.activation(embed.layer_norm2(embed.conv2(channels)))
    out = embed.conv3
    return Places(image, channels.flatten(2).transpose(1, 2), out.weight[:, :, 0, 0], out.bias)


def _decode(
    decoder: torch.nn.Module,
    image: Places,
    prompt: torch.Tensor,
    picture: dict[str, torch.Tensor],
    multimask: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (N, K, P * 16), 4 x 4 pixels a place, and predicted IoU (N, K) of K masks.

    Args:
        prompt: embedded prompts (N, T, 256).
    """
    learnt = torch.cat([decoder.obj_score_token.weight, decoder.iou_token.weight, decoder.mask_tokens.weight])
    tokens = first = torch.cat([learnt.expand(len(prompt), -1, -1), prompt], 1)
    transformer = decoder.transformer
    states = image.states()
    for number, layer in enumerate(transformer.layers):
        tokens, states = _layer(layer, tokens, states, first, picture, None if number else image)
    masks = slice(1, None) if multimask else slice(0, 1)
    wanted = torch.cat([tokens[:, 1:2], tokens[:, 2 : 2 + decoder.num_mask_tokens][:, masks]], 1)
    told = torch.cat([first[:, 1:2], first[:, 2 : 2 + decoder.num_mask_tokens][:, masks]], 1)
    seen = read(transformer.final_attn_token_to_image, wanted + told, states + picture["places"], states)
    wanted = transformer.layer_norm_final_attn(wanted + seen)
    mlps = decoder.output_hypernetworks_mlps[masks]
    weights = torch.stack([mlp(wanted[:, 1 + n]) for n, mlp in enumerate(mlps)], 1)
    # one by one: what one prompt's places become fits into a processor's cache
    drawn = [few @ _upscaled(decoder, one, picture).t() for few, one in zip(weights, states, strict=True)]
    return torch.stack(drawn), decoder.iou_prediction_head(wanted[:, 0])[:, masks]


def _layer(
    layer: torch.nn.Module,
    tokens: torch.Tensor,
    states: torch.Tensor,
    told: torch.Tensor,
    picture: dict[str, torch.Tensor],
    image: Places | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens (N, T, 256) and states of the image (N, P, 256) after one block of both directions.

    Args:
        image: in the first block what `states` come from.
    """
    query = tokens if layer.skip_first_layer_pe else tokens + told
    seen, _ = layer.self_attn(query[:, None], query[:, None], tokens[:, None])
    tokens = layer.layer_norm1(seen[:, 0] if layer.skip_first_layer_pe else tokens + seen[:, 0])
    reads, writes = layer.cross_attn_token_to_image, layer.cross_attn_image_to_token
    if image is None:
        placed = states + picture["places"]
        seen = read(reads, tokens + told, placed, states)
    else:
        keys, values = (
            image.through(p, picture[name]) for p, name in ((reads.k_proj, "keys"), (reads.v_proj, "values"))
        )
        seen = read_projected(reads, tokens + told, keys, values)
    tokens = layer.layer_norm2(tokens + seen)
    tokens = layer.layer_norm3(tokens + layer.mlp(tokens))
    if image is None:
        scores = asked(writes, tokens + told, placed)
    else:
        scores = asked_projected(writes, tokens + told, image.through(writes.q_proj, picture["queries"]))
    return tokens, layer.layer_norm4(written(writes, scores, tokens, states))


def _upscaled(
    decoder: torch.nn.Module, states: torch.Tensor, picture: dict[str, torch.Tensor]
) -> torch.Tensor:
    """(P * 16, 32) of one prompt's states (P, 256): two transposed convolutions, each to 2 x 2 pixels of what
    was one."""
    first = decoder.upscale_conv1.weight.permute(0, 2, 3, 1).flatten(1)  # (256, 4 * 64)
    second = decoder.upscale_conv2.weight.permute(0, 2, 3, 1).flatten(1)  # (64, 4 * 32)
    norm, act = decoder.upscale_layer_norm, decoder.activation
    middle = torch.addmm(picture["middle"], states, first).view(-1, norm.weight.shape[0])
    middle = act(layer_norm(middle, middle.shape[-1:], norm.weight, norm.bias, norm.eps))
    fine = torch.addmm(picture["fine"], middle, second)
    return act(fine).view(-1, decoder.upscale_conv2.weight.shape[1])


def _split(feature: torch.Tensor, side: int) -> torch.Tensor:
    """(P, 4, C) of a map (1, C, 2 side, 2 side), or (P, 4, 4, C) of one with twice the side: the pixels of
    each place one after the other, see `_joined`."""
    channels, halves = feature.shape[1], (feature.shape[-1] // side).bit_length() - 1
    parts = feature[0].view(channels, side, *[2] * halves, side, *[2] * halves)
    order = [1, 2 + halves]
    for half in range(halves):
        order += [2 + half, 3 + halves + half]
    return parts.permute(*order, 0).reshape(side * side, *[4] * halves, channels)


def _joined(pixels: torch.Tensor, side: int) -> torch.Tensor:
    """(N, 1, 4 * side, 4 * side) of (N, P * 16), in which 2 x 2 pixels of 2 x 2 pixels of each place follow
    each other."""
    parts = pixels.view(-1, side, side, 2, 2, 2, 2)  # y, x, half y, half x, quarter y, quarter x
    return parts.permute(0, 1, 3, 5, 2, 4, 6).reshape(-1, 1, 4 * side, 4 * side)
