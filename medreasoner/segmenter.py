"""The anatomical segmentation module (ASM) as a protocol, and the way to open one.

Is: box + two points -> mask. Is not: any model; those are in `segmenters/`.
"""

from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from medreasoner.geometry import Grounding

MEDSAM2 = "wanglab/MedSAM2"  # the published system's; CC-BY-SA-4.0
# Hub repositories whose weights are one pickled file in the sam2 package's key names
PICKLED = {MEDSAM2: "MedSAM2_latest.pt"}


class Segmenter(Protocol):
    name: str

    def encode(self, image: Image.Image, features: object = None) -> object:
        """Take in an RGB image once, or adopt the `features` of a reasoner that shares this encoder; the result goes to `segment`."""

    def segment(self, encoded: object, grounding: Grounding) -> tuple[np.ndarray, float]:
        """(mask (H, W) bool in the original image's size, predicted IoU 0..1) for box and points in pixels of the original image."""


class SegmenterError(RuntimeError):
    """The segmenter could not be loaded or run; the message says what was expected, what came and what to do."""


def load_segmenter(
    id_or_path: str | Path,
    device: str | None = None,
    tower: object = None,
    revision: str | None = None,
    allow_pickle: bool = False,
    name: str | None = None,
) -> Segmenter:
    """Open a SAM 2 segmenter.

    Args:
        id_or_path: a Hub id or folder of a transformers `Sam2Model`, with or without its own vision encoder, or one `.safetensors` or
            `.pt` file in the `sam2` package's key names (MedSAM2's layout), which runs through that package.
        device: "cpu", "cuda" or "mps"; None takes a GPU if there is one. A shared `tower` stays where it is and decides.
        tower: the vision encoder of a reasoner, for a folder without its own.
        revision: branch, tag or commit on the Hub.
        allow_pickle: read a `.pt` file. Only tensors are unpickled then, but safetensors are the better choice.
        name: for records, instead of `id_or_path`.

    Errors: SegmenterError.
    """
    from medreasoner.hub import HubError, fetch_file, fetch_folder

    name, path = name or str(id_or_path), Path(id_or_path).expanduser()
    try:
        if str(id_or_path) in PICKLED:
            path, allow_pickle = fetch_file(str(id_or_path), PICKLED[str(id_or_path)], revision), True
        elif not path.is_file():
            path = fetch_folder(id_or_path, revision)
    except HubError as error:
        raise SegmenterError(str(error)) from error
    if path.is_dir():
        from medreasoner.segmenters.sam2_shared import Sam2Segmenter

        return Sam2Segmenter.load(path, name, device, tower)
    from medreasoner.segmenters.sam2_package import PackageSegmenter

    return PackageSegmenter.load(path, name, device, allow_pickle)
