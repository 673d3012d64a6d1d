"""A finished run as files, the same from the command line and from the page.

Is: `grounding.json`, `mask.png`, `overlay.png`, and the mask in the source's own format where that has one: `mask.nii.gz` in the grid of a
NIfTI volume, `mask.dcm` (DICOM-SEG) for a DICOM image. Each carries the research-only notice.
Is not: drawing (`draw.py`), nor the two medical formats (`nifti.py`, `dicom_seg.py`), which are imported only when they are written.
"""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from medreasoner.events import Absent, Done
from medreasoner.imaging import LoadedImage
from medreasoner.output.overlay import overlay
from medreasoner.output.rle import mask_to_rle
from medreasoner.prompts import Prompt

JSON, MASK, OVERLAY, NIFTI, DICOM_SEG = "grounding.json", "mask.png", "overlay.png", "mask.nii.gz", "mask.dcm"
OWN_FORMAT = {"NIfTI": NIFTI, "DICOM": DICOM_SEG}  # Loaded.kind -> the mask's file in it


class ExportError(ValueError):
    """This file cannot be made of this run; the message is one sentence that says why."""


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class Provenance:
    """What made a run, beyond what its events say; None where the caller does not know.

    Args:
        model_revision, segmenter_revision: commits of their repositories.
        prompt_sha256: of the model's prompt, see `prompt_sha256`.
        created: UTC, ISO 8601 to the second.
    """

    question: str | None = None
    model_revision: str | None = None
    segmenter_revision: str | None = None
    prompt_sha256: str | None = None
    created: str = field(default_factory=_now)

    @staticmethod
    def of(
        prompt: Prompt,
        question: str | None = None,
        model_revision: str | None = None,
        segmenter_revision: str | None = None,
    ) -> "Provenance":
        """Of a run that is made now."""
        return Provenance(question, model_revision, segmenter_revision, prompt_sha256(prompt))


NO_PROVENANCE = Provenance(created="")


def prompt_sha256(prompt: Prompt) -> str:
    """SHA-256 of the prompt as JSON with sorted keys: the same for everybody who asks in the same words."""
    return hashlib.sha256(json.dumps(asdict(prompt), sort_keys=True).encode("ascii")).hexdigest()


def as_json(
    done: Done | Absent,
    loaded: LoadedImage | None = None,
    provenance: Provenance = NO_PROVENANCE,
    more: Mapping[str, object] | None = None,
) -> dict:
    """The run as plain JSON values. `found` says whether the model located a target; where it did not, box, points and mask are null.
    Coordinates are pixels of the original image: `box_xyxy` half-open, `points_xy` two [x, y],
    `image_wh` [width, height]; `mask` is the name of the mask's file beside it; `mask_rle` the mask itself in COCO's run-length code
    ({"size": [height, width], "counts": text}, as pycocotools reads it); `timings_s` are seconds; `coordinate_probability` as in `Done`.

    Args:
        loaded: adds what the image came as, which view of it was asked about (`images.load_image` takes the same) and `spacing_mm`.
        more: further values of the caller's.
    """
    return {
        "found": done.found,
        "think": done.think,
        "image_wh": list(done.image_wh),
        **(_place(done) if isinstance(done, Done) else dict.fromkeys(_PLACE)),
        "confidence": done.confidence,
        "model": done.model,
        "model_revision": provenance.model_revision,
        "segmenter": done.segmenter,
        "segmenter_revision": provenance.segmenter_revision,
        "prompt_sha256": provenance.prompt_sha256,
        "question": provenance.question,
        "created": provenance.created or None,
        "timings_s": done.timings_s,
        "answer_text": done.answer_text,
        "kind": loaded and loaded.kind,
        "view": loaded and asdict(loaded.view),
        "spacing_mm": loaded and loaded.spacing_mm and list(loaded.spacing_mm),
        "orientation": loaded and loaded.orientation and list(loaded.orientation),
        "left_out": [],
        "notice": done.notice,
        **(more or {}),
    }


