"""NIfTI volumes: one slice to look at, and a mask put back where that slice lies.

Is: the volume's own grid, cut across one of its three axes, shown as a reading room shows it (the patient's right on the left in axial and
coronal slices, the face to the left in sagittal ones; head or face up). Is not: a resampler; an oblique volume is cut along its own axes.

The volume is held in memory as it came (unpacked, if it was compressed); only the slice is decoded.
"""

import gzip
from dataclasses import dataclass

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.orientations import OrientationError
from nibabel.spatialimages import HeaderDataError
from PIL import Image

from medreasoner.imaging.orientation import edge_letters
from medreasoner.imaging.types import (
    DAMAGE,
    MIN_SIDE,
    ImageError,
    LoadedImage,
    ViewOptions,
    ViewSelection,
    check_size,
    damaged,
    select_number,
)
from medreasoner.imaging.windowing import window_values

# axis -> (the body axis it is cut across, the one that runs along x and the one along y); 0 right-left, 1 back-front, 2 foot-head
AXES = {"axial": (2, 0, 1), "coronal": (1, 0, 2), "sagittal": (0, 1, 2)}
THICK = 1.5  # from this ratio of spacings on, a volume is shown across its thick slices
MM_PER_UNIT = {"mm": 1.0, "meter": 1000.0, "micron": 0.001, "unknown": 1.0}


@dataclass(frozen=True)
class SlicePlane:
    """One slice of a volume, as it is shown: index `at` along the stored axis `across`, the stored axes `x` and `y` along the picture's
    sides, each turned round where `flip_x` or `flip_y` says so."""

    across: int
    at: int
    x: int
    y: int
    flip_x: bool
    flip_y: bool

    def of(self, volume):
        """(rows, columns) of the first three axes of `volume`: a view into an array (writing to it writes the volume), or what an array
        proxy decodes."""
        index: list[slice | int] = [slice(None)] * 3
        index[self.across] = self.at
        plane = volume[tuple(index)]
        plane = plane.T if self.x < self.y else plane
        return plane[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]


@dataclass(frozen=True)
class Source:
    """Where a mask of the shown slice belongs: the volume's grid (three axes), and the geometry of its header."""

    shape: tuple[int, int, int]
    cut: SlicePlane
    geometry: nibabel.Nifti1Header | nibabel.Nifti2Header

    def mask_file(self, mask: np.ndarray, notice: str) -> bytes:
        """A `.nii.gz` file: uint8, 0 and 1, `mask` (H, W) bool in its slice of the volume's grid, nothing in the others; affine and units
        are the volume's. `notice` (up to 79 letters) stands in the header's description."""
        volume = np.zeros(self.shape, np.uint8)
        self.cut.of(volume)[:] = mask
        header = self.geometry.copy()
        header.set_data_dtype(np.uint8)
        header.set_data_shape(self.shape)
        header["descrip"] = notice.encode("ascii")
        family = nibabel.Nifti1Image if type(header) is nibabel.Nifti1Header else nibabel.Nifti2Image
        return gzip.compress(family(volume, None, header).to_bytes(), compresslevel=4, mtime=0)


def read_nifti(data: bytes, view: ViewSelection) -> LoadedImage:
    """One slice of the volume in `data` (a whole `.nii` file). The first moment is shown if there are several, the middle slice, and the
    plane the volume was recorded in, which is axial where its voxels do not tell.

    Errors: ImageError.
    """
    family = nibabel.Nifti1Image if data[344:348] == b"n+1\0" else nibabel.Nifti2Image
    try:
        volume = family.from_bytes(data)
        if len(volume.shape) < 3 or min(volume.shape) < 1:
            raise ImageError(
                f"The NIfTI file has the shape {volume.shape}; a volume of three dimensions was expected."
            )
        moments = int(np.prod(volume.shape[3:]))
        moment = select_number("moment", view.frame, moments)
        body = _body_axes(volume.affine)
        axis = _axis(volume, body, view)
        cut = _cut(volume, body, axis, view)
        check_size(volume.shape[cut.x], volume.shape[cut.y])
        later = (
            np.unravel_index(moment - 1, volume.shape[3:], order="F")
            if moments > 1
            else (0,) * (len(volume.shape) - 3)
        )
        values = np.asarray(cut.of(_Moment(volume.dataobj, later)))
        shaded = window_values(values, view.window)
        spacing, spacing_notes = _spacing(volume, cut)
        placed, placed_notes = _letters(volume, cut)
        source = Source(volume.shape[:3], cut, _geometry(volume))
    except ImageError:
        raise
    except (*DAMAGE, ImageFileError, HeaderDataError, OrientationError) as error:
        raise damaged("NIfTI", error) from error
    slices = volume.shape[cut.across]
    cut_note = f"{axis.capitalize()} slice {cut.at + 1} of {slices} is shown."
    moment_note = (f"Moment {moment} of {moments} is shown.",) if moments > 1 else ()
    return LoadedImage(
        image=Image.fromarray(shaded.pixels).convert("RGB"),
        kind="NIfTI",
        notes=(cut_note, *moment_note, *shaded.notes, *spacing_notes, *placed_notes),
        spacing_mm=spacing,
        orientation=placed,
        view=ViewSelection(cut.at + 1, axis, moment if moments > 1 else None, shaded.window),
        options=ViewOptions(slices, _axes(volume, body), moments, shaded.windows),
        source=source,
    )


