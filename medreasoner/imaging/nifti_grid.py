"""The voxel grid of a NIfTI volume: where it lies in the body, and one slice of it as a reading room shows
it.

Of a header's ways to place a volume the first usable one is taken, in NIfTI's own order: its sform, its
qform, its voxel sizes. Sizes and directions are always those of the affine that is used.
"""

from dataclasses import dataclass
from typing import TypeVar

import nibabel
import numpy as np
from nibabel.spatialimages import HeaderDataError

from medreasoner.imaging.orientation import edge_letters
from medreasoner.imaging.types import MIN_SIDE, ImageError, ViewSelection, select_number

Header = nibabel.Nifti1Header | nibabel.Nifti2Header
Sliceable = TypeVar("Sliceable")  # an array, or a proxy that decodes what is indexed

# axis -> (the body axis its slices cross, the one along x, the one along y)
# body axes: 0 right-left, 1 back-front, 2 foot-head
AXES = {"axial": (2, 0, 1), "coronal": (1, 0, 2), "sagittal": (0, 1, 2)}
THICK = 1.5  # from this ratio of spacings on, a volume is shown across its thick slices
MM_PER_UNIT = {"mm": 1.0, "meter": 1000.0, "micron": 0.001, "unknown": 1.0}
SMALLEST_STEP = 1e-9  # of a voxel, in the file's unit; a smaller one has no direction
GREATEST_STEP = 1e6
FLATTEST = 1e-4  # volume between three directions of unit length; 1 where they are perpendicular


@dataclass(frozen=True)
class SlicePlane:
    """One slice of a volume, as it is shown.

    Args:
        across, at: the stored axis it crosses, and its index there.
        x, y: the stored axes along the picture's sides.
        flip_x, flip_y: whether the picture runs against them.
    """

    across: int
    at: int
    x: int
    y: int
    flip_x: bool
    flip_y: bool

    def extract(self, volume: Sliceable) -> Sliceable:
        """(rows, columns) of a volume of three axes; of an array it is a view, so that writing to it writes
        the volume.
        """
        index: list[slice | int] = [slice(None)] * 3
        index[self.across] = self.at
        plane = volume[tuple(index)]
        plane = plane.T if self.x < self.y else plane
        return plane[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]


