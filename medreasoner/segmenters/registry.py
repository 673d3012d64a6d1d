"""Opens a segmenter by its name: a Hub id, a folder or a file of weights.

`upstream-compat:NAME` runs NAME as the published evaluation did: MedSAM2 at 1024 pixels though it was trained
at 512, MedSAM with SAM's preprocessing and the best of three masks.
"""

from pathlib import Path

from medreasoner.device import pick_device
from medreasoner.hub.errors import HubError
from medreasoner.hub.pull import cache_folder, commit_of, fetch_file, fetch_folder
from medreasoner.json_files import read_json
from medreasoner.manifest import EMBEDDED_FOLDER, EMBEDDED_NAME
from medreasoner.messages import first_line
from medreasoner.segmenters.base import MEDSAM2, Segmenter, SegmenterError

# Hub repositories whose weights are one pickled file in the sam2 package's tensor names -> the file, its
# SHA-256. It is converted once, only tensors are read, and another content under its name is opened only with
# `allow_pickle`. The hash is the one that projects which pin this file state alike, for 156,040,129 bytes at
# commit e4a6f35edd7e091619cbc0750f462f1574e23955.
PICKLED = {MEDSAM2: ("MedSAM2_latest.pt", "c92743b99f00d078bf32a3afcc38aaa9faf1c1692dffe3eaa7a90938c1991060")}
EMBEDDED_SEGMENTER = EMBEDDED_FOLDER / "segmenter"
COMPAT = "upstream-compat:"  # before a name: as the published evaluation ran it


def load_segmenter(
    id_or_path: str | Path | None = None,
    device: str | None = None,
    tower: object = None,
    revision: str | None = None,
    allow_pickle: bool = False,
    name: str | None = None,
) -> Segmenter:
    """Open a segmenter.

    Args:
        id_or_path: a Hub id or folder of a transformers `Sam2Model`, with or without its own vision encoder,
            of SAM, MedSAM or SAM 3; or one `.safetensors` or `.pt` file in the `sam2` package's tensor names
            (MedSAM2's layout), which runs through that package. "embedded" is the one that comes with this
            package. After `upstream-compat:` it runs the way the published evaluation ran it. None takes
            MedSAM2 from the Hub or, where the Hub cannot be reached, the embedded one.
        device: "cpu", "cuda" or "mps"; None takes a GPU if there is one. A shared `tower` stays where it is
            and decides.
        tower: the vision encoder of a reasoner, for a folder without its own.
        revision: branch, tag or commit on the Hub.
        allow_pickle: read a `.pt` file that one names, or another MedSAM2 than the one whose SHA-256 is
            known. Only tensors are unpickled then, but safetensors are the better choice.
        name: for records, instead of `id_or_path`.

    Errors: SegmenterError.
    """
    try:
        device = pick_device(device)
    except ValueError as error:
        raise SegmenterError(str(error)) from error
    if id_or_path is None:
        try:
            return load_segmenter(MEDSAM2, device, None, revision, allow_pickle, name)
        except SegmenterError as error:
            if not error.unreachable or not EMBEDDED_SEGMENTER.is_dir():
                raise
            id_or_path = EMBEDDED_NAME
    if str(id_or_path) == EMBEDDED_NAME:
        name = name or f"{EMBEDDED_NAME}/{EMBEDDED_SEGMENTER.name}"
    name = name or str(id_or_path)
    compat = str(id_or_path).startswith(COMPAT)
    source = str(full_name(id_or_path)).removeprefix(COMPAT)
    path = _fetch(source, revision)
    if path.is_dir():
        segmenter = _open_folder(path, name, device, tower, compat)
    else:
        segmenter = _open_file(path, source, name, device, allow_pickle=allow_pickle, compat=compat)
    segmenter.revision = commit_of(path)
    return segmenter


def full_name(id_or_path: str | Path) -> str | Path:
    """`id_or_path`, the short name "embedded" replaced by the folder it stands for."""
    return EMBEDDED_SEGMENTER if str(id_or_path) == EMBEDDED_NAME else id_or_path


def _fetch(source: str, revision: str | None) -> Path:
    """The folder or file of `source` on this machine. Errors: SegmenterError."""
    path = Path(source).expanduser()
    try:
        if source in PICKLED:
            return fetch_file(source, PICKLED[source][0], revision)
        return path if path.is_file() else fetch_folder(source, revision)
    except HubError as error:
        raise SegmenterError(str(error), error.unreachable) from error


def _open_folder(folder: Path, name: str, device: str, tower: object, compat: bool) -> Segmenter:
    """The segmenter of a folder, by the `model_type` of its config.json. Errors: SegmenterError."""
    from medreasoner.segmenters.sam import MODELS, SamSegmenter
    from medreasoner.segmenters.sam2 import Sam2Segmenter

    try:
        model_type = read_json(folder / "config.json").get("model_type")
    except (OSError, ValueError) as error:
        raise SegmenterError(f"{folder} is not a usable segmenter: {first_line(error)}") from error
    if model_type in MODELS:
        return SamSegmenter.load(folder, name, device, compat)
    return Sam2Segmenter.load(folder, name, device, tower)


def _open_file(
    path: Path, source: str, name: str, device: str, *, allow_pickle: bool, compat: bool
) -> Segmenter:
    """The segmenter of one weights file, through the `sam2` package. Errors: SegmenterError."""
    try:
        from medreasoner.segmenters.pickled import as_safetensors
        from medreasoner.segmenters.sam2_package import PackageSegmenter
    except ModuleNotFoundError as error:
        raise SegmenterError(
            f"{name} runs through the package sam2, which is not installed; after torch, run: "
            "SAM2_BUILD_CUDA=0 pip install --no-build-isolation sam2==1.1.0"
        ) from error
    if source in PICKLED:
        sha256 = None if allow_pickle else PICKLED[source][1]
        path, allow_pickle = as_safetensors(path, cache_folder() / "segmenters", sha256), True
    return PackageSegmenter.load(path, name, device, allow_pickle, upstream=compat)
