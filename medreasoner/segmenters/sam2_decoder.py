"""SAM 2's mask decoder for many prompts in one image, on the weights of transformers' `Sam2Model`.

The numbers are those of `sam2_model.decode` but for rounding; what differs is the order of the products. An
image has many places (P = 1024) and a prompt few tokens (T = 11), so the projections of the attention go to
the tokens' side: (x Wq)(y Wk)' = x (y Wk Wq')', and likewise for the values. The transposed convolutions,
whose stride is their size, are products over places, and only the masks that are asked for are drawn.
"""

from collections.abc import Sequence

import torch
from torch.nn.functional import layer_norm
from transformers import Sam2Model

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
    picture = {
        "image": coarse[0].flatten(1).t(),  # (P, 256)
        "places": model.get_image_wide_positional_embeddings()[0].flatten(1).t(),
        # what is added to both results of `_upscaled`, in its order: (P, 4 * 64) and (P, 4, 4 * 32)
        "middle": _split(middle, side).flatten(1) + decoder.upscale_conv1.bias.repeat(4),
        "fine": _split(fine, side).flatten(2) + decoder.upscale_conv2.bias.repeat(4),
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
    asked = {f"input_{name}": prompts.get(f"input_{name}") for name in ("points", "labels", "boxes")}
    for _ in range(passes):
        tokens, _ = model.prompt_encoder(**asked, input_masks=None)
        if mask is None:
            states = picture["image"] + model.prompt_encoder.no_mask_embed.weight
        else:
            states = picture["image"] + model.prompt_encoder.mask_embed(mask).flatten(2).transpose(1, 2)
        drawn, each = _decode(model.mask_decoder, states, tokens[:, 0], picture, multimask)
        best = each.argmax(-1)
        rows = torch.arange(len(best), device=best.device)
        logits.append(_joined(drawn[rows, best], side))
        scores.append(each[rows, best])
        mask = logits[-1].clamp(-CLIPPED_LOGITS, CLIPPED_LOGITS)
    return torch.stack(logits).mean(0), torch.stack(scores).mean(0)


def _decode(
    decoder: torch.nn.Module,
    states: torch.Tensor,
    prompt: torch.Tensor,
    picture: dict[str, torch.Tensor],
    multimask: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (N, K, P * 16), 4 x 4 pixels a place, and predicted IoU (N, K) of K masks.

    Args:
        states: of the image, (P, 256) for all prompts alike or (N, P, 256).
        prompt: embedded prompts (N, T, 256).
    """
    learnt = torch.cat([decoder.obj_score_token.weight, decoder.iou_token.weight, decoder.mask_tokens.weight])
    tokens = first = torch.cat([learnt.expand(len(prompt), -1, -1), prompt], 1)
    transformer = decoder.transformer
    for layer in transformer.layers:
        tokens, states = _layer(layer, tokens, states, first, picture["places"])
    masks = slice(1, None) if multimask else slice(0, 1)
    wanted = torch.cat([tokens[:, 1:2], tokens[:, 2 : 2 + decoder.num_mask_tokens][:, masks]], 1)
    told = torch.cat([first[:, 1:2], first[:, 2 : 2 + decoder.num_mask_tokens][:, masks]], 1)
    read = _read(transformer.final_attn_token_to_image, wanted + told, states + picture["places"], states)
    wanted = transformer.layer_norm_final_attn(wanted + read)
    mlps = decoder.output_hypernetworks_mlps[masks]
    weights = torch.stack([mlp(wanted[:, 1 + n]) for n, mlp in enumerate(mlps)], 1)
    pixels = _upscaled(decoder, states, picture).view(len(prompt), -1, weights.shape[-1])
    return weights @ pixels.transpose(1, 2), decoder.iou_prediction_head(wanted[:, 0])[:, masks]


def _layer(
    layer: torch.nn.Module,
    tokens: torch.Tensor,
    states: torch.Tensor,
    told: torch.Tensor,
    places: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens (N, T, 256) and states of the image (N, P, 256) after one block of both directions."""
    query = tokens if layer.skip_first_layer_pe else tokens + told
    seen, _ = layer.self_attn(query[:, None], query[:, None], tokens[:, None])
    tokens = layer.layer_norm1(seen[:, 0] if layer.skip_first_layer_pe else tokens + seen[:, 0])
    placed = states + places
    read = _read(layer.cross_attn_token_to_image, tokens + told, placed, states)
    tokens = layer.layer_norm2(tokens + read)
    tokens = layer.layer_norm3(tokens + layer.mlp(tokens))
    states = _written(layer.cross_attn_image_to_token, tokens + told, tokens, placed, states)
    return tokens, layer.layer_norm4(states)


def _read(
    attention: torch.nn.Module, tokens: torch.Tensor, placed: torch.Tensor, states: torch.Tensor
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
    read = (shares @ states).view(count, length, heads, width)
    values = torch.einsum("nthc,hdc->nthd", read, out).reshape(count, length, -1)
    return attention.o_proj(values + attention.v_proj.bias)


def _written(
    attention: torch.nn.Module,
    keys: torch.Tensor,
    values: torch.Tensor,
    placed: torch.Tensor,
    states: torch.Tensor,
) -> torch.Tensor:
    """`states` and what the image reads of the tokens (N, T, 256): queries from `placed`."""
    count, length, width = keys.shape
    heads = attention.num_attention_heads
    into, out = attention.q_proj.weight.view(heads, -1, width), attention.o_proj.weight.view(width, heads, -1)
    keys = attention.k_proj(keys).view(count, length, heads, -1) * attention.scaling
    constant = torch.einsum("nthd,hd->nth", keys, attention.q_proj.bias.view(heads, -1))
    keys = torch.einsum("nthd,hdc->nthc", keys, into).reshape(count, -1, width)
    scores = (keys @ placed.mT).view(count, length, heads, -1) + constant[..., None]
    shares = scores.softmax(1).view(count, length * heads, -1)
    values = attention.v_proj(values).view(count, length, heads, -1)
    # the shares of each head add up to one, so each brings its part of the bias
    values = torch.einsum("nthd,chd->nthc", values, out) + attention.o_proj.bias / heads
    return torch.baddbmm(states.expand(count, -1, -1), shares.mT, values.reshape(count, -1, width))


def _upscaled(
    decoder: torch.nn.Module, states: torch.Tensor, picture: dict[str, torch.Tensor]
) -> torch.Tensor:
    """(N, P, 4, 4, 32): two transposed convolutions, each to 2 x 2 pixels of what was one."""
    first = decoder.upscale_conv1.weight.permute(0, 2, 3, 1).flatten(1)  # (256, 4 * 64)
    second = decoder.upscale_conv2.weight.permute(0, 2, 3, 1).flatten(1)  # (64, 4 * 32)
    norm, act = decoder.upscale_layer_norm, decoder.activation
    middle = (states @ first).add_(picture["middle"])
    middle = middle.view(*middle.shape[:2], 4, -1)
    middle = act(layer_norm(middle, middle.shape[-1:], norm.weight, norm.bias, norm.eps))
    return act((middle @ second).add_(picture["fine"]))


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
