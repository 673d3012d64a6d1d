"""Opens a NIfTI file or a folder of DICOM slices as a volume: a stack of slices, each as `load_image` shows
it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from medreasoner.imaging.read import GZIP, is_nifti, load_image, read_bytes, unzipped
from medreasoner.imaging.types import ImageError, LoadedImage, ViewSelection


@dataclass(frozen=True)
class Volume:
    """A stack of slices in the order of the file, or along the normal of DICOM slices.

    Args:
        shape: (slices, rows, columns).
        axis: the orientation of its slices ("axial", …); None where the file does not say.
        kind: "NIfTI" or "DICOM".
        spacing_mm: size of a voxel across the slices, down and to the right, in mm; None if it is not known.
        notes: what was done and what could not be read, as sentences.
        source: what a mask in the volume's own format needs: a `NiftiSource`, or a tuple of `DicomSource`,
            one a slice.
        show: opens the slice of a number; use `slice`.
    """

    shape: tuple[int, int, int]
    axis: str | None
    kind: str
    spacing_mm: tuple[float, float, float] | None
    notes: tuple[str, ...]
    source: object = field(repr=False, compare=False)
    show: Callable[[int], LoadedImage] = field(repr=False, compare=False)

    def slice(self, number: int) -> LoadedImage:
        """One slice, counted from 1, in the same window as `load_image` shows it. Errors: ImageError."""
        if not 1 <= number <= self.shape[0]:
            raise ImageError(f"Slice {number} was asked for, but the volume has {self.shape[0]} slices.")
        return self.show(number)

    def picture(self, number: int) -> Image.Image:
        """The pixels of `slice`, RGB. Errors: ImageError."""
        return self.slice(number).image

    def volume_ml(self, mask: np.ndarray) -> float | None:
        """How many millilitres a mask (slices, rows, columns) covers; None where sizes are not known."""
        if self.spacing_mm is None:
            return None
        return float(np.count_nonzero(mask) * np.prod(self.spacing_mm) / 1000)


def load_volume(
    source: str | Path | bytes, axis: str | None = None, frame: int | None = None, window: str | None = None
) -> Volume:
    """Open a volume; slices are decoded when they are asked for.

    Args:
        source: a NIfTI file, or what one holds, or a folder with the DICOM slices of one series.
        axis: how a NIfTI volume is cut; left out, across its thickest voxels.
        frame: the time point of a NIfTI volume of several, counted from 1.
        window: as for `load_image`.

    Errors: ImageError for everything that is no volume: single images, mixed series, slices that are missing,
        doubled, of different sizes or shifted against each other.
    """
    view = ViewSelection(None, axis, frame, window)
    if isinstance(source, bytes):
        return _open_nifti(source, view)
    path = Path(source)
    return _open_folder(path, view) if path.is_dir() else _open_nifti(path, view)


def _open_nifti(path: Path | bytes, view: ViewSelection) -> Volume:
    from medreasoner.imaging.nifti import open_nifti, show_slice

    data = read_bytes(path)
    data = unzipped(data) if data[:2] == GZIP else data
    if not is_nifti(data):
        raise ImageError(
            "A volume is a NIfTI file or a folder of DICOM slices; this file holds a single image."
        )
    opened = open_nifti(data, view)
    grid, plane = opened.grid, opened.plane
    if opened.slices < 2:
        raise ImageError(
            f"The volume holds {opened.slices} slice across its {opened.axis} axis; ask it as an image."
        )
    sizes = tuple(grid.spacing_mm[axis] for axis in (plane.across, plane.y, plane.x))
    return Volume(
        shape=(opened.slices, grid.shape[plane.y], grid.shape[plane.x]),
        axis=opened.axis,
        kind="NIfTI",
        spacing_mm=sizes if grid.has_sizes else None,
        notes=(*opened.notes, *grid.notes),
        source=opened.source(),
        show=lambda number: show_slice(opened, number, view.window),
    )


def _open_folder(folder: Path, view: ViewSelection) -> Volume:
    from medreasoner.imaging.dicom_series import read_series

    if view.axis is not None or view.frame is not None:
        raise ImageError("A folder of DICOM slices is shown as they were recorded; leave axis and frame out.")
    series = read_series(folder)
    return Volume(
        shape=(len(series.paths), series.rows, series.columns),
        axis=series.axis,
        kind="DICOM",
        spacing_mm=series.spacing_mm,
        notes=series.notes,
        source=series.sources,
        show=lambda number: load_image(series.paths[number - 1], window=view.window),
    )
