"""Settings of transformers' `generate`: greedy and with an end, or drawn at random for samples.

Of what a checkpoint's `generation_config.json` says, only `SETTINGS` are taken over. The others choose among
ways of searching and of caching, several of which need a program from the Hub or a package, and none of which
is a greedy answer.
"""

from pathlib import Path

from transformers import GenerationConfig, PreTrainedModel, ProcessorMixin

from medreasoner.json_files import read_json
from medreasoner.manifest import Rule, whole
from medreasoner.messages import short
from medreasoner.reasoners.base import ReasonerError

NAME = "generation_config.json"
MAX_NEW_TOKENS = 2048  # where the checkpoint's generation_config sets none
LONGEST = 16_384  # tokens, whatever it sets
_TOKEN = whole(0, 2**31 - 1)


def _are_tokens(value: object) -> bool:
    numbers = value if isinstance(value, list) else [value]
    return bool(numbers) and all(type(number) is int and _TOKEN.allows(number) for number in numbers)


SETTINGS = {
    "max_new_tokens": whole(1, 2**31 - 1),
    "eos_token_id": Rule((int, list), _are_tokens, "the number of a token, or a list of such numbers"),
    "bos_token_id": _TOKEN,
    "pad_token_id": _TOKEN,
    "repetition_penalty": Rule((float, int), lambda value: 0.1 <= value <= 10, "a number from 0.1 to 10"),
    "no_repeat_ngram_size": whole(0, 1000),
}


def read_settings(folder: Path) -> GenerationConfig | None:
    """What `folder` says of generating, None where it says nothing. Errors: ReasonerError."""
    path = folder / NAME
    if not path.exists():
        return None
    try:
        values = read_json(path)
    except (OSError, ValueError) as error:
        raise ReasonerError(f"{path} cannot be used: {error}") from error
    kept = {key: values[key] for key in SETTINGS if values.get(key) is not None}
    for key, value in kept.items():
        rule = SETTINGS[key]
        if type(value) not in rule.types or not rule.allows(value):
            raise ReasonerError(
                f"{path} cannot be used: {key} must be {rule.expected}, got {short(value)}; correct it, or "
                "take it out"
            )
    return GenerationConfig(**kept)


def make_greedy(model: PreTrainedModel, processor: ProcessorMixin) -> None:
    """Set up `model` so that it gives the same answer each time and never an endless one."""
    said = {key: getattr(model.generation_config, key, None) for key in SETTINGS}
    settings = GenerationConfig(**{key: value for key, value in said.items() if value is not None})
    settings.do_sample, settings.num_beams, settings.num_return_sequences = False, 1, 1
    settings.max_new_tokens = min(settings.max_new_tokens or MAX_NEW_TOKENS, LONGEST)
    if settings.eos_token_id is None:
        settings.eos_token_id = processor.tokenizer.eos_token_id
    if settings.pad_token_id is None:
        settings.pad_token_id = processor.tokenizer.pad_token_id
    model.generation_config = settings


def sampling_options(temperature: float | None) -> dict:
    """Arguments of `generate` to draw from the model's whole distribution; none for the greedy answer, where
    `temperature` is None.
    """
    if temperature is None:
        return {}
    return {"do_sample": True, "temperature": float(temperature), "top_k": 0, "top_p": 1.0}
