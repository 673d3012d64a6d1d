"""Cached outputs of the frozen SAM 2 image encoder, so that training never encodes an image twice, and the
command that fills the cache.

    python -m train.embedded.features --images DIR --sam2 FILE --out runs/features --stage-3
    # for the VLM
    python -m train.embedded.features --images DIR --sam2 FILE --out runs/features --stage-3 --mask-inputs
    # for both

Per image, fp16, at 512 px: with --stage-3 `stage3` (32, 32, 384), the output of the encoder's third stage,
0.8 MB; with --mask-inputs `high0` (32, 128, 128), `high1` (64, 64, 64) and `low` (256, 32, 32), the three
maps the mask decoder reads (after its own 1x1 convolutions and the no-memory embedding), 1.7 MB. Both
together take about 0.5 s an image on 2 CPU cores, --stage-3 alone a quarter less. A fill that was killed goes
on where it stopped. Inference never reads the cache.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from tqdm import tqdm
from transformers import PreTrainedModel, Sam2Model, Sam2VisionModel
from transformers.modeling_outputs import BaseModelOutputWithPooling

from medreasoner.reasoners.embedded import MedReasonerForConditionalGeneration
from medreasoner.reasoners.image_projector import STAGE_3
from medreasoner.segmenters.base import Segmenter
from medreasoner.segmenters.sam2 import Encoded, Sam2Segmenter
from medreasoner.segmenters.sam2_model import image_processor, mask_inputs
from train.embedded.feature_cache import MAPS, SHAPES, STAGE_3_NAME, FeatureCache, content_key
from train.embedded.sam2 import SIDE, load_sam2

BATCH = 4


class CachedFeatures:
    """The caches of one run, for the VLM's vision tower (`attach`) and for the segmenter (`encode`).

    Args:
        folders: caches that the command of this file filled.
        new_maps: folder of a cache that takes in what the segmenter's encoder makes of images that are in
            none of `folders`.
    """

    def __init__(self, folders: Sequence[str | Path], new_maps: Path | None = None) -> None:
        caches = [FeatureCache(folder, ()) for folder in folders]
        self._with_stage_3 = [cache for cache in caches if cache.holds(STAGE_3_NAME)]
        self._with_maps = [cache for cache in caches if cache.holds(MAPS[0])]
        self._new = None if new_maps is None else FeatureCache(new_maps, MAPS)
        if self._new is not None:
            self._with_maps.append(self._new)

    def attach(self, model: PreTrainedModel) -> None:
        """Let the model's frozen vision tower answer from the caches; images that are not in them are
        encoded. The third stage is what the second architecture reads; of the first the rest is run.
        """
        tower = model.model.vision_tower
        width = tower.config.backbone_config.embed_dim_per_stage[-2]
        if self._with_stage_3 and width == SHAPES[STAGE_3_NAME][-1]:
            whole = not isinstance(model, MedReasonerForConditionalGeneration)
            remember_features(tower, self._with_stage_3, whole)

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


def stage_3_of(tower: Sam2VisionModel, pixel_values: torch.Tensor) -> torch.Tensor:
    """The tower's map after its third stage, (B, 32, 32, 384), of pixel_values (B, 3, 512, 512); the rest of
    it is not run.
    """
    backbone = tower.backbone
    states = backbone.patch_embed(pixel_values)
    states = states + backbone._get_pos_embed(states.shape[1:3])
    for block in backbone.blocks[:STAGE_3]:
        states = block(states)
    return states


def remember_features(tower: torch.nn.Module, caches: list[FeatureCache], whole: bool) -> None:
    """Let a frozen vision tower answer with the third stage's output from the caches, and with those of the
    blocks after it if `whole`.

    A batch with an image that is not in them is encoded.
    """
    encode = tower.forward

    def forward(pixel_values: torch.Tensor, **kwargs: object) -> BaseModelOutputWithPooling:
        keys = [content_key(p) for p in pixel_values]
        homes = [next((c for c in caches if key in c), None) for key in keys]
        if any(home is None for home in homes):
            return encode(pixel_values, **kwargs)
        maps = [home.get(key, STAGE_3_NAME).float() for key, home in zip(keys, homes, strict=True)]
        stage_3 = torch.stack(maps).to(pixel_values.device, pixel_values.dtype)
        states = [stage_3]
        for block in tower.backbone.blocks[STAGE_3:] if whole else ():
            states.append(block(states[-1]))
        return BaseModelOutputWithPooling(hidden_states=(*(None,) * STAGE_3, *states))

    tower.forward = forward


@torch.no_grad()
def encode(
    sam2: Sam2Model, pixel_values: torch.Tensor, names: Sequence[str]
) -> list[dict[str, torch.Tensor]]:
    """The arrays `names` (of SHAPES) of each image, pixel_values (B, 3, 512, 512)."""
    if set(names) == {STAGE_3_NAME}:
        arrays = {STAGE_3_NAME: stage_3_of(sam2.vision_encoder, pixel_values)}
    else:
        out = sam2.vision_encoder(pixel_values, output_hidden_states=True)
        maps = mask_inputs(sam2, out.fpn_hidden_states)
        arrays = {STAGE_3_NAME: out.hidden_states[STAGE_3]} | dict(zip(MAPS, maps, strict=True))
    return [{name: arrays[name][i] for name in names} for i in range(len(pixel_values))]


def fill(cache: FeatureCache, sam2: Sam2Model, paths: list[Path], bf16: bool = False) -> None:
    """Encode the images that are not in the cache yet; with `bf16` matrix products are computed in it."""
    processor = image_processor(SIDE)
    for start in tqdm(range(0, len(paths), BATCH), desc="features", mininterval=20):
        images = [Image.open(path).convert("RGB") for path in paths[start : start + BATCH]]
        pixels = processor(images, return_tensors="pt").pixel_values
        new = {key: image for image in pixels if (key := content_key(image)) not in cache}
        if new:
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                arrays = encode(sam2, torch.stack(list(new.values())), cache.names)
            for key, each in zip(new, arrays, strict=True):
                cache.append(key, each)


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
    parser.add_argument("--stage-3", action="store_true", help="store what the VLM reads (0.8 MB an image)")
    parser.add_argument(
        "--mask-inputs", action="store_true", help="store what the mask decoder reads (1.7 MB an image)"
    )
    parser.add_argument(
        "--bf16", action="store_true", help="compute in bfloat16: twice as fast where the CPU has it"
    )
    args = parser.parse_args()
    names = (STAGE_3_NAME,) * args.stage_3 + MAPS * args.mask_inputs
    if not names:
        parser.error("nothing to store: give --stage-3, --mask-inputs or both")
    fill(FeatureCache(args.out, names), load_sam2(args.sam2), image_paths(args.images), args.bf16)


if __name__ == "__main__":
    main()
