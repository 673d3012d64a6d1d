"""Cached outputs of the frozen SAM 2 image encoder, so that training never encodes an image twice, and the
command that fills the cache.

    python -m train.embedded.features --images DIR --sam2 FILE --out runs/features [--mask-inputs]

Per image, fp16: `tokens` (16, 16, 768), the last stage of the encoder at 512 px; with --mask-inputs also
`high0` (32, 128, 128), `high1` (64, 64, 64) and `low` (256, 32, 32), the three maps the mask decoder reads
(after its own 1x1 convolutions and the no-memory embedding). On 2 CPU cores an image takes about 0.5 s in
fp32 and 0.2 s with --bf16 (less exact: for augmented training views only). A fill that was killed goes on
where it stopped. Inference never reads the cache.
"""

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm
from transformers import PreTrainedModel, Sam2Model
from transformers.modeling_outputs import BaseModelOutputWithPooling

from medreasoner.segmenters.base import Segmenter
from medreasoner.segmenters.sam2 import Encoded, Sam2Segmenter
from medreasoner.segmenters.sam2_model import image_processor, mask_inputs
from train.bf16 import usable_on_cpu
from train.embedded.sam2 import SIDE, load_sam2

BATCH = 4
SHAPES = {"tokens": (16, 16, 768), "high0": (32, 128, 128), "high1": (64, 64, 64), "low": (256, 32, 32)}
MAPS = ("high0", "high1", "low")  # what the mask decoder reads


def content_key(pixel_values: torch.Tensor) -> str:
    """Name of one processed image, (3, 512, 512) float: a hash of every eighth pixel, equal wherever the
    pixels are equal."""
    return hashlib.blake2b(
        pixel_values[:, ::8, ::8].contiguous().float().numpy().tobytes(), digest_size=16
    ).hexdigest()


class FeatureCache:
    """Append-only store of named fp16 arrays, a row per image, in flat files; `keys.txt` is written last, so
    that a row is whole or absent after a kill.

    Args:
        names: of SHAPES, the arrays that `append` writes.
    """

    def __init__(self, folder: str | Path, names: tuple[str, ...] = ("tokens",)) -> None:
        self.folder, self.names = Path(folder), names
        self.folder.mkdir(parents=True, exist_ok=True)
        keys_file = self.folder / "keys.txt"
        keys = keys_file.read_text().split() if keys_file.exists() else []
        self.rows = {key: row for row, key in enumerate(keys)}
        self._maps: dict[str, np.memmap] = {}

    def __contains__(self, key: str) -> bool:
        return key in self.rows

    def get(self, key: str, name: str = "tokens") -> torch.Tensor:
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


class CachedFeatures:
    """The caches of one run, for the VLM's vision tower (`attach`) and for the segmenter (`encode`).

    Args:
        folders: caches that the command of this file filled.
        new_maps: folder of a cache that takes in what the segmenter's encoder makes of images that are in
        none of `folders`.
    """

    def __init__(self, folders: Sequence[str | Path], new_maps: Path | None = None) -> None:
        self.caches = [FeatureCache(folder) for folder in folders]
        self._with_maps = [c for c in self.caches if (c.folder / f"{MAPS[0]}.f16").exists()]
        self._new = None if new_maps is None else FeatureCache(new_maps, MAPS)
        if self._new is not None:
            self._with_maps.append(self._new)

    def attach(self, model: PreTrainedModel) -> None:
        """Let the model's frozen vision tower answer from the caches; images that are not in them are
        encoded."""
        if self.caches:
            remember_features(model.model.vision_tower, self.caches)

    def encode(self, segmenter: Segmenter, image: Image.Image) -> object:
        """What `segmenter.encode(image)` returns, from the caches where they hold it."""
        if not self._with_maps or not isinstance(segmenter, Sam2Segmenter):
            return segmenter.encode(image)
        key = content_key(image_processor(SIDE)(image, return_tensors="pt").pixel_values[0])
        home = next((cache for cache in self._with_maps if key in cache), None)
        if home is None:
            encoded = segmenter.encode(image)
            maps = {name: m[0] for name, m in zip(MAPS, encoded.maps, strict=True)}
            other = any(tuple(m.shape) != SHAPES[name] for name, m in maps.items())  # not a SAM 2 for 512 px
            if other or self._new is None:
                return encoded
            home = self._new
            home.append(key, maps)
        return Encoded([home.get(key, name).float()[None] for name in MAPS], image.size)