@dataclass(frozen=True)
class VolumeGrid:
    """Size and place of a volume.

    Args:
        shape: voxels along the three stored axes.
        affine: (4, 4), from indices to the file's unit of length; x to the right, y to the front, z to the
            head.
        form: the header's field the affine comes from, "sform" or "qform"; None if it does not say how the
            volume lies.
        unit: of length, one of MM_PER_UNIT.
        has_sizes: whether the sizes of the voxels are the file's.
        notes: what the header left open.
    """

    shape: tuple[int, int, int]
    affine: np.ndarray
    form: str | None
    unit: str
    has_sizes: bool = True
    notes: tuple[str, ...] = ()

    @property
    def spacing_mm(self) -> tuple[float, ...]:
        """Size of a voxel along each stored axis, to the six digits that a header's floats hold."""
        sizes = nibabel.affines.voxel_sizes(self.affine) * MM_PER_UNIT[self.unit]
        return tuple(float(f"{size:.6g}") for size in sizes)

    @property
    def body_axes(self) -> np.ndarray:
        """(3, 2): for each stored axis the body axis it runs nearest to, and 1 or -1 for its direction."""
        return nibabel.io_orientation(self.affine).astype(int)

    def stored_axis(self, body_axis: int) -> int:
        """The stored axis that runs nearest to a body axis."""
        return int(np.flatnonzero(self.body_axes[:, 0] == body_axis)[0])

    def readable_axes(self) -> tuple[str, ...]:
        """The axes whose slices are large enough."""
        return tuple(
            axis
            for axis, (_, *sides) in AXES.items()
            if min(self.shape[self.stored_axis(s)] for s in sides) >= MIN_SIDE
        )

    def default_axis(self) -> str:
        """The plane the volume was recorded in, across its thickest voxels; axial where these do not tell."""
        possible = self.readable_axes() or ("axial",)
        spacing = self.spacing_mm
        widths = {axis: spacing[self.stored_axis(AXES[axis][0])] for axis in possible}
        thickest = max(widths, key=lambda axis: widths[axis])
        others = [width for axis, width in widths.items() if axis != thickest]
        return thickest if not others or widths[thickest] > THICK * max(others) else possible[0]

    def plane(self, axis: str, number: int | None) -> SlicePlane:
        """The slice `number` (counted from 1) across `axis`, the middle one for None, with the patient's
        right on the left, or the face in a sagittal slice, and the front or the head up. Errors: ImageError
        if it has none such.
        """
        across, x, y = (self.stored_axis(body_axis) for body_axis in AXES[axis])
        count = self.shape[across]
        at = select_number(f"{axis} slice", number, count, count // 2 + 1) - 1
        directions = self.body_axes[:, 1]
        return SlicePlane(across, at, x, y, flip_x=bool(directions[x] > 0), flip_y=bool(directions[y] > 0))

    def letters(self, plane: SlicePlane) -> tuple[str, str, str, str] | None:
        """Letters of the body at the edges of a slice; None where the file does not say how it lies."""
        if self.form is None:
            return None
        steps = self.affine[:3, :3] * np.array([[-1], [-1], [1]])  # to DICOM's axes: left, back, head
        right = steps[:, plane.x] * (-1 if plane.flip_x else 1)
        down = steps[:, plane.y] * (-1 if plane.flip_y else 1)
        return edge_letters(right, down)


def select_axis(grid: VolumeGrid, view: ViewSelection) -> str:
    """The axis that is asked for, or the grid's default. Errors: ImageError for one that does not exist."""
    if view.axis is not None and view.axis not in AXES:
        raise ImageError(f"The axis {view.axis[:40]!r} is not known; expected one of {', '.join(AXES)}.")
    return view.axis or grid.default_axis()


def read_grid(header: Header, shape: tuple[int, int, int], has_sizes: bool) -> VolumeGrid:
    """The grid of a volume of that shape, by the first of the header's forms that can be used.

    `has_sizes` says whether the header's own sizes of voxels are usable; an sform does without them.
    """
    unit, notes = _unit(header)
    for form, affine in (("sform", _sform(header)), ("qform", _qform(header))):
        if affine is not None and _is_usable(affine):
            return VolumeGrid(shape, affine, form, unit, has_sizes or form == "sform", notes)
        if affine is not None:
            notes = (*notes, f"The file's {form} is no affine of a volume and is not used.")
    notes = (
        *notes,
        *([] if has_sizes else ["The file gives no sizes of voxels; equal ones were taken."]),
        "The file does not say how it lies in the body: "
        "names of axes and the sides of the picture are not certain.",
    )
    x, y, z = np.abs(header["pixdim"][1:4].astype(float)) if has_sizes else np.ones(3)
    # the first axis runs to the left, as NIfTI and nibabel have it by default
    affine = np.diag([-x, y, z, 1.0])
    return VolumeGrid(shape, affine, None, unit, has_sizes, notes)


def _unit(header: Header) -> tuple[str, tuple[str, ...]]:
    try:
        unit = header.get_xyzt_units()[0]
    except KeyError:  # a code NIfTI does not know
        unit = "unknown"
    named = unit != "unknown"
    return unit, () if named else (
        "The file names no unit of length; millimetres, the usual one, were taken.",
    )


def _sform(header: Header) -> np.ndarray | None:
    return header.get_sform() if header["sform_code"] > 0 else None


def _qform(header: Header) -> np.ndarray | None:
    if header["qform_code"] <= 0:
        return None
    try:
        return header.get_qform()
    # what nibabel raises for an impossible rotation
    except (HeaderDataError, ValueError, np.linalg.LinAlgError):
        return np.zeros((4, 4))


def _is_usable(affine: np.ndarray) -> bool:
    """Whether every stored axis leads somewhere, and they lead to three different places."""
    if not np.isfinite(affine).all():
        return False
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    if steps.min() < SMALLEST_STEP or steps.max() > GREATEST_STEP:
        return False
    volume = abs(np.linalg.det(affine[:3, :3] / steps))
    return volume > FLATTEST and not np.isnan(nibabel.io_orientation(affine)).any()
