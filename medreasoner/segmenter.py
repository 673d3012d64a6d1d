"""The anatomical segmentation module (ASM) as a protocol, and the way to open one.

Is: box + two points -> mask. Is not: any model; those are in `segmenters/`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from medreasoner.geometry import Grounding

MEDSAM2 = "wanglab/MedSAM2"  # the published system's; CC-BY-SA-4.0
# Hub repositories whose weights are one pickled file in the sam2 package's key names -> the file, its SHA-256. It is converted once, only
# tensors are read, and another content under its name is opened only with `allow_pickle`. The hash is the one that projects which pin this
# file state alike, for 156,040,129 bytes at commit e4a6f35edd7e091619cbc0750f462f1574e23955.
PICKLED = {MEDSAM2: ("MedSAM2_latest.pt", "c92743b99f00d078bf32a3afcc38aaa9faf1c1692dffe3eaa7a90938c1991060")}


Click = tuple[float, float, bool]  # x, y in pixels of the original image; True: this belongs to the target, False: it does not


PROMPTS = ("both", "box", "points")  # what a segmenter may be shown; one whose `draws_from` does not say otherwise needs both
COMPAT = "upstream-compat:"  # before a name: as the published evaluation ran it, see segmenters/choose.py


class Segmenter(Protocol):
    name: str
    revision: str | None  # commit on the Hub that the weights come from, None for local ones

    def encode(self, image: Image.Image, features: object = None) -> object:
        """Take in an RGB image once, or adopt the `features` of a reasoner that shares this encoder; the result goes to `segment`."""

    def segment(self, encoded: object, grounding: Grounding, clicks: Sequence[Click] = ()) -> tuple[np.ndarray, float]:
        """(mask (H, W) bool in the original image's size, predicted IoU 0..1) for box and points in pixels of the original image, and what
        a person has clicked besides."""


class SegmenterError(RuntimeError):
    """The segmenter could not be loaded or run; the message says what was expected, what came and what to do. `unreachable` is True when
    the Hub did not answer, so that another source may be tried."""

    def __init__(self, message: str, unreachable: bool = False):
        super().__init__(message)
        self.unreachable = unreachable


def load_segmenter(
    id_or_path: str | Path,
    device: str | None = None,
    tower: object = None,
    revision: str | None = None,
    allow_pickle: bool = False,
    name: str | None = None,
) -> Segmenter:
    """Open a segmenter.

    Args:
        id_or_path: a Hub id or folder of a transformers `Sam2Model`, with or without its own vision encoder, of SAM, MedSAM or SAM 3, or
            one `.safetensors` or `.pt` file in the `sam2` package's key names (MedSAM2's layout), which runs through that package;
            after `upstream-compat:` the way the published evaluation ran it.
        device: "cpu", "cuda" or "mps"; None takes a GPU if there is one. A shared `tower` stays where it is and decides.
        tower: the vision encoder of a reasoner, for a folder without its own.
        revision: branch, tag or commit on the Hub.
        allow_pickle: read a `.pt` file that one names, or another MedSAM2 than the one whose SHA-256 is known. Only tensors are unpickled
            then, but safetensors are the better choice.
        name: for records, instead of `id_or_path`.

    Errors: SegmenterError.
    """
    from medreasoner.hub import HubError, cache_folder, commit_of, fetch_file, fetch_folder

    compat, name = str(id_or_path).startswith(COMPAT), name or str(id_or_path)
    id_or_path = str(id_or_path).removeprefix(COMPAT)
    path = Path(id_or_path).expanduser()
    pickled, sha256 = PICKLED.get(str(id_or_path), (None, None))
    try:
        if pickled is not None:
            path = fetch_file(str(id_or_path), pickled, revision)
        elif not path.is_file():
            path = fetch_folder(id_or_path, revision)
    except HubError as error:
        raise SegmenterError(str(error), error.unreachable) from error
    if path.is_dir():
        from medreasoner.segmenters.choose import open_folder

        segmenter = open_folder(path, name, device, tower, compat)
        segmenter.revision = commit_of(path)
        return segmenter
    try:
        from medreasoner.segmenters.choose import open_upstream
        from medreasoner.segmenters.convert import as_safetensors
        from medreasoner.segmenters.sam2_package import PackageSegmenter
    except ModuleNotFoundError as error:
        raise SegmenterError(
            f"{name} runs through the package sam2, which is not installed; after torch, run: "
            "SAM2_BUILD_CUDA=0 pip install --no-build-isolation sam2==1.1.0"
        ) from error

    weights = path if pickled is None else as_safetensors(path, cache_folder() / "segmenters", None if allow_pickle else sha256)
    if compat:
        segmenter = open_upstream(weights, name, device)
    else:
        segmenter = PackageSegmenter.load(weights, name, device, allow_pickle or pickled is not None)
    segmenter.revision = commit_of(path)
    return segmenter
