"""Reads a folder of DICOM slices as one volume, through highdicom, which refuses what is no even stack.

Standard: DICOM PS3.3, C.7.6.2 (Image Plane).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medreasoner.data.build.dicom_file import PIXELS, floats, read_dicom_file
from medreasoner.data.build.source_files import SourceError

if TYPE_CHECKING:
    from highdicom import Volume
    from pydicom import Dataset

PLACE = {"ImagePositionPatient": 3, "ImageOrientationPatient": 6, "PixelSpacing": 2}  # element -> its numbers
ELEMENTS = (*PLACE, *PIXELS, "SeriesInstanceUID", "FrameOfReferenceUID", "Modality")
EVEN = 0.1  # of the mean distance between slices: the most by which one distance may differ
UPRIGHT = 1e-3  # 1 - cosine of the angle between the stack and the slices' normal: 2.6 degrees
PARALLEL = 1e-3  # the most by which a direction cosine may differ from slice to slice


def read_series(folder: Path) -> "tuple[Volume, str]":
    """Every DICOM image of a folder as one volume, with its modality.

    Returns: the `highdicom.Volume`, float32 (slices, rows, columns) of rescaled values (Hounsfield units for
        CT), and the modality as DICOM writes it ("CT", "MR").
    Errors: SourceError for mixed series, and slices that are missing, twice there, not parallel or tilted.
    """
    from highdicom import get_volume_from_series

    slices = [dataset for path in _files(folder) if (dataset := read_dicom_file(path, ELEMENTS)) is not None]
    _refuse_unplaced(slices, folder)
    for dataset in slices:
        _fill_gaps(dataset)
    _refuse_mixed(slices, folder)
    _refuse_uneven(slices, folder)
    modality = str(slices[0].get("Modality", ""))
    try:
        volume = get_volume_from_series(
            slices,
            dtype=np.float32,
            apply_real_world_transform=False,
            apply_presentation_lut=modality != "CT",  # turns MONOCHROME1 over; Hounsfield units stay
            rtol=EVEN,
            perpendicular_tol=UPRIGHT,
            orientation_tol=PARALLEL,
        )
    except (AttributeError, ValueError, RuntimeError, NotImplementedError) as error:
        raise SourceError(f"{folder}: its pixels cannot be decoded ({error})") from error
    return volume, modality


def patient_of(folder: Path) -> str:
    """What tells one patient of a source from another: PatientID, else the study's UID or the folder's name.

    For comparing only; it must not be written into a set.
    """
    for path in _files(folder):
        try:
            dataset = read_dicom_file(path, ("PatientID", "StudyInstanceUID"))
        except SourceError:  # `read_series` will say so
            continue
        if dataset is not None:
            return str(dataset.get("PatientID") or dataset.get("StudyInstanceUID") or folder.name)
    return folder.name


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file())


def _refuse_unplaced(slices: "Sequence[Dataset]", folder: Path) -> None:
    placed = (floats(dataset, name, count) for dataset in slices for name, count in PLACE.items())
    if not slices or any(numbers is None for numbers in placed):
        raise SourceError(f"{folder}: expected DICOM slices that say where they lie ({', '.join(PLACE)})")


def _fill_gaps(dataset: "Dataset") -> None:
    """Take out empty rescale values, which mean none, and give highdicom the UIDs it asks for.

    Some anonymisers drop UIDs. The class only says that the files are no multi-frame objects.
    """
    from pydicom.uid import CTImageStorage

    for name in ("RescaleSlope", "RescaleIntercept"):
        if name in dataset and dataset[name].is_empty:
            delattr(dataset, name)
    dataset.SOPClassUID = CTImageStorage
    dataset.SeriesInstanceUID = dataset.get("SeriesInstanceUID") or "2.25.1"
    dataset.FrameOfReferenceUID = dataset.get("FrameOfReferenceUID") or dataset.SeriesInstanceUID


def _refuse_mixed(slices: "Sequence[Dataset]", folder: Path) -> None:
    kinds = {(dataset.SeriesInstanceUID, dataset.get("Rows"), dataset.get("Columns")) for dataset in slices}
    if len(kinds) > 1:
        raise SourceError(
            f"{folder}: expected one series of slices of one size; put each series into a folder of its own"
        )


def _refuse_uneven(slices: "Sequence[Dataset]", folder: Path) -> None:
    """What highdicom would refuse too, with the reason."""
    from highdicom.spatial import get_volume_positions

    places, orientations, _ = (
        np.array([floats(dataset, name, count) for dataset in slices]) for name, count in PLACE.items()
    )
    if np.ptp(orientations, axis=0).max() > PARALLEL:
        raise SourceError(
            f"{folder}: its slices do not lie in parallel (a scout?); take it out or give one stack"
        )
    across, down = orientations[0].reshape(2, 3)
    if not np.allclose((across @ across, down @ down, across @ down), (1, 1, 0), atol=0.01):
        raise SourceError(f"{folder}: the orientation of its slices is none: {orientations[0].tolist()}")

    def is_even(angle: float) -> bool:
        found = get_volume_positions(places, orientations[0], rtol=EVEN, perpendicular_tol=angle)
        return found[0] is not None

    if is_even(UPRIGHT):
        return
    if is_even(angle=2.0):  # any angle
        raise SourceError(
            f"{folder}: its slices are shifted against each other (a tilted gantry?); "
            "resample it to a straight stack"
        )
    raise SourceError(
        f"{folder}: expected slices evenly apart; one of {len(slices)} is missing or twice there. "
        "Complete or remove it"
    )
