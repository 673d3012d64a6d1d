"""Near-copies of a picture are found by their hashes."""

import numpy as np
from PIL import Image

from medreasoner.data.build.duplicates import HashIndex, dhash


def test_copies_at_another_size_and_compression_are_near(tmp_path):
    rng = np.random.default_rng(0)
    one, other = (
        Image.fromarray(rng.integers(0, 255, (9, 9), np.uint8)).resize((300, 200), Image.Resampling.BICUBIC)
        for _ in range(2)
    )
    one.resize((150, 100)).save(tmp_path / "copy.jpg", quality=50)
    seen = HashIndex()
    assert not seen.has_near(dhash(one))
    for _ in range(70):  # past the room it begins with
        seen.add(dhash(other))
    assert not seen.has_near(dhash(one))
    seen.add(dhash(one))
    assert seen.has_near(dhash(Image.open(tmp_path / "copy.jpg")))