_PLACE = ("box_xyxy", "points_xy", "mask", "mask_rle", "mask_score", "coordinate_probability")


def _place(done: Done) -> dict:
    """Box, points and mask of a run as JSON values, under the keys of `_PLACE`."""
    box, points = list(done.grounding.box), [list(point) for point in done.grounding.points]
    values = (box, points, MASK, mask_to_rle(done.mask), done.mask_score, done.coordinate_probability)
    return dict(zip(_PLACE, values, strict=True))


def dumps(
    done: Done | Absent,
    loaded: LoadedImage | None = None,
    provenance: Provenance = NO_PROVENANCE,
    more: Mapping[str, object] | None = None,
) -> str:
    """`as_json` as text in plain ASCII, so that it is the same on every terminal, ending in a newline."""
    return json.dumps(as_json(done, loaded, provenance, more), allow_nan=False, indent=1) + "\n"


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
    """One of `file_names(loaded)`. `truth` (H, W) bool is drawn on the overlay, `more` goes into the JSON.

    The mask's PNG is 0/255 grey in the original image's size. Errors: ExportError (of DICOM-SEG alone); KeyError for any other name.
    """
    if name == JSON:
        return dumps(done, loaded, provenance, more).encode("ascii")
    if name == MASK:
        return _png(Image.fromarray(done.mask.astype(np.uint8) * 255), done.notice)
    if name == OVERLAY:
        return _png(overlay(loaded.image, done.grounding, done.mask, truth), done.notice)
    if name != OWN_FORMAT.get(loaded.kind):
        raise KeyError(name)
    return _nifti(done, loaded) if name == NIFTI else _dicom_seg(done, loaded)


def export_all(
    done: Done | Absent,
    loaded: LoadedImage,
    provenance: Provenance = NO_PROVENANCE,
    truth: np.ndarray | None = None,
    more: Mapping[str, object] | None = None,
) -> dict[str, bytes]:
    """All of `file_names(loaded)`, name -> contents, see `export_file`. One that cannot be made is left out, and the JSON's `left_out` says why."""
    made, left_out = {JSON: b""}, []
    for name in file_names(loaded, done.found)[1:]:
        try:
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
    """Write the files into `folder`, which is made where it is missing; returns their paths: JSON, mask, overlay, and the mask in the
    source's own format where it has one and `image` is a `LoadedImage`. `image` is the picture that was asked about.

    All are made before the first is written, so that nothing of an earlier run is lost to an error. A file of another
    run that this one does not write is taken away: it would belong to another image or question.
    """
    made = export_all(
        done, image if isinstance(image, LoadedImage) else LoadedImage(image, "image"), provenance
    )
    folder.mkdir(parents=True, exist_ok=True)
    for name in {MASK, OVERLAY, *OWN_FORMAT.values()} - set(made):
        (folder / name).unlink(missing_ok=True)
    for name, data in made.items():
        (folder / name).write_bytes(data)
    return tuple(folder / name for name in made)


def _png(image: Image.Image, notice: str) -> bytes:
    out, words = io.BytesIO(), PngInfo()
    words.add_text("Description", notice)
    image.save(out, "PNG", pnginfo=words)
    return out.getvalue()


def _nifti(done: Done, loaded: LoadedImage) -> bytes:
    return loaded.source.mask_file(done.mask, done.notice)


def _dicom_seg(done: Done, loaded: LoadedImage) -> bytes:
    from medreasoner.output.dicom_seg import SegError, segmentation_file

    try:
        release = version("medreasoner")
    except PackageNotFoundError:  # run from its folder, without being installed
        release = "unknown"
    try:
        return segmentation_file(loaded.source, done.mask, done.model, done.segmenter, done.notice, release)
    except SegError as error:
        raise ExportError(str(error)) from error
