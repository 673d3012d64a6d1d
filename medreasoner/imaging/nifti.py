"""NIfTI volumes: one slice to show, and a mask put back where that slice lies.

A volume is cut along its own three axes and not resampled, an oblique one too. It is held in memory as it
came (unpacked, if it was compressed); only what is needed is decoded.
"""

import io
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from nibabel.arrayproxy import ArrayProxy
from PIL import Image

from medreasoner.imaging.array import refuse_window
from medreasoner.imaging.nifti_grid import SlicePlane, VolumeGrid, read_grid, select_axis
from medreasoner.imaging.nifti_header import NiftiHeader, read_header
from medreasoner.imaging.nifti_source import AXES, NiftiSource, nifti_source
from medreasoner.imaging.types import (
    LoadedImage,
    ViewOptions,
    ViewSelection,
    check_size,
    damaged,
    select_number,
    shape_notes,
)
from medreasoner.imaging.windowing import WindowChoice, Windowed, window_choice, window_values

COLORS = "RGB"
SAMPLED_SLICES = 16  # of a volume, to tell whether its values are Hounsfield units

# What nibabel 5 raises for missing voxels; found by breaking files at random
_VOXEL_ERRORS = (ValueError, OSError, OverflowError)


def read_nifti(data: bytes, view: ViewSelection) -> LoadedImage:
    """One slice of a whole `.nii` file.

    It is the middle one of the first time point in the plane the volume was recorded in (axial where its
    voxels do not tell), unless `view` says otherwise. Errors: ImageError."""
    opened = open_nifti(data, view)
    return show_slice(opened, opened.plane.at + 1, view.window)


def show_slice(opened: "OpenedNifti", number: int, window: str | None) -> LoadedImage:
    """Slice `number`, counted from 1, of an opened volume. Errors: ImageError."""
    opened = replace(opened, plane=replace(opened.plane, at=number - 1))
    grid, plane = opened.grid, opened.plane
    windowed = opened.windowed(plane, window)
    spacing = (grid.spacing_mm[plane.x], grid.spacing_mm[plane.y])
    shown = f"{opened.axis.capitalize()} slice {plane.at + 1} of {opened.slices} is shown."
    return LoadedImage(
        image=Image.fromarray(windowed.pixels).convert("RGB"),
        kind="NIfTI",
        notes=(shown, *opened.notes, *windowed.notes, *grid.notes, *shape_notes(*spacing)),
        spacing_mm=spacing if grid.has_sizes else None,
        orientation=grid.letters(plane),
        view=ViewSelection(plane.at + 1, opened.axis, opened.moment, windowed.window),
        options=ViewOptions(opened.slices, grid.readable_axes(), opened.moments, windowed.windows),
        source=opened.source(),
        modality="CT" if windowed.unit == "HU" else None,
        **windowed.origin,
    )


@dataclass(frozen=True)
class OpenedNifti:
    """A volume whose slices are decoded when they are asked for.

    Args:
        axis: the orientation of its slices. plane: the slice that was asked for.
        moment: the time point, counted from 1, of `moments`; None where there is one.
        notes: what of the header could not be used, and which moment is shown.
    """

    header: NiftiHeader
    grid: VolumeGrid
    axis: str
    plane: SlicePlane
    voxels: "_TimePoint"
    moment: int | None
    moments: int
    notes: tuple[str, ...]

    @property
    def slices(self) -> int:
        return self.grid.shape[self.plane.across]

    def windowed(self, plane: SlicePlane, requested: str | None) -> Windowed:
        """One slice as 8 bits. All slices of a volume in Hounsfield units open in the same window."""
        values = plane.extract(self.voxels)
        if values.dtype.names is None:
            return window_values(values, requested, self.voxels.choice)
        refuse_window(requested, "is in colour, which has none")
        return Windowed(np.stack([values[name] for name in values.dtype.names[: len(COLORS)]], axis=-1))

    def source(self) -> NiftiSource:
        """Where a mask of the slice, or of all slices, belongs."""
        return nifti_source(self.header.fields, self.header.shape[:AXES], self.grid, self.plane)


def open_nifti(data: bytes, view: ViewSelection) -> OpenedNifti:
    """A whole `.nii` file, nothing of it decoded. Errors: ImageError."""
    header = read_header(data)
    points = header.moments(len(data))
    point = select_number("frame", view.frame, points)
    grid = read_grid(header.fields, (*header.shape, 1)[:AXES], header.has_sizes)
    axis = select_axis(grid, view)
    plane = grid.plane(axis, view.slice)
    check_size(grid.shape[plane.x], grid.shape[plane.y])
    voxels = _TimePoint(ArrayProxy(io.BytesIO(data), header.fields), header.shape, point)
    notes = (*((f"Frame {point} of {points} is shown.",) if points > 1 else ()), *header.notes)
    return OpenedNifti(header, grid, axis, plane, voxels, point if points > 1 else None, points, notes)


class _TimePoint:
    """The three axes of a stored volume at one of its time points, counted from 1; indexing decodes."""

    def __init__(self, stored: ArrayProxy, shape: tuple[int, ...], point: int) -> None:
        self._stored = stored
        self._flat = len(shape) < AXES  # a single image
        later = shape[AXES:]
        self._later = tuple(int(i) for i in np.unravel_index(point - 1, later, order="F")) if later else ()

    def __getitem__(self, index: tuple[slice | int, ...]) -> np.ndarray:
        try:
            if self._flat:
                return np.asarray(self._stored[(slice(None), slice(None))])[..., None][index]
            return np.asarray(self._stored[(*index, *self._later)])
        except _VOXEL_ERRORS as error:
            raise damaged("NIfTI", error) from error

    @cached_property
    def choice(self) -> WindowChoice:
        """The windows for all slices, from some of them along the last axis, from the first to the last."""
        count = 1 if self._flat else self._stored.shape[AXES - 1]
        return window_choice(self[:, :, :: max(1, count // SAMPLED_SLICES)])
