"""A picture, and models of the `sam2` package with random weights."""

import numpy as np
import pytest
import torch
from PIL import Image

from medreasoner.segmenters import sam2_package
from tests.segmenters.small_sam2 import SMALL_TRUNK


@pytest.fixture(scope="session")
def picture() -> Image.Image:
    """512 x 512, so that neither library resizes it: two soft discs on a gradient."""
    y, x = np.mgrid[:512, :512]
    discs = sum(
        200 * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * r**2))
        for cx, cy, r in ((250, 250, 70), (420, 120, 30))
    )
    return Image.fromarray(
        np.clip(np.stack([discs + x / 20, discs + y / 20, discs + 20], -1), 0, 255).astype(np.uint8)
    )


@pytest.fixture(scope="session")
def package_model() -> torch.nn.Module:
    torch.manual_seed(0)
    return sam2_package.build(overrides=SMALL_TRUNK)


@pytest.fixture(scope="session")
def whole_state() -> dict[str, torch.Tensor]:
    """Every tensor of a hiera-tiny as published, random, in half precision."""
    torch.manual_seed(0)
    return {key: value.half() for key, value in sam2_package.build().state_dict().items()}
