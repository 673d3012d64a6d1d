"""A finished run over a volume as files: `grounding.json`, `overlay.png` of the slice that was asked, and the
mask of all slices in the volume's own format, `mask.nii.gz` in its grid or `mask.dcm`, a DICOM-SEG over the
series.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from medreasoner.events import Absent, VolumeDone
from medreasoner.imaging import Volume
from medreasoner.output.files import (
    DICOM_SEG,
    JSON,
    MASK,
    NIFTI,
    OVERLAY,
    ExportError,
    export_file,
    release,
    write_together,
)
from medreasoner.output.grounding_json import NO_PROVENANCE, Provenance, as_json

OWN_FORMAT = {"NIfTI": NIFTI, "DICOM": DICOM_SEG}  # Volume.kind -> the mask's file in it


def volume_mask_file(done: VolumeDone, volume: Volume) -> tuple[bytes, tuple[str, ...]]:
    """The mask in the volume's own format, and what of it is guessed, as sentences.

    Errors: ExportError for a DICOM series that no DICOM-SEG can refer to.
    """
    if volume.kind == "NIfTI":
        return volume.source.mask_file(done.mask, done.notice), ()
    from medreasoner.output.dicom_seg import Algorithm, SegError, series_segmentation_file

    algorithm = Algorithm(done.key.model, done.key.segmenter, done.notice, release())
    try:
        return series_segmentation_file(volume.source, done.mask, algorithm)
    except SegError as error:
        raise ExportError(str(error)) from error


def volume_json(
    done: VolumeDone | Absent,
    volume: Volume,
    provenance: Provenance = NO_PROVENANCE,
    more: Mapping[str, object] | None = None,
) -> dict[str, object]:
    """The run as plain JSON values: those of `grounding_json.as_json` for the slice that was asked, and
    `volume`.

    `volume` holds `slice` and `slices` (first and last of the mask), counted from 1, `axis`, `shape` (slices,
    rows, columns), `spacing_mm` (across, down, right), `volume_ml`, `long_axis_mm`, `scores` (slice -> the
    segmenter's own estimate of its mask's IoU) and `scanned` (what was looked at before). Where nothing was
    found the numbers of the target are null.
    """
    found = isinstance(done, VolumeDone)
    loaded = volume.slice(done.slice) if found else None
    target = {
        "slice": done.slice if found else None,
        "slices": list(done.slices) if found else None,
        "axis": volume.axis,
        "shape": list(volume.shape),
        "spacing_mm": volume.spacing_mm and list(volume.spacing_mm),
        "volume_ml": done.volume_ml if found else None,
        "long_axis_mm": done.long_axis_mm if found else None,
        "scores": {str(number): score for number, score in done.scores.items()} if found else None,
        "scanned": [asdict(one) for one in done.scanned] if found else None,
    }
    return as_json(done.key if found else done, loaded, provenance, {"volume": target, **(more or {})})


def save_volume(
    done: VolumeDone | Absent, volume: Volume, folder: Path, provenance: Provenance = NO_PROVENANCE
) -> tuple[Path, ...]:
    """Write the files into `folder`, which is made where it is missing; all are made before the first is
    written.

    Files of another run that this one does not write are taken away. Returns: their paths.
    """
    made, left_out = {JSON: b""}, []
    if isinstance(done, VolumeDone):
        made[OVERLAY] = export_file(OVERLAY, done.key, volume.slice(done.slice))
        name = OWN_FORMAT[volume.kind]
        try:
            made[name], notes = volume_mask_file(done, volume)
            left_out += [f"{name}: {note}" for note in notes]
        except ExportError as error:
            left_out.append(f"{name}: {error}")
    content = volume_json(done, volume, provenance, {"left_out": left_out, "mask": None})
    if isinstance(done, VolumeDone):
        content["mask"] = next((name for name in OWN_FORMAT.values() if name in made), None)
    made[JSON] = (json.dumps(content, allow_nan=False, indent=1) + "\n").encode("ascii")
    folder.mkdir(parents=True, exist_ok=True)
    write_together(folder, made)
    for name in {MASK, OVERLAY, *OWN_FORMAT.values()} - set(made):
        (folder / name).unlink(missing_ok=True)
    return tuple(folder / name for name in made)
