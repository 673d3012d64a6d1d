"""COCO's compressed run-length encoding (RLE) of a mask, as pycocotools reads and writes it."""

import numpy as np
from pycocotools import mask as coco


def mask_to_rle(mask: np.ndarray) -> dict[str, object]:
    """(H, W) bool -> {"size": [height, width], "counts": ASCII text}, which JSON can hold."""
    encoded = coco.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": [int(side) for side in encoded["size"]], "counts": encoded["counts"].decode("ascii")}


def rle_to_mask(rle: dict[str, object]) -> np.ndarray:
    """The mask (H, W) bool of what `mask_to_rle` returns."""
    return coco.decode(rle).astype(bool)
