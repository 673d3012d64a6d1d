"""What the page shows of a whole stack, as plain values: a strip with a cell for each slice, three planes
and the mask from all around. The script of the component `volume` draws them.
"""

from collections.abc import Iterator

import numpy as np
from nibabel.orientations import aff2axcodes
from PIL import Image

from medreasoner.imaging import Volume
from medreasoner.output.contours import svg_path
from medreasoner.output.data_url import image_data_url
from medreasoner.output.projections import Plane, planes, surface_views
from medreasoner.page.volume_run import VolumeRun


def strip(run: VolumeRun) -> dict:
    """The value of the component while a run lasts: which slices were looked at, which hold the mask."""
    return {
        "file": run.file,
        "id": run.id,
        "axis": run.view.axis,
        "slices": run.volume.shape[0],
        "looked": sorted(run.looked.items()),
        "key": run.key,
        "filled": sorted(run.masks),
        "corrected": sorted(run.changed_seeds()) if run.found else [],
        "running": run.running,
    }


def pictures(run: VolumeRun) -> dict:
    """Three planes through the mask, and views of it from all around; {} where there is no mask."""
    stack = run.small
    mask = run.mask()[:, :: stack.step, :: stack.step]
    if not mask.any():
        return {}
    sizes = run.volume.spacing_mm or (1.0, 1.0, 1.0)
    spacing = (sizes[0], sizes[1] * stack.step, sizes[2] * stack.step)
    grey, depth = stack.whole(), run.volume.shape[0]
    from_head = feet_last(run.volume)
    if from_head:  # pictures in space are built from the feet up
        grey, mask = grey[::-1], mask[::-1]
    cut = planes(grey, mask, spacing)
    views = surface_views(mask, spacing)
    ends = (1, depth) if from_head or run.volume.axis != "axial" else (depth, 1)
    film = Image.fromarray((np.hstack(list(views)) * 255).astype(np.uint8))
    shown = [
        {
            "name": name,
            "src": image_data_url(Image.fromarray(image), compress_level=3),
            "width": image.shape[1],
            "height": image.shape[0],
            "mask": svg_path(inside),
            "top": top,
            "bottom": bottom,
        }
        for name, image, inside, top, bottom in _upright(cut, run.volume, ends, from_head)
    ]
    return {"planes": shown, "film": image_data_url(film, compress_level=3), "turns": len(views)}


def plane_names(volume: Volume) -> tuple[str, ...]:
    """What the planes across the three axes are called."""
    others = {
        "axial": ("axial", "coronal", "sagittal"),
        "coronal": ("coronal", "axial", "sagittal"),
        "sagittal": ("sagittal", "axial", "coronal"),
    }
    return others.get(volume.axis, ("slice", "across, rows", "across, columns"))


def _upright(
    cut: tuple[Plane, ...], volume: Volume, ends: tuple[int, int], from_head: bool
) -> Iterator[tuple[str, np.ndarray, np.ndarray, int, int]]:
    """(name, grey values, mask, slice at the top, slice at the bottom) of each plane, the head on top where
    slices lie one above the other.
    """
    depth = volume.shape[0]
    for axis, (plane, name) in enumerate(zip(cut, plane_names(volume), strict=True)):
        if axis == 0:
            at = depth - plane.at if from_head else plane.at + 1
            yield name, plane.image, plane.mask, at, at
        else:
            way = -1 if volume.axis == "axial" else 1
            yield name, plane.image[::way], plane.mask[::way], *ends


def feet_last(volume: Volume) -> bool:
    """Whether the slices of an axial stack come from the head down."""
    if volume.axis != "axial":
        return False
    if volume.kind == "NIfTI":
        source = volume.source
        return aff2axcodes(source.geometry.get_best_affine())[source.plane.across] == "I"
    directions = np.array([float(value) for value in volume.source[0].header.ImageOrientationPatient])
    return bool(np.cross(directions[:3], directions[3:])[2] < 0)