@dataclass(frozen=True)
class _Moment:
    """The first three axes of a proxy at one place along its others, so that a `SlicePlane` can index it."""

    dataobj: object
    later: tuple[int, ...]

    def __getitem__(self, index: tuple) -> np.ndarray:
        return self.dataobj[(*index, *(int(i) for i in self.later))]


def _body_axes(affine: np.ndarray) -> np.ndarray:
    """(3, 2): for each stored axis the body axis it runs nearest to, and 1 or -1 for its direction. ValueError if one runs nowhere."""
    nearest = nibabel.io_orientation(affine)
    if np.isnan(nearest).any():
        raise ValueError("its affine is singular")
    return nearest.astype(int)


def _stored(body: np.ndarray, wanted: int) -> int:
    return int(np.flatnonzero(body[:, 0] == wanted)[0])


def _axes(volume: nibabel.Nifti1Image, body: np.ndarray) -> tuple[str, ...]:
    """The axes across which slices come out large enough to be read."""
    sides = {
        axis: (volume.shape[_stored(body, x)], volume.shape[_stored(body, y)])
        for axis, (_, x, y) in AXES.items()
    }
    return tuple(axis for axis, pair in sides.items() if min(pair) >= MIN_SIDE)


def _axis(volume: nibabel.Nifti1Image, body: np.ndarray, view: ViewSelection) -> str:
    if view.axis is not None:
        if view.axis not in AXES:
            raise ImageError(f"The axis {view.axis[:40]!r} is not known; expected one of {', '.join(AXES)}.")
        return view.axis
    possible = _axes(volume, body) or ("axial",)
    zooms = volume.header.get_zooms()
    across = {axis: float(zooms[_stored(body, AXES[axis][0])]) for axis in possible}
    thickest = max(across, key=lambda axis: across[axis])
    others = [width for axis, width in across.items() if axis != thickest]
    return thickest if not others or across[thickest] > THICK * max(others) else possible[0]


def _cut(volume: nibabel.Nifti1Image, body: np.ndarray, axis: str, view: ViewSelection) -> SlicePlane:
    across, x, y = (_stored(body, wanted) for wanted in AXES[axis])
    count = volume.shape[across]
    at = select_number(f"{axis} slice", view.slice, count, count // 2 + 1) - 1
    # to the right of the picture is the patient's left, or the back in a sagittal slice; down is the back or the feet
    return SlicePlane(across, at, x, y, flip_x=bool(body[x, 1] > 0), flip_y=bool(body[y, 1] > 0))


def _spacing(
    volume: nibabel.Nifti1Image, cut: SlicePlane
) -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    unit = volume.header.get_xyzt_units()[0]
    zooms = volume.header.get_zooms()
    spacing = tuple(float(zooms[i]) * MM_PER_UNIT[unit] for i in (cut.x, cut.y))
    if not (np.isfinite(spacing).all() and min(spacing) > 0):
        return None, ()
    return spacing, (
        "The file names no unit of length; millimetres, the usual one, were taken.",
    ) if unit == "unknown" else ()


def _letters(
    volume: nibabel.Nifti1Image, cut: SlicePlane
) -> tuple[tuple[str, str, str, str] | None, tuple[str, ...]]:
    if not (volume.header["sform_code"] > 0 or volume.header["qform_code"] > 0):
        return None, (
            "The file does not say how it lies in the body: names of axes and the sides of the picture are not certain.",
        )
    steps = volume.affine[:3, :3] * np.array(
        [[-1], [-1], [1]]
    )  # NIfTI counts to the right and to the front, DICOM to the left and back
    right = steps[:, cut.x] * (-1 if cut.flip_x else 1)
    down = steps[:, cut.y] * (-1 if cut.flip_y else 1)
    return edge_letters(right, down), ()


def _geometry(volume: nibabel.Nifti1Image) -> nibabel.Nifti1Header | nibabel.Nifti2Header:
    """A fresh header with the volume's place in space and its units, and nothing else of what it said."""
    old, new = volume.header, type(volume.header)()
    new.set_data_shape(volume.shape[:3])
    new.set_zooms(old.get_zooms()[:3])
    for name in ("qform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z"):
        new[name] = old[name]
    for name in ("sform_code", "srow_x", "srow_y", "srow_z"):
        new[name] = old[name]
    new["pixdim"][0] = old["pixdim"][0]  # the sign of the third axis, which belongs to the quaternion
    new.set_xyzt_units(old.get_xyzt_units()[0])
    return new
