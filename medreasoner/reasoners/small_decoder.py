"""Writes one answer with a small Qwen3 decoder on the CPU, in a fraction of the time of transformers'
`generate`.

A token of a decoder of a few million weights costs `generate` about 2,000 Python calls, and more time in them
and in products with transposed weights than in arithmetic. Here the weights are held the other way round,
those that read the same input in one matrix, and keys and values are written into memory of fixed size. The
prompt is read by the model itself, so that whatever stands before the decoder (image tokens, a sentence
encoder) is its own affair; the numbers are those of `generate` but for rounding.
"""

from collections.abc import Callable

import torch
from torch.nn.functional import silu
from transformers import DynamicCache, GenerationConfig, PreTrainedConfig, PreTrainedModel

from medreasoner.reasoners.embedded import MedReasonerForConditionalGeneration
from medreasoner.reasoners.presence import steer

LARGEST = 100_000_000  # weights; larger decoders spend their time in arithmetic, and are not held twice
# settings of `generate` that are done here, that `make_greedy` fixes, or that change nothing
PLAIN = {
    *("do_sample", "num_beams", "num_return_sequences", "max_new_tokens"),
    *("bos_token_id", "eos_token_id", "pad_token_id", "transformers_version"),
}

Listener = Callable[[torch.Tensor, torch.Tensor], bool]


