"""A tiny model, and an image, for the tests of the page."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medreasoner.model import MedReasoner
from tests import tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A model folder as a real one, that always says the same."""
    return tiny.embedded(tmp_path_factory.mktemp("model"), script=tiny.SCRIPT)


@pytest.fixture(scope="module")
def image_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("image") / "scan.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (240, 320), dtype=np.uint8)).save(path)
    return path


@pytest.fixture(scope="module")
def model(folder) -> MedReasoner:
    return MedReasoner.from_pretrained(folder, device="cpu")
