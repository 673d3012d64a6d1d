"""Arrays of encoded images on disk, by the content of the image."""

import hashlib
from pathlib import Path

import numpy as np
import torch

STAGE_3_NAME = "stage3"  # what the VLM reads
SHAPES = {
    STAGE_3_NAME: (32, 32, 384),
    "high0": (32, 128, 128),
    "high1": (64, 64, 64),
    "low": (256, 32, 32),
}
MAPS = ("high0", "high1", "low")  # what the mask decoder reads


def content_key(pixel_values: torch.Tensor) -> str:
    """Name of one processed image, (3, 512, 512) float: a hash of every eighth pixel, equal wherever the
    pixels are equal.
    """
    return hashlib.blake2b(
        pixel_values[:, ::8, ::8].contiguous().float().numpy().tobytes(), digest_size=16
    ).hexdigest()


class FeatureCache:
    """Append-only store of named fp16 arrays, a row per image, in flat files.

    `keys.txt` is written last, so that a row is whole or absent after a kill.

    Args:
        names: of SHAPES, the arrays that `append` writes. A folder that was begun with others is refused
            (ValueError).
    """

    def __init__(self, folder: str | Path, names: tuple[str, ...]) -> None:
        self.folder, self.names = Path(folder), names
        self.folder.mkdir(parents=True, exist_ok=True)
        keys_file = self.folder / "keys.txt"
        keys = keys_file.read_text().split() if keys_file.exists() else []
        self.rows = {key: row for row, key in enumerate(keys)}
        self._maps: dict[str, np.memmap] = {}
        missing = [name for name in names if self.rows and not self.holds(name)]
        if missing:
            raise ValueError(
                f"{self.folder} was filled without {', '.join(missing)}; choose another folder, or delete it"
            )

    def holds(self, name: str) -> bool:
        """Whether the array `name` of its images is stored."""
        return (self.folder / f"{name}.f16").exists()

    def __contains__(self, key: str) -> bool:
        return key in self.rows

    def get(self, key: str, name: str) -> torch.Tensor:
        """The float16 array `name` of the image `key`; KeyError if the image was never cached."""
        row = self.rows[key]
        if name not in self._maps or len(self._maps[name]) <= row:
            shape = SHAPES[name]
            count = (self.folder / f"{name}.f16").stat().st_size // (2 * int(np.prod(shape)))
            self._maps[name] = np.memmap(self.folder / f"{name}.f16", np.float16, "r", shape=(count, *shape))
        return torch.from_numpy(np.array(self._maps[name][row]))

    def append(self, key: str, arrays: dict[str, torch.Tensor]) -> None:
        row = len(self.rows)
        for name in self.names:
            size = 2 * int(np.prod(SHAPES[name]))
            path = self.folder / f"{name}.f16"
            with open(path, "r+b" if path.exists() else "w+b") as file:
                file.seek(row * size)
                file.write(arrays[name].half().contiguous().numpy().tobytes())
        with open(self.folder / "keys.txt", "a") as file:
            file.write(key + "\n")
        self.rows[key] = row
