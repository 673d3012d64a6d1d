"""Fuzzes what reads image files: pictures, NIfTI, masks and DICOM."""

import io
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from bench.fuzz_inputs import damaged
from bench.fuzz_target import Target
from medreasoner.imaging import ImageError, load_image
from medreasoner.imaging.anonymous import without_names
from medreasoner.imaging.mask_file import MaskError, read_mask_image


class Images(Target):
    """Damaged pictures of every raster format, and NIfTI; what is kept of one is read, too."""

    refusals = (ImageError, MemoryError)

    def __init__(self) -> None:
        self._seeds = self._made()

    def _made(self) -> Sequence[bytes]:
        import nibabel

        grey = np.add.outer(np.arange(40), 3 * np.arange(50))
        deep, colour = (
            Image.fromarray((grey * 50).astype(np.uint16)),
            Image.fromarray(grey.astype(np.uint8)),
        )
        frames = {
            "save_all": True,
            "append_images": [colour.transpose(Image.Transpose.FLIP_LEFT_RIGHT)] * 2,
        }
        kinds = (
            *(
                (colour, "PNG", {}),
                (deep, "PNG", {}),
                (colour.convert("RGBA"), "PNG", {}),
                (deep, "TIFF", {}),
            ),
            *(
                (colour, "JPEG", {}),
                (colour.convert("RGB"), "JPEG", {"progressive": True}),
                (colour, "BMP", {}),
            ),
            *(
                (colour, "GIF", frames),
                (colour.convert("RGB"), "WEBP", frames),
                (colour, "TIFF", frames),
            ),
            *(
                (colour, "TIFF", {"compression": "tiff_lzw"}),
                (colour, "JPEG2000", {}),
                (colour, "PPM", {}),
            ),
        )
        seeds = []
        for image, kind, options in kinds:
            file = io.BytesIO()
            image.save(file, kind, **options)
            seeds.append(file.getvalue())
        for family in (nibabel.Nifti1Image, nibabel.Nifti2Image):
            seeds.append(
                family(np.arange(20 * 24 * 18, dtype=np.int16).reshape(20, 24, 18), np.eye(4)).to_bytes()
            )
        return seeds

    def attack(self, rng: random.Random) -> None:
        data = damaged(rng.choice(self._seeds), rng)
        loaded = load_image(data)
        assert loaded.image.mode == "RGB"
        kept = without_names(data)
        assert not kept or load_image(kept).image.size == loaded.image.size


class Dicom(Images):
    """Damaged DICOM files that pydicom brings."""

    def _made(self) -> Sequence[bytes]:
        from pydicom.data import get_testdata_files

        files = [Path(path) for path in get_testdata_files("*.dcm")]
        return [path.read_bytes() for path in files if path.is_file() and path.stat().st_size < 100_000]


class Masks(Images):
    """Damaged mask files."""

    refusals = (MaskError, MemoryError)

    def attack(self, rng: random.Random) -> None:
        read_mask_image(damaged(rng.choice(self._seeds), rng))
