"""A folder of DICOM files as one volume, and a DICOM segmentation on its grid.

Is: slices put in order by their place in the patient, checked to be one even stack. Is not: a repairer of stacks with gaps or of tilted
gantries; those are refused by name.

Standard: DICOM PS3.3, C.7.6.2 (Image Plane) and A.51 (Segmentation). Coordinates in the files run to the patient's left and posterior;
`affine` is in RAS, as NIfTI has it.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medreasoner.data.build.layouts import SourceError

PLACED = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
EVEN = 0.1  # of the distance between slices: the most by which one distance may differ
TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Series:
    """`values` (columns, rows, slices), rescaled; `affine` voxel -> RAS mm; `case` stands for the patient without telling the id."""

    values: np.ndarray
    affine: np.ndarray
    modality: str
    case: str


def read_series(folder: Path) -> Series:
    """Read every DICOM image of a folder as one stack. Errors: SourceError."""
    from pydicom.pixels import apply_modality_lut

    files = [dataset for dataset in map(_dicom, sorted(path for path in folder.iterdir() if path.is_file())) if dataset is not None]
    if not files or any(name not in dataset for dataset in files for name in PLACED):
        raise SourceError(f"{folder}: expected DICOM slices that say where they lie ({', '.join(PLACED)})")
    first = files[0]
    across, down = np.array(first.ImageOrientationPatient, float).reshape(2, 3)
    normal = np.cross(across, down)
    for dataset in files:
        if dataset.SeriesInstanceUID != first.SeriesInstanceUID or (dataset.Rows, dataset.Columns) != (first.Rows, first.Columns):
            raise SourceError(f"{folder}: expected one series of slices of one size; put each series into a folder of its own")
        if not np.allclose(np.array(dataset.ImageOrientationPatient, float).reshape(2, 3), (across, down), atol=1e-3):
            raise SourceError(f"{folder}: its slices do not lie in parallel (a scout?); take it out or give one stack")
    files.sort(key=lambda dataset: float(normal @ np.array(dataset.ImagePositionPatient, float)))
    places = np.array([dataset.ImagePositionPatient for dataset in files], float)
    steps = np.diff(places, axis=0)
    step = steps.mean(axis=0) if len(steps) else normal * float(first.get("SliceThickness") or 1)
    length = np.linalg.norm(step)
    if length < 1e-3 or (len(steps) and np.linalg.norm(steps - step, axis=1).max() > EVEN * length):
        raise SourceError(f"{folder}: expected slices evenly apart; one of {len(files)} is missing or twice there. Complete or remove it")
    affine = np.eye(4)
    height, width = (float(v) for v in first.PixelSpacing)  # of a pixel
    affine[:3] = np.stack([across * width, down * height, step, places[0]], axis=1)
    values = np.stack([np.asarray(apply_modality_lut(_pixels(dataset, folder), dataset), np.float32).T for dataset in files], axis=2)
    patient = str(first.get("PatientID") or first.StudyInstanceUID)
    return Series(values, TO_RAS @ affine, str(first.Modality), "patient-" + hashlib.sha256(patient.encode()).hexdigest()[:12])


def read_segmentation(path: Path, series: Series) -> tuple[np.ndarray, dict[int, str]]:
    """Segment numbers (columns, rows, slices) of a DICOM segmentation on the grid of `series`, and their names. Errors: SourceError."""
    dataset = _dicom(path)
    if dataset is None or "SegmentSequence" not in dataset:
        raise SourceError(f"{path}: expected a DICOM segmentation")
    names = {int(segment.SegmentNumber): str(segment.SegmentLabel) for segment in dataset.SegmentSequence}
    frames = _pixels(dataset, path).reshape(-1, dataset.Rows, dataset.Columns)
    marks = np.zeros(series.values.shape, np.int32)
    if frames.shape[1:] != (marks.shape[1], marks.shape[0]):
        expected = f"{marks.shape[0]} x {marks.shape[1]}"
        raise SourceError(f"{path}: expected frames of {expected} pixels, got {frames.shape[2]} x {frames.shape[1]}")
    to_voxel = np.linalg.inv(TO_RAS @ series.affine)
    shared = dataset.SharedFunctionalGroupsSequence[0]
    for frame, groups in zip(frames, dataset.PerFrameFunctionalGroupsSequence, strict=True):
        orientation = (groups if "PlaneOrientationSequence" in groups else shared).PlaneOrientationSequence[0].ImageOrientationPatient
        corner = to_voxel @ [*map(float, groups.PlanePositionSequence[0].ImagePositionPatient), 1]
        ways = to_voxel[:3, :3] @ np.array(orientation, float).reshape(2, 3).T
        number = round(corner[2])
        straight = np.allclose(ways / np.linalg.norm(ways, axis=0), [[1, 0], [0, 1], [0, 0]], atol=1e-2)
        if not straight or not np.allclose(corner[:3], (0, 0, number), atol=0.1) or not 0 <= number < marks.shape[2]:
            raise SourceError(f"{path}: a frame does not lie on a slice of the series; the segmentation is of another one")
        segment = groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        marks[:, :, number][frame.T > 0] = segment
    return marks, names


def _dicom(path: Path):
    """The file as pydicom reads it, or None if it is no DICOM."""
    import pydicom
    from pydicom.errors import InvalidDicomError

    try:
        return pydicom.dcmread(path)
    except InvalidDicomError:
        return None


def _pixels(dataset, path: Path) -> np.ndarray:
    try:
        return dataset.pixel_array
    except (AttributeError, ValueError, RuntimeError, NotImplementedError) as error:
        raise SourceError(f"{path}: its pixels cannot be decoded ({error})") from error