class SmallDecoder:
    """Greedy or sampled decoding of one answer at a time, with the weights of `model`, which are read once.

    Args:
        model: one that `fits`.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self._model, self._text = model, model.model.language_model
        config = self._text.config
        self._heads, self._groups = config.num_attention_heads, config.num_key_value_heads
        self._size, self._eps = config.head_dim, config.rms_norm_eps
        with torch.no_grad():
            self._embedding = self._text.embed_tokens.weight.detach()
            self._head = _turned(self._text.norm.weight, model.lm_head.weight)
            self._layers = [self._layer(layer) for layer in self._text.layers]

    def _layer(self, layer: torch.nn.Module) -> tuple[torch.Tensor, ...]:
        attention, mlp = layer.self_attn, layer.mlp
        norms = [
            attention.q_norm.weight.expand(self._heads, -1) * attention.scaling,
            attention.k_norm.weight.expand(self._groups, -1),
        ]
        projections = attention.q_proj.weight, attention.k_proj.weight, attention.v_proj.weight
        return (
            _turned(layer.input_layernorm.weight, *projections),
            torch.cat(norms),
            _turned(1, attention.o_proj.weight),
            _turned(layer.post_attention_layernorm.weight, mlp.gate_proj.weight, mlp.up_proj.weight),
            _turned(1, mlp.down_proj.weight),
        )

    @torch.inference_mode()
    def write(self, inputs: dict, heard: Listener, temperature: float | None = None) -> None:
        """Write until `heard` returns True, the model ends its text, or it has written as much as it may.

        Args:
            inputs: what `generate` takes for one prompt; `past_key_values` may hold its beginning.
            heard: called with each token (1, 1) and the scores (1, vocabulary) it was chosen by.
            temperature: of tokens drawn at random; None takes the most probable one.
        """
        settings = self._model.generation_config
        ends = settings.eos_token_id
        ends = {ends} if isinstance(ends, int) else set(ends or ())
        prompt = inputs["input_ids"].shape[1]
        cache = inputs.get("past_key_values") or DynamicCache(config=self._text.config)
        unread = {
            **inputs,
            "input_ids": inputs["input_ids"][:, cache.get_seq_length() :],
            "past_key_values": cache,
        }
        scores = self._model(**unread, use_cache=True, logits_to_keep=1).logits[:, -1]
        memory = _Memory(cache, prompt + settings.max_new_tokens, self._text.rotary_emb)
        presence = getattr(cache, "presence", None)
        for _ in range(settings.max_new_tokens):
            token = _chosen(scores, temperature)
            if heard(token, scores) or int(token) in ends:
                break
            scores = self.scores(int(token), memory)
            if presence is not None:
                scores = steer(presence, token.tolist(), [{}], scores[:, None])[:, 0]

    def scores(self, token: int, memory: "_Memory") -> torch.Tensor:
        """Logits (1, vocabulary) of what follows `token`, which is added to `memory`."""
        states = self._embedding[token][None]
        at, both = memory.length, self._heads + self._groups
        cos, sin, half = memory.cos[at], memory.sin[at], self._size // 2
        for layer, keys, values in zip(self._layers, memory.keys, memory.values, strict=True):
            qkv, norms, out, gate_up, down = layer
            heads = torch.mm(self._even(states), qkv).view(-1, self._size)
            turning = self._even(heads[:both]) * norms
            turned = turning * cos + turning.roll(half, -1) * sin
            keys[:, :, at], values[:, at] = turned[self._heads :], heads[both:]
            queries = turned[: self._heads].view(self._groups, -1, self._size)
            weights = torch.bmm(queries, keys[:, :, : at + 1]).softmax(-1)
            read = torch.bmm(weights, values[:, : at + 1]).view(1, -1)
            states = torch.addmm(states, read, out)
            gate, up = torch.mm(self._even(states), gate_up).chunk(2, -1)
            states = torch.addmm(states, silu(gate) * up, down)
        memory.length += 1
        logits = torch.mm(self._even(states), self._head)
        if isinstance(self._model, MedReasonerForConditionalGeneration):
            return self._model.placed(torch.tensor([[token]]), logits[:, None])[:, 0]
        return logits

    def _even(self, states: torch.Tensor) -> torch.Tensor:
        """RMSNorm without its weights."""
        return states * torch.rsqrt(states.pow(2).mean(-1, keepdim=True) + self._eps)


class _Memory:
    """Keys (groups, D, room) and values (groups, room, D) of each layer, filled up to `length`, and the
    rotations of every place: cos and sin (room, D), sin with the sign of the half it is multiplied with."""

    def __init__(self, cache: DynamicCache, room: int, rotations: torch.nn.Module) -> None:
        self.length = cache.get_seq_length()
        self.keys, self.values = [], []
        for layer in cache.layers:
            _, groups, length, size = layer.keys.shape
            self.keys.append(torch.empty(groups, size, room))
            self.values.append(torch.empty(groups, room, size))
            self.keys[-1][:, :, :length] = layer.keys[0].transpose(1, 2)
            self.values[-1][:, :length] = layer.values[0]
        cos, sin = rotations(self.values[0], torch.arange(room)[None])
        first, second = sin[0].chunk(2, -1)
        self.cos, self.sin = cos[0], torch.cat([-first, second], -1)


def fits(model: PreTrainedModel) -> bool:
    """Whether `SmallDecoder` can stand in for the model's `generate`: its decoder is a small Qwen3 on the
    CPU, without the options that are not done here."""
    text = model.config.get_text_config()
    if text.model_type != "qwen3" or not hasattr(getattr(model, "model", None), "language_model"):
        return False
    small = sum(weight.numel() for weight in model.model.language_model.parameters()) <= LARGEST
    in_memory = model.device.type == "cpu" and model.dtype == torch.float32
    return small and in_memory and _plain(text) and _plain_settings(model.generation_config)


def _plain(config: PreTrainedConfig) -> bool:
    whole = set(config.layer_types) == {"full_attention"}
    turned = config.rope_parameters.get("rope_type", "default") == "default"
    return whole and turned and config.hidden_act == "silu" and not config.attention_bias


def _plain_settings(settings: GenerationConfig) -> bool:
    """Whether nothing but greedy or free choice is asked for: no penalty, no constraint."""
    asked = {name for name, value in settings.to_diff_dict().items() if value is not None}
    return asked <= PLAIN and settings.max_new_tokens is not None


def _turned(norm: torch.Tensor | float, *weights: torch.Tensor) -> torch.Tensor:
    """Linear layers that read the same states, after a norm with these weights, as one matrix (in, out)."""
    return (torch.cat(weights) * norm).t().contiguous()


def _chosen(scores: torch.Tensor, temperature: float | None) -> torch.Tensor:
    """The next token (1, 1)."""
    if temperature is None:
        return scores.argmax(-1, keepdim=True)
    return torch.multinomial((scores / temperature).softmax(-1), 1)