def remember_features(tower: torch.nn.Module, caches: list[FeatureCache]) -> None:
    """Let a frozen vision tower answer from the caches; a batch with an image that is not in them is
    encoded."""
    encode = tower.forward

    def forward(pixel_values: torch.Tensor, **kwargs: object) -> BaseModelOutputWithPooling:
        keys = [content_key(p) for p in pixel_values]
        homes = [next((c for c in caches if key in c), None) for key in keys]
        if any(home is None for home in homes):
            return encode(pixel_values, **kwargs)
        tokens = torch.stack(
            [home.get(key).to(pixel_values.dtype) for key, home in zip(keys, homes, strict=True)]
        )
        return BaseModelOutputWithPooling(last_hidden_state=tokens, hidden_states=(None,) * 12 + (tokens,))

    tower.forward = forward


@torch.no_grad()
def encode(sam2: Sam2Model, pixel_values: torch.Tensor) -> list[dict[str, torch.Tensor]]:
    """All cached arrays of each image, pixel_values (B, 3, 512, 512)."""
    out = sam2.vision_encoder(pixel_values)
    maps = mask_inputs(sam2, out.fpn_hidden_states)
    arrays = {"tokens": out.last_hidden_state} | dict(zip(MAPS, maps, strict=True))
    return [{name: array[i] for name, array in arrays.items()} for i in range(len(pixel_values))]


def fill(cache: FeatureCache, sam2: Sam2Model, paths: list[Path]) -> None:
    """Encode the images that are not in the cache yet, in the precision of `sam2`."""
    processor = image_processor(SIDE)
    for start in tqdm(range(0, len(paths), BATCH), desc="features", mininterval=20):
        images = [Image.open(path).convert("RGB") for path in paths[start : start + BATCH]]
        pixels = processor(images, return_tensors="pt").pixel_values
        new = {key: image for image in pixels if (key := content_key(image)) not in cache}
        if new:
            batch = torch.stack(list(new.values())).to(sam2.dtype)
            for key, arrays in zip(new, encode(sam2, batch), strict=True):
                cache.append(key, arrays)


def image_paths(sources: Sequence[str]) -> list[Path]:
    """The JPEG and PNG files below folders, and the paths listed in text files."""
    paths: list[Path] = []
    for source in map(Path, sources):
        if source.is_dir():
            paths += sorted(p for p in source.rglob("*") if p.suffix.lower() in {".jpg", ".jpeg", ".png"})
        else:
            paths += [Path(line) for line in source.read_text().splitlines()]
    return paths


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--images", required=True, nargs="+", help="folders (searched below) or text files of paths"
    )
    parser.add_argument(
        "--sam2", type=Path, required=True, help="safetensors of SAM 2 hiera-tiny, named as in sam2"
    )
    parser.add_argument("--out", required=True)
    parser.add_argument(
        "--mask-inputs", action="store_true", help="also store what the mask decoder reads (2 MB an image)"
    )
    parser.add_argument("--bf16", action="store_true", help="faster, for augmented views only")
    args = parser.parse_args()
    dtype = torch.bfloat16 if usable_on_cpu(args.bf16) else torch.float32
    cache = FeatureCache(args.out, tuple(SHAPES) if args.mask_inputs else ("tokens",))
    fill(cache, load_sam2(args.sam2).to(dtype), image_paths(args.images))


if __name__ == "__main__":
    main()
