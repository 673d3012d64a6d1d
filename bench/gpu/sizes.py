"""The two sizes in which the GPU run can be made: Qwen2.5-VL-7B, and one of the same parts that takes seconds
on a CPU."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """A model and how much is asked of it.

    Args:
        text, vision: fields of `Qwen2_5_VLConfig`.
        side: pixels of the square in which an image enters the model.
        tokens: that an answer has.
        batch: questions answered at once.
        runs: of which the median is taken, after one that is not counted.
        steps: of GRPO, of which the last is taken.
    """

    text: dict
    vision: dict
    side: int
    tokens: int
    batch: int
    group: int
    runs: int
    steps: int

    @property
    def room(self) -> int:
        """Tokens that may be written: the answer, the token that ends it, and a few to see that it ended."""
        return self.tokens + 8


def _rope(sections: list[int], theta: float) -> dict:
    return {"rope_type": "default", "mrope_section": sections, "rope_theta": theta}


SIZES = {
    # as config.json of Qwen/Qwen2.5-VL-7B-Instruct says
    "7b": Size(
        text={
            "hidden_size": 3584,
            "num_hidden_layers": 28,
            "num_attention_heads": 28,
            "num_key_value_heads": 4,
            "intermediate_size": 18944,
            "vocab_size": 152064,
            "max_position_embeddings": 128000,
            "initializer_range": 0.02,
            "rms_norm_eps": 1e-6,
            "rope_parameters": _rope([16, 24, 24], 1e6),
        },
        vision={
            "depth": 32,
            "hidden_size": 1280,
            "intermediate_size": 3420,
            "num_heads": 16,
            "out_hidden_size": 3584,
            "fullatt_block_indexes": [7, 15, 23, 31],
        },
        side=840,
        tokens=256,
        batch=16,
        group=8,
        runs=3,
        steps=2,
    ),
    "tiny": Size(
        text={"rope_parameters": _rope([2, 3, 3], 1e4)},
        vision={
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_heads": 2,
            "out_hidden_size": 64,
            "fullatt_block_indexes": [1],
        },
        side=112,
        tokens=24,
        batch=3,
        group=2,
        runs=1,
        steps=1,
    ),
}
