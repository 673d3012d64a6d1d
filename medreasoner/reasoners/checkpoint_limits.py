"""What `config.json` of a checkpoint may ask for: sizes a model can have, and packages that are installed.

Looked at before anything is built, because a model of ten million layers takes hours to build, and because
what transformers says of an option that needs a package names the option and not what to do.
"""

from collections.abc import Iterator
from pathlib import Path

from transformers.quantizers.auto import AUTO_QUANTIZATION_CONFIG_MAPPING

from medreasoner.json_files import read_json
from medreasoner.manifest import Rule, whole
from medreasoner.messages import short
from medreasoner.reasoners.base import ReasonerError

_LAYERS, _HEADS, _WIDTH = whole(0, 1000), whole(1, 1024), whole(1, 1 << 20)
# key -> the rule for its whole numbers, wherever in the file it stands; the largest published models stay
# well below. What is no whole number is left to transformers, which knows the types.
SIZES: dict[str, Rule] = {
    **dict.fromkeys(("num_hidden_layers", "num_layers", "n_layer", "depth"), _LAYERS),
    **dict.fromkeys(("num_attention_heads", "num_key_value_heads", "num_heads", "n_head"), _HEADS),
    **dict.fromkeys(("hidden_size", "intermediate_size", "head_dim", "out_hidden_size"), _WIDTH),
    "vocab_size": whole(1, 10_000_000),
    "patch_size": whole(1, 1024),
}
# how weights were made small -> what has to be installed to read them
QUANTIZED = {
    "aqlm": "aqlm",
    "awq": "gptqmodel",
    "bitsandbytes": "bitsandbytes",
    "compressed-tensors": "compressed-tensors",
    "eetq": "kernels",
    "gptq": "optimum gptqmodel",
    "hqq": "hqq",
    "quanto": "optimum-quanto",
    "torchao": "torchao",
}


def check_config(folder: Path) -> None:
    """Errors: ReasonerError for a `config.json` that is no JSON object, or asks for sizes or a way of
    quantization that no model has.
    """
    path = folder / "config.json"
    try:
        values = read_json(path)
    except (OSError, ValueError) as error:
        raise ReasonerError(f"{path} cannot be used: {error}") from error
    for key, value in _items(values):
        rule = SIZES.get(key)
        if rule and type(value) is int and not rule.allows(value):
            raise ReasonerError(f"{path} cannot be used: {key} must be {rule.expected}, got {short(value)}")
    method = _quantization(values)
    if method is not None and str(method) not in {*AUTO_QUANTIZATION_CONFIG_MAPPING, *QUANTIZED}:
        raise ReasonerError(
            f"{path} says that the weights are quantized by {short(method)}, which is not known here; give "
            "the checkpoint that is not quantized"
        )


def lacking_package(folder: Path) -> str:
    """What to do where transformers wants a package to open `folder`, as the end of a sentence; "" where it
    is not known.
    """
    values = read_json(folder / "config.json")
    method = str(_quantization(values))
    if method in QUANTIZED:
        return (
            f"its weights are quantized ({method}); install what reads them with `pip install "
            f"{QUANTIZED[method]}`, or give the checkpoint that is not quantized"
        )
    asked = [value for key, value in _items(values) if key.lstrip("_") == "attn_implementation"]
    if asked and isinstance(asked[0], str):
        return (
            f"config.json asks for the attention {short(asked[0])}; take attn_implementation out of "
            "config.json (the answers stay the same), or install its package"
            + (" with `pip install flash-attn`" if asked[0] == "flash_attention_2" else "")
        )
    return ""


def _quantization(values: dict) -> object:
    """The method by which the weights are quantized, None where they are not."""
    settings = values.get("quantization_config")
    if settings is None:
        return None
    return settings.get("quant_method", "no method") if isinstance(settings, dict) else settings


def _items(values: object) -> Iterator[tuple[str, object]]:
    """Every key and value of a JSON value and of the objects in it."""
    waiting = [values]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield from value.items()
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
