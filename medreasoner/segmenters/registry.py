"""Opens a segmenter by its name: which implementation runs a Hub id, a folder or a file of weights.

`upstream-compat:NAME` runs NAME as the published evaluation did: MedSAM2 at 1024 pixels though it was trained at 512, MedSAM with SAM's
preprocessing and the best of three masks.
"""

from pathlib import Path

from medreasoner.device import pick_device
from medreasoner.hub.errors import HubError
from medreasoner.hub.pull import cache_folder, commit_of, fetch_file, fetch_folder
from medreasoner.json_files import read_json
from medreasoner.messages import first_line
from medreasoner.segmenters.base import MEDSAM2, Segmenter, SegmenterError

# Hub repositories whose weights are one pickled file in the sam2 package's key names -> the file, its SHA-256. It is converted once, only
# tensors are read, and another content under its name is opened only with `allow_pickle`. The hash is the one that projects which pin this
# file state alike, for 156,040,129 bytes at commit e4a6f35edd7e091619cbc0750f462f1574e23955.
PICKLED = {MEDSAM2: ("MedSAM2_latest.pt", "c92743b99f00d078bf32a3afcc38aaa9faf1c1692dffe3eaa7a90938c1991060")}
COMPAT = "upstream-compat:"  # before a name: as the published evaluation ran it


def open_folder(
    folder: Path, name: str, device: str, tower: object = None, compat: bool = False
) -> Segmenter:
    """The segmenter of a folder, by the `model_type` of its config.json. Errors: SegmenterError."""
    from medreasoner.segmenters.sam import MODELS, SamSegmenter
    from medreasoner.segmenters.sam2 import Sam2Segmenter

    try:
        kind = read_json(folder / "config.json").get("model_type")
    except (OSError, ValueError) as error:
        raise SegmenterError(f"{folder} is not a usable segmenter: {first_line(error)}") from error
    if kind in MODELS:
        return SamSegmenter.load(folder, name, device, compat)
    return Sam2Segmenter.load(folder, name, device, tower)


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
    compat, name = str(id_or_path).startswith(COMPAT), name or str(id_or_path)
    id_or_path = str(id_or_path).removeprefix(COMPAT)
    path = Path(id_or_path).expanduser()
    try:
        device = pick_device(device)
    except ValueError as error:
        raise SegmenterError(str(error)) from error
    pickled, sha256 = PICKLED.get(str(id_or_path), (None, None))
    try:
        if pickled is not None:
            path = fetch_file(str(id_or_path), pickled, revision)
        elif not path.is_file():
            path = fetch_folder(id_or_path, revision)
    except HubError as error:
        raise SegmenterError(str(error), error.unreachable) from error
    if path.is_dir():
        segmenter = open_folder(path, name, device, tower, compat)
        segmenter.revision = commit_of(path)
        return segmenter
    try:
        from medreasoner.segmenters.pickled import as_safetensors
        from medreasoner.segmenters.sam2_package import PackageSegmenter, open_upstream
    except ModuleNotFoundError as error:
        raise SegmenterError(
            f"{name} runs through the package sam2, which is not installed; after torch, run: "
            "SAM2_BUILD_CUDA=0 pip install --no-build-isolation sam2==1.1.0"
        ) from error

    weights = (
        path
        if pickled is None
        else as_safetensors(path, cache_folder() / "segmenters", None if allow_pickle else sha256)
    )
    if compat:
        segmenter = open_upstream(weights, name, device)
    else:
        segmenter = PackageSegmenter.load(weights, name, device, allow_pickle or pickled is not None)
    segmenter.revision = commit_of(path)
    return segmenter
