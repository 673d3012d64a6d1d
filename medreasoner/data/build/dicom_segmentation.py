"""Reads a DICOM segmentation (binary, fractional or label map, overlapping or not) onto its series' grid.

Standard: DICOM PS3.3, A.51 (Segmentation) and C.8.20. Frames are put into place here rather than by
highdicom's `get_volume`: objects that leave out empty slices often state no spacing, and it then takes the
smallest gap for one step.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medreasoner.data.build.dicom_file import PIXELS, floats, read_dicom_file, whole
from medreasoner.data.build.label_map import LabelMap, Overlaps
from medreasoner.data.build.source_files import SourceError

if TYPE_CHECKING:
    from highdicom import Volume
    from pydicom import Dataset

ELEMENTS = (
    *PIXELS,
    "SegmentationType",
    "MaximumFractionalValue",
    "SegmentSequence",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
)
LIKELY = 0.5  # share of MaximumFractionalValue from which a pixel of a fractional segment belongs to it
STRAIGHT = 1e-2  # the most by which a direction cosine may differ from the series'
OFF_GRID = 0.1  # voxels by which a frame may miss its slice


def read_segmentation(path: Path, volume: "Volume") -> LabelMap:
    """The segments of a file, with `values` int32 in the shape of `volume` (slices, rows, columns).

    Errors: SourceError.
    """
    dataset = read_dicom_file(path, ELEMENTS)
    if dataset is None or "SegmentSequence" not in dataset:
        raise SourceError(f"{path}: expected a DICOM segmentation")
    names = _names(dataset, path)
    values = np.zeros(volume.spatial_shape, np.int32)
    overlaps = Overlaps(list(names))
    rows, columns = values.shape[1:]
    if (dataset.get("Rows"), dataset.get("Columns")) != (rows, columns):
        raise SourceError(
            f"{path}: expected frames of {columns} x {rows} pixels, "
            f"got {dataset.get('Columns')} x {dataset.get('Rows')}"
        )
    for frame, groups in _frames(dataset, path):
        plane = values[_slice_number(groups, path, volume)]
        for number, inside in _segments(frame, groups, dataset):
            if number not in names:
                raise SourceError(f"{path}: a frame belongs to segment {number}, which is not described")
            overlaps.add(plane, inside, number)
    return LabelMap(values, names, overlaps.covered())


def _names(dataset: "Dataset", path: Path) -> dict[int, str]:
    """Segment -> label; label maps describe their background too, as segment 0, which is left out."""
    names: dict[int, str] = {}
    for segment in dataset.SegmentSequence:
        number = whole(segment, "SegmentNumber")
        if number is None:
            raise SourceError(f"{path}: one of its segments has no number")
        if number:
            names[number] = str(segment.get("SegmentLabel") or f"segment {number}")
    return names


class _Groups:
    """The functional groups of one frame: its own, else those shared by all frames."""

    def __init__(self, own: "Dataset", shared: "Dataset") -> None:
        self._own, self._shared = own, shared

    def item(self, sequence: str) -> "Dataset":
        """The first item of `sequence`; an empty one where there is none."""
        from pydicom import Dataset

        for groups in (self._own, self._shared):
            items = groups.get(sequence)
            if items and isinstance(items[0], Dataset):
                return items[0]
        return Dataset()


def _frames(dataset: "Dataset", path: Path) -> Iterator[tuple[np.ndarray, _Groups]]:
    """Every frame (rows, columns) with its functional groups. Errors: SourceError."""
    from pydicom import Dataset
    from pydicom.pixels import iter_pixels

    shared = dataset.get("SharedFunctionalGroupsSequence") or [Dataset()]
    groups = dataset.get("PerFrameFunctionalGroupsSequence") or []
    if len(groups) != (whole(dataset, "NumberOfFrames") or 1):
        raise SourceError(
            f"{path}: its frames do not say where they lie; a segmentation of a volume is expected"
        )
    rows, columns = dataset.Rows, dataset.Columns
    # pydicom decodes single frames only where they fill whole bytes
    aligned = rows * columns * dataset.get("BitsAllocated", 8) % 8 == 0
    try:
        pixels = iter_pixels(dataset) if aligned else dataset.pixel_array.reshape(-1, rows, columns)
        for frame, own in zip(pixels, groups, strict=True):
            yield frame, _Groups(own, shared[0])
    except (AttributeError, ValueError, RuntimeError, NotImplementedError) as error:
        raise SourceError(f"{path}: the segmentation cannot be decoded ({error})") from error


def _segments(frame: np.ndarray, groups: _Groups, dataset: "Dataset") -> Iterator[tuple[int, np.ndarray]]:
    """(number, mask) of every segment in a frame."""
    kind = dataset.get("SegmentationType", "BINARY")
    if kind == "LABELMAP":
        for number in np.unique(frame[frame > 0]):
            yield int(number), frame == number
        return
    number = whole(groups.item("SegmentIdentificationSequence"), "ReferencedSegmentNumber") or 0
    if kind == "FRACTIONAL":
        yield number, frame >= LIKELY * (whole(dataset, "MaximumFractionalValue") or 255)
    else:
        yield number, frame > 0


def _slice_number(groups: _Groups, path: Path, volume: "Volume") -> int:
    """On which slice of `volume` a frame lies. Errors: SourceError if on none."""
    position = floats(groups.item("PlanePositionSequence"), "ImagePositionPatient", 3)
    orientation = floats(groups.item("PlaneOrientationSequence"), "ImageOrientationPatient", 6)
    if position is None or orientation is None:
        raise SourceError(f"{path}: a frame does not say where it lies (position and orientation)")
    wanted = volume.get_plane_orientation()[0].ImageOrientationPatient
    index = volume.map_reference_to_indices(np.array([position]))[0]
    number = round(float(index[0]))
    straight = np.allclose(orientation, np.array(wanted, float), atol=STRAIGHT)
    on_grid = np.allclose(index, (number, 0, 0), atol=OFF_GRID)
    if not (straight and on_grid and 0 <= number < volume.spatial_shape[0]):
        raise SourceError(
            f"{path}: a frame does not lie on a slice of the series; the segmentation is of another one"
        )
    return number
