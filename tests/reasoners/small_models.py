"""The families whose tiny models the tests of this folder share, and a picture for them."""

import numpy as np
from PIL import Image

from tests import tiny

BUILDERS = {"embedded": tiny.embedded, "qwen2_5_vl": tiny.qwen2_5_vl, "qwen3_vl": tiny.qwen3_vl}
LIMIT = 60  # tokens of a model that never closes its answer
QUESTION = "Which part explains a cough that does not go away?"


def picture(width: int = 300, height: int = 200, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))
