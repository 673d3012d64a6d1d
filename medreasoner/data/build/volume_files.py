"""Reads a volume and its label map: NIfTI files, or a folder of DICOM files with a NIfTI or DICOM label map.

A label map on another grid is refused, never resampled.
"""

import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medreasoner.data.build.dicom_segmentation import read_segmentation
from medreasoner.data.build.dicom_series import read_series
from medreasoner.data.build.label_map import LabelMap
from medreasoner.data.build.source_files import SourceError

if TYPE_CHECKING:
    from nibabel import Nifti1Image

AXES = ("X", "Y", "Z")
SAME_PLACE = 0.05  # of the smallest spacing: by so much a label map's grid may differ from its volume's


@dataclass(frozen=True)
class Volume:
    """`values` (X, Y, Z) run to the patient's right, anterior, superior.

    `affine` leads from voxels to mm, `spacing` is in mm, `modality` is what the file says.
    """

    values: np.ndarray
    affine: np.ndarray
    spacing: tuple[float, float, float]
    modality: str = ""


def read_volume_and_labels(path: Path, labels: Path) -> tuple[Volume, LabelMap]:
    """A volume, and its label map with `values` (X, Y, Z) on the same grid. Errors: SourceError."""
    if path.is_dir():
        stack, modality = read_series(path)
        volume = _canonical(stack.to_nibabel(), modality)
        if labels.suffix == ".dcm":
            found = read_segmentation(labels, stack)
            values = _canonical(stack.with_array(found.values).to_nibabel()).values
            return volume, replace(found, values=values)
    else:
        volume = _read_nifti(path)
    return volume, _nifti_labels(labels, volume, path.name)


def _nifti_labels(path: Path, volume: Volume, name: str) -> LabelMap:
    marks = _read_nifti(path)
    same_shape = marks.values.shape == volume.values.shape
    if not same_shape or not np.allclose(marks.affine, volume.affine, atol=SAME_PLACE * min(volume.spacing)):
        raise SourceError(
            f"{path}: expected the grid of {name}, {volume.values.shape} voxels; "
            f"got {marks.values.shape} at another place or spacing. Resample it or take the volume out"
        )
    if (marks.values != np.rint(marks.values)).any() or marks.values.min() < 0:
        raise SourceError(f"{path}: expected whole label values from 0, got numbers between them or below")
    return LabelMap(marks.values.astype(np.int32))


def _canonical(image: "Nifti1Image", modality: str = "") -> Volume:
    import nibabel

    image = nibabel.as_closest_canonical(image)
    spacing = tuple(float(v) for v in nibabel.affines.voxel_sizes(image.affine))
    return Volume(np.asarray(image.dataobj), image.affine, spacing, modality)


def _read_nifti(path: Path) -> Volume:
    import nibabel
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError

    try:
        image = nibabel.load(path)
        values = np.asarray(image.dataobj, np.float32)
    except (ImageFileError, HeaderDataError, OSError, EOFError, ValueError, zlib.error) as error:
        raise SourceError(f"{path}: expected a NIfTI volume ({error})") from error
    while values.ndim > len(AXES):  # several channels or moments: the first
        values = values[..., 0]
    if values.ndim != len(AXES) or min(values.shape) < 1:
        raise SourceError(f"{path}: expected a volume of three dimensions, got shape {values.shape}")
    return _canonical(nibabel.Nifti1Image(values, image.affine))
