"""What the embedded VLM's SFT reads of its images: the frozen tower's stage-3 maps, by an image's path."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from tqdm import tqdm

from medreasoner.segmenters.sam2_model import image_processor
from train.embedded.feature_cache import STAGE_3_NAME, FeatureCache, content_key
from train.embedded.sam2 import SIDE


class Stage3Cache:
    """The tower's stage-3 maps of image files, by path, from caches that `features.py` filled.

    A path's key is computed once and kept in `paths.json` in the first folder.
    """

    def __init__(self, folders: Sequence[str | Path]) -> None:
        self.caches = [FeatureCache(folder, (STAGE_3_NAME,)) for folder in folders]
        self._index = Path(folders[0]) / "paths.json"
        self._keys: dict[str, str] = json.loads(self._index.read_text()) if self._index.exists() else {}

    def index(self, paths: Sequence[str]) -> list[str]:
        """Those of `paths` whose maps are cached."""
        new = [path for path in paths if path not in self._keys]
        processor = image_processor(SIDE)
        for path in tqdm(new, desc="keys", mininterval=20, disable=not new):
            pixels = processor(Image.open(path).convert("RGB"), return_tensors="pt").pixel_values[0]
            self._keys[path] = content_key(pixels)
        if new:
            self._index.write_text(json.dumps(self._keys))
        return [path for path in paths if any(self._keys[path] in cache for cache in self.caches)]

    def get(self, path: str) -> torch.Tensor:
        """(32, 32, 384) float32. KeyError if the image was never cached."""
        key = self._keys[path]
        home = next((cache for cache in self.caches if key in cache), None)
        if home is None:
            raise KeyError(path)
        return home.get(key, STAGE_3_NAME).float()
