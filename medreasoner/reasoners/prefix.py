"""The part of a prompt that no question changes, taken in before there is one: all up to the image's last
token but one.

Its keys and values are kept with the image, so that the decoder reads only what follows: the image's last
token, which tells the model where the image ends, and the question.
"""

from dataclasses import dataclass

import torch
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer
from transformers.modeling_outputs import BaseModelOutputWithPooling


@dataclass(frozen=True)
class Prefix:
    """A beginning of a prompt and what the decoder made of it.

    Args:
        ids: (1, P) its tokens. layers: (keys, values) of each layer, (1, heads, P, size).
        last: (1, H) the image token that follows.
    """

    ids: torch.Tensor
    layers: tuple[tuple[torch.Tensor, torch.Tensor], ...]
    last: torch.Tensor

    def begins(self, ids: torch.Tensor) -> bool:
        """Whether the prompt `ids` (1, L) begins so."""
        length = self.ids.shape[1]
        return ids.shape[1] > length and torch.equal(ids[:, :length], self.ids)

    def continued(self, inputs: dict) -> dict:
        """`inputs` of `generate` for a prompt that begins so, without what has been read."""
        cache = DynamicCache()
        for number, (keys, values) in enumerate(self.layers):
            cache.update(keys, values, number)
        image = {"image": BaseModelOutputWithPooling(pooler_output=[self.last])}
        return {**inputs, "mm_encoder_outputs": image, "past_key_values": cache}


def read_prefix(model: PreTrainedModel, ids: torch.Tensor, tokens: torch.Tensor) -> Prefix | None:
    """Let `model` read the beginning of a prompt; None where its decoder keeps something else than keys and
    values of all tokens, or the prompt has no image.

    Args:
        ids: (1, L) of a prompt with any question. tokens: (T, H) the image's tokens for the decoder.
    """
    places = (ids[0] == model.config.image_token_id).nonzero()[:, 0]
    if len(places) != len(tokens) or len(tokens) < 2:
        return None
    begin = ids[:, : int(places[-1])]
    cache = DynamicCache(config=model.config)
    image = {"image": BaseModelOutputWithPooling(pooler_output=[tokens[:-1]])}
    with torch.no_grad():
        model(
            input_ids=begin, mm_encoder_outputs=image, past_key_values=cache, use_cache=True, logits_to_keep=1
        )
    if not all(type(layer) is DynamicLayer for layer in cache.layers):
        return None
    return Prefix(begin, tuple((layer.keys, layer.values) for layer in cache.layers), tokens[-1:])
