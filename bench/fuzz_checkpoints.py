"""Fuzzes what is read of a model's folder before its weights."""

import json
import random
import tempfile
from pathlib import Path
from types import MappingProxyType

from bench.fuzz_inputs import NUMBERS, damaged
from bench.fuzz_target import Target


class Checkpoints(Target):
    """What a model's folder says of itself."""

    refusals = (ValueError,)
    KEYS = (
        *(
            "format",
            "frame",
            "square",
            "max_pixels",
            "prompt_sha256",
            "segmenter",
            "absence",
            "multimask",
            "specks",
        ),
        *(
            "looks",
            "base_model_name_or_path",
            "revision",
            "architectures",
            "model_type",
            "weight_map",
            "num_hidden_layers",
            "vocab_size",
            "quantization_config",
            "attn_implementation",
            "eos_token_id",
            "max_new_tokens",
            "repetition_penalty",
            "other",
        ),
    )

    VALID = MappingProxyType(
        {
            "medreasoner.json": {"format": 1, "looks": 2},
            "adapter_config.json": {"base_model_name_or_path": "a/b"},
        }
    )

    def __init__(self) -> None:
        from medreasoner.reasoners.checkpoint import open_config
        from medreasoner.reasoners.generation import read_settings

        self._folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
        self._open_config, self._read_settings = open_config, read_settings

    def attack(self, rng: random.Random) -> None:
        from medreasoner.manifest import Manifest, adapter_base
        from medreasoner.reasoners.base import ReasonerError

        for name in ("medreasoner.json", "config.json", "adapter_config.json", "generation_config.json"):
            values = {rng.choice(self.KEYS): rng.choice(NUMBERS) for _ in range(rng.randrange(6))}
            values |= rng.choice(({}, {"format": 1}, {"model_type": "qwen2_5_vl"}))
            values = self.VALID.get(name, {}) if rng.random() < 0.5 else values
            text = "[" * 100_000 if rng.random() < 0.02 else json.dumps(values)
            (self._folder / name).write_bytes(
                damaged(text.encode(), rng) if rng.random() < 0.3 else text.encode()
            )
        for read in (self._open_config, self._read_settings):
            try:
                read(self._folder)
            except ReasonerError as error:
                assert "\n" not in str(error)
        (self._folder / "config.json").unlink()
        adapter_base(self._folder)
        Manifest.read(self._folder)
