"""The header of a NIfTI file: what of it can be used, and what is mended."""

import logging
import math
from typing import NamedTuple

import nibabel
import numpy as np
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from medreasoner.imaging.nifti_grid import GREATEST_STEP, SMALLEST_STEP, Header
from medreasoner.imaging.nifti_source import AXES
from medreasoner.imaging.types import MAX_FRAMES, ImageError, damaged

MAGIC = b"n+1\0"  # at byte 344 of a NIfTI-1 file; one without is NIfTI-2
NUMBERS = "iufc"  # kinds of NumPy types; complex ones are refused with their name when they are shown
HARMLESS = 50  # nibabel's levels of problems go to here; it mends what it can

# What nibabel 5 raises for a damaged header; found by breaking files at random
_HEADER_ERRORS = (HeaderDataError, WrapStructError, ValueError, KeyError)

_LOG = logging.getLogger(__name__)


class NiftiHeader(NamedTuple):
    """What a file's header says, as far as it can be used.

    Args:
        fields: the header, with what does not concern the voxels mended.
        shape: all its axes.
        has_sizes: whether it states a size of a voxel along each axis in space.
        notes: what could not be used.
    """

    fields: Header
    shape: tuple[int, ...]
    has_sizes: bool
    notes: tuple[str, ...] = ()

    def moments(self, size: int) -> int:
        """How many time points a file of `size` bytes holds of those that its header claims; at least 1."""
        volume = math.prod(self.shape[:AXES]) * self.fields.get_data_dtype().itemsize
        held = (size - int(self.fields["vox_offset"])) // max(1, volume)  # of an unknown type it is 0
        return max(1, min(math.prod(self.shape[AXES:]), held, MAX_FRAMES))


def read_header(data: bytes) -> NiftiHeader:
    """Errors: ImageError for a header that says nothing of the voxels, or of fewer than two axes."""
    family = nibabel.Nifti1Header if data[344:348] == MAGIC else nibabel.Nifti2Header
    try:
        fields = family(data[: family.sizeof_hdr], check=False)
        sizes = fields["pixdim"][1 : 1 + AXES].astype(float)
        fields.check_fix(_LOG, HARMLESS)
        is_color = fields.get_data_dtype().names is not None
        shape = tuple(int(side) for side in fields.get_data_shape())
    except _HEADER_ERRORS as error:
        raise damaged("NIfTI", error) from error
    if not is_color and fields.get_data_dtype().kind not in NUMBERS:
        raise ImageError(f"The NIfTI file holds voxels of type {fields.get_data_dtype()}, not numbers.")
    if len(shape) < AXES - 1 or min(shape) < 1:
        raise ImageError(f"The NIfTI file has the shape {shape}; an image or a volume was expected.")
    if not fields.single_vox_offset <= fields["vox_offset"] < np.inf:
        fields["vox_offset"] = fields.single_vox_offset
    if is_color:  # a scaling has no meaning there
        fields["scl_slope"] = fields["scl_inter"] = np.nan
    has_sizes = bool(np.isfinite(sizes).all() and SMALLEST_STEP <= abs(sizes).min())
    has_sizes = has_sizes and bool(abs(sizes).max() <= GREATEST_STEP)
    try:
        fields.get_slope_inter()
    except HeaderDataError:
        fields["scl_slope"] = fields["scl_inter"] = np.nan
        note = "The file's scaling of values cannot be used; they are shown as they are stored."
        return NiftiHeader(fields, shape, has_sizes, (note,))
    return NiftiHeader(fields, shape, has_sizes)
