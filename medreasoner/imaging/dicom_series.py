"""Reads the headers of a folder of DICOM slices as one stack; pixels are decoded when a slice is shown."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medreasoner.imaging.dicom_file import parse
from medreasoner.imaging.dicom_geometry import (
    PLACE,
    PLANES,
    DicomSource,
    dicom_source,
    orientation,
    spacing_mm,
)
from medreasoner.imaging.dicom_header import FrameHeader, read_value
from medreasoner.imaging.dicom_pixels import PIXELS
from medreasoner.imaging.dicom_stack import stack_order
from medreasoner.imaging.read import is_dicom, read_bytes
from medreasoner.imaging.types import ImageError


@dataclass(frozen=True)
class Series:
    """The slices of one series, from the least to the greatest position along their normal.

    Args:
        sources: of each slice, see `DicomSource`.
        spacing_mm: from slice to slice, down, to the right; None where the header does not say.
        axis: "axial", "coronal" or "sagittal"; None where it is none of them.
    """

    paths: tuple[Path, ...]
    sources: tuple[DicomSource, ...]
    rows: int
    columns: int
    spacing_mm: tuple[float, float, float] | None
    axis: str | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Slice:
    path: Path
    source: DicomSource
    series: str
    size: tuple[int, int]  # rows, columns
    spacing: tuple[float, float] | None  # x, y
    letters: tuple[str, str, str, str] | None


def read_series(folder: Path) -> Series:
    """Every DICOM image of a folder; other files in it are left out, with a note.

    Errors: ImageError for a folder without DICOM images, for slices that do not say where they lie, for mixed
        series and sizes, and for what is no even, straight stack (see `dicom_stack`).
    """
    slices, others = [], 0
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        found = _read_slice(path)
        slices += [found] if found else []
        others += found is None
    if not slices:
        raise ImageError(
            "The folder holds no DICOM images; a volume is a folder with the slices of one series."
        )
    _refuse_mixed(slices)
    places, orientations = (
        np.array([[float(value) for value in one.source.header[name].value] for one in slices])
        for name in ("ImagePositionPatient", "ImageOrientationPatient")
    )
    order, step = stack_order(places, orientations)
    slices = [slices[number] for number in order]
    first = slices[0]
    pixel = first.spacing if len({one.spacing for one in slices}) == 1 else None
    return Series(
        paths=tuple(one.path for one in slices),
        sources=tuple(one.source for one in slices),
        rows=first.size[0],
        columns=first.size[1],
        spacing_mm=(step, pixel[1], pixel[0]) if pixel and step else None,
        axis=PLANES.get(frozenset(letters[0] for letters in first.letters)) if first.letters else None,
        notes=(f"{others} files of the folder are no DICOM images and were left out.",) if others else (),
    )


def _read_slice(path: Path) -> _Slice | None:
    """What is needed of one file; None if it is no DICOM image. Errors: ImageError for a damaged one."""
    data = read_bytes(path)
    if not is_dicom(data):
        return None
    dataset = parse(data)
    if not any(name in dataset for name in PIXELS):
        return None
    if (read_value(dataset, "NumberOfFrames") or 1) != 1:
        raise ImageError(
            f"{path.name} holds several frames; a volume is a folder of single DICOM slices, or a NIfTI file."
        )
    header = FrameHeader.of(dataset)
    if not all(
        header.numbers(name, PLACE[name]) for name in ("ImagePositionPatient", "ImageOrientationPatient")
    ):
        raise ImageError(
            f"{path.name} does not say where it lies (ImagePositionPatient, ImageOrientationPatient), so "
            "that its place in the stack is not known; take it out, or ask the slices one by one."
        )
    return _Slice(
        path,
        dicom_source(dataset, header, 1),
        header.text("SeriesInstanceUID"),
        (int(dataset.Rows), int(dataset.Columns)),
        spacing_mm(header)[0],
        orientation(header),
    )


def _refuse_mixed(slices: list[_Slice]) -> None:
    sizes = {one.size for one in slices}
    if len({one.series for one in slices}) > 1:
        raise ImageError("The folder holds several series; put each series into a folder of its own.")
    if len(sizes) > 1:
        listed = ", ".join(f"{columns} x {rows}" for rows, columns in sorted(sizes)[:3])
        raise ImageError(f"The slices have different sizes ({listed}); a volume has slices of one size.")
