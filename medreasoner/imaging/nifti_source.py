"""A mask of one slice, or of all slices, as a NIfTI volume, in the grid of the volume it was made on."""

import gzip
from dataclasses import dataclass, replace

import nibabel
import numpy as np

from medreasoner.imaging.nifti_grid import MM_PER_UNIT, Header, SlicePlane, VolumeGrid

AXES = 3
_QFORM = ("qform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z")
_SFORM = ("sform_code", "srow_x", "srow_y", "srow_z")


@dataclass(frozen=True)
class NiftiSource:
    """Where a mask of the shown slice belongs.

    Args:
        shape: of the volume as it is stored, without time points; two or three axes.
        plane: the slice.
        geometry: a header with the volume's place and units alone.
    """

    shape: tuple[int, ...]
    plane: SlicePlane
    geometry: Header

    @property
    def across_mm(self) -> float:
        """From the middle of the slice to that of the next, in mm; 1 where the file states no size."""
        sizes = nibabel.affines.voxel_sizes(self.geometry.get_best_affine())
        return float(sizes[self.plane.across]) * MM_PER_UNIT[self.geometry.get_xyzt_units()[0]]

    def mask_file(self, mask: np.ndarray, notice: str) -> bytes:
        """A `.nii.gz` file: uint8, 0 and 1.

        `mask` is bool: (H, W) goes into the shown slice, and all others are 0; (D, H, W) holds every slice
        across the same axis. Affine and units are the volume's. `notice` (up to 79 letters) stands in the
        header's description.
        """
        volume = np.zeros((*self.shape, 1)[:AXES], np.uint8)
        for at, each in enumerate(mask) if mask.ndim == AXES else ((self.plane.at, mask),):
            replace(self.plane, at=at).extract(volume)[:] = each
        header = self.geometry.copy()
        header.set_data_dtype(np.uint8)
        header.set_data_shape(self.shape)
        header["descrip"] = notice.encode("ascii")
        family = nibabel.Nifti1Image if type(header) is nibabel.Nifti1Header else nibabel.Nifti2Image
        whole = family(volume.reshape(self.shape), None, header).to_bytes()
        return gzip.compress(whole, compresslevel=4, mtime=0)


def nifti_source(header: Header, shape: tuple[int, ...], grid: VolumeGrid, plane: SlicePlane) -> NiftiSource:
    """What a mask of this slice needs. Nothing of the header is kept but place and units.

    Both of its forms are kept where the one that is used is the one other tools take, else only that one.
    """
    fresh = type(header)()
    fresh.set_data_shape(shape)
    fresh.set_zooms(nibabel.affines.voxel_sizes(grid.affine)[: len(shape)])
    for name in (*(_QFORM if grid.form else ()), *(_SFORM if grid.form == "sform" else ())):
        fresh[name] = header[name]
    if fresh["qform_code"] > 0:
        fresh["pixdim"][:4] = header["pixdim"][:4]  # the first is the sign of the third axis
    fresh.set_xyzt_units(grid.unit)
    return NiftiSource(shape, plane, fresh)
