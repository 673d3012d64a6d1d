"""A finished run as files, the same from the command line and from the page.

`grounding.json`, `mask.png`, `overlay.png`, and the mask in the source's own format where that has one:
`mask.nii.gz` in the grid of a NIfTI volume, `mask.dcm` (DICOM-SEG) for a DICOM image. Each carries the
research-only notice.
"""

import io
import os
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from medreasoner.events import Absent, Done
from medreasoner.imaging import LoadedImage
from medreasoner.output.grounding_json import MASK_FILE, NO_PROVENANCE, Provenance, dumps
from medreasoner.output.overlay import overlay
from medreasoner.text.targets import named_target

if TYPE_CHECKING:
    from medreasoner.output.dicom_seg import SegFile

JSON, MASK, OVERLAY, NIFTI, DICOM_SEG = "grounding.json", MASK_FILE, "overlay.png", "mask.nii.gz", "mask.dcm"
OWN_FORMAT = {"NIfTI": NIFTI, "DICOM": DICOM_SEG}  # LoadedImage.kind -> the mask's file in it


class ExportError(ValueError):
    """This file cannot be made of this run; the message is one sentence that says why."""


def file_names(loaded: LoadedImage, found: bool = True) -> tuple[str, ...]:
    """The files that a run on this image can be taken home as; where nothing was found, the JSON alone."""
    if not found:
        return (JSON,)
    own = OWN_FORMAT.get(loaded.kind)
    return (JSON, MASK, OVERLAY) if own is None else (JSON, MASK, OVERLAY, own)


def export_file(
    name: str,
    done: Done | Absent,
    loaded: LoadedImage,
    provenance: Provenance = NO_PROVENANCE,
    truth: np.ndarray | None = None,
    more: Mapping[str, object] | None = None,
) -> bytes:
    """One of `file_names(loaded)`.

    Args:
        truth: (H, W) bool, the target's outline, drawn on the overlay.
        more: further values for the JSON.

    Returns: the contents of the file; the mask's PNG is 0/255 grey in the original image's size.
    Errors: ExportError (of DICOM-SEG alone); KeyError for any other name.
    """
    if name == JSON:
        return dumps(done, loaded, provenance, more).encode("ascii")
    if name == MASK:
        return _png(Image.fromarray(done.mask.astype(np.uint8) * 255), done.notice)
    if name == OVERLAY:
        return _png(overlay(loaded.image, done.grounding, done.mask, truth), done.notice)
    if name != OWN_FORMAT.get(loaded.kind):
        raise KeyError(name)
    return _nifti(done, loaded) if name == NIFTI else _dicom_seg(done, loaded).data


def export_all(
    done: Done | Absent,
    loaded: LoadedImage,
    provenance: Provenance = NO_PROVENANCE,
    truth: np.ndarray | None = None,
    more: Mapping[str, object] | None = None,
) -> dict[str, bytes]:
    """All of `file_names(loaded)`, name -> contents, see `export_file`.

    One that cannot be made is left out. The JSON's `left_out` says so, and what the DICOM-SEG guesses or
    lacks.
    """
    made, left_out = {JSON: b""}, []
    for name in file_names(loaded, done.found)[1:]:
        try:
            if name == DICOM_SEG:
                made[name], notes = _dicom_seg(done, loaded)
                left_out += [f"{name}: {note}" for note in notes]
            else:
                made[name] = export_file(name, done, loaded, provenance, truth)
        except ExportError as error:
            left_out.append(f"{name}: {error}")
    made[JSON] = export_file(JSON, done, loaded, provenance, more={"left_out": left_out, **(more or {})})
    return made


def save(
    done: Done | Absent,
    image: Image.Image | LoadedImage,
    folder: Path,
    provenance: Provenance = NO_PROVENANCE,
) -> tuple[Path, ...]:
    """Write the files into `folder`, which is made where it is missing.

    All are made before the first is written, so that nothing of an earlier run is lost to an error. A file of
    another run that this one does not write is taken away: it would belong to another image or question.

    Args:
        image: the picture that was asked about; as a `LoadedImage` it brings the mask in its source's own
            format.

    Returns: their paths: JSON, mask, overlay, and the mask in the source's own format where it has one.
    """
    loaded = image if isinstance(image, LoadedImage) else LoadedImage(image, "image")
    made = export_all(done, loaded, provenance)
    folder.mkdir(parents=True, exist_ok=True)
    write_together(folder, made)
    for name in {MASK, OVERLAY, *OWN_FORMAT.values()} - set(made):
        (folder / name).unlink(missing_ok=True)
    return tuple(folder / name for name in made)


def write_together(folder: Path, files: Mapping[str, bytes]) -> None:
    """Put the files into `folder`, or, where the disk is full before all are written, none of them."""
    fresh = {folder / name: folder / f".{name}.{os.getpid()}" for name in files}
    try:
        for beside, data in zip(fresh.values(), files.values(), strict=True):
            beside.write_bytes(data)
        for path, beside in fresh.items():
            beside.replace(path)
    finally:
        for beside in fresh.values():
            beside.unlink(missing_ok=True)


def _png(image: Image.Image, notice: str) -> bytes:
    file, texts = io.BytesIO(), PngInfo()
    texts.add_text("Description", notice)
    image.save(file, "PNG", pnginfo=texts)
    return file.getvalue()


def _nifti(done: Done, loaded: LoadedImage) -> bytes:
    return loaded.source.mask_file(done.mask, done.notice)


def _dicom_seg(done: Done, loaded: LoadedImage) -> "SegFile":
    from medreasoner.output.dicom_seg import Algorithm, SegError, segmentation_file

    try:
        target = named_target(done.think) or "Target of the question"
        algorithm = Algorithm(done.model, done.segmenter, done.notice, release(), target)
        return segmentation_file(loaded.source, done.mask, algorithm)
    except SegError as error:
        raise ExportError(str(error)) from error


def release() -> str:
    """The version of this package."""
    try:
        return version("medreasoner")
    except PackageNotFoundError:  # run from its folder, without being installed
        return "unknown"
