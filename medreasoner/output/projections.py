"""Small pictures of a mask in space: the three planes through its middle, and the mask itself as a shaded
surface seen from all around.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

LONGEST = 150  # pixels, of a plane's longest side
SIDE = 100  # pixels, of a view of the surface
TURNS = 12  # views of the surface, evenly around the axis across the slices
TILT = 20.0  # degrees by which it is seen from above
LIGHT = np.array([-0.4, -0.5, 0.77])  # where the light comes from: x right, y down, z towards the eye
DARKEST = 0.25  # what the side away from the light keeps


@dataclass(frozen=True)
class Plane:
    """One plane through a volume.

    Args:
        image: grey (h, w) uint8, of square pixels. mask: (h, w) bool.
        at: where it cuts the volume, counted from 0 along its own axis.
    """

    image: np.ndarray
    mask: np.ndarray
    at: int


def planes(grey: np.ndarray, mask: np.ndarray, spacing: tuple[float, float, float]) -> tuple[Plane, ...]:
    """The planes across each of the three axes through the middle of the mask, or of the volume where the
    mask is empty.

    Args:
        grey: (D, H, W) uint8. mask: (D, H, W) bool.
        spacing: of a voxel along the three axes, in any unit.
    """
    filled = np.argwhere(mask) if mask.any() else np.array([[side // 2 for side in mask.shape]])
    middle = np.median(filled, axis=0).astype(int)
    cut = []
    for axis, at in enumerate(middle):
        sizes = np.delete(np.asarray(spacing, float), axis)
        image, inside = (np.take(each, at, axis) for each in (grey, mask))
        scale = sizes * LONGEST / (sizes * image.shape).max()
        shape = np.maximum(1, np.round(image.shape * scale)).astype(int)
        shown = Image.fromarray(image).resize(shape[::-1], Image.Resampling.BILINEAR)
        covered = Image.fromarray(inside).resize(shape[::-1], Image.Resampling.NEAREST)
        cut.append(Plane(np.asarray(shown), np.asarray(covered), int(at)))
    return tuple(cut)


def surface_views(mask: np.ndarray, spacing: tuple[float, float, float]) -> np.ndarray:
    """A mask as a shaded surface, (TURNS, SIDE, SIDE) float 0..1; 0 where there is none of it.

    The first slice lies at the bottom, and each view is turned further by the same angle.

    Args:
        mask: (D, H, W) bool. spacing: of a voxel along the three axes, in any unit.
    """
    views = np.zeros((TURNS, SIDE, SIDE))
    if not mask.any():
        return views
    body = _cube(mask, spacing)
    for turn in range(TURNS):
        views[turn] = _shaded(_turned(body, 360.0 * turn / TURNS))
    return views


def _cube(mask: np.ndarray, spacing: tuple[float, float, float]) -> np.ndarray:
    """The mask as softly edged voxels of equal sides in a cube, with room to turn; (up, back, right)."""
    found = ndimage.find_objects(mask.astype(np.uint8))[0]
    part = mask[found].astype(np.float32)
    size = np.asarray(spacing, float)
    diagonal = np.linalg.norm(size * part.shape)
    scaled = ndimage.zoom(np.pad(part, 1), size * SIDE * 0.92 / diagonal, order=1)
    cube = np.zeros((SIDE, SIDE, SIDE), np.float32)
    fitted = scaled[tuple(slice(0, SIDE) for _ in range(3))]
    start = [(SIDE - side) // 2 for side in fitted.shape]
    cube[tuple(slice(at, at + side) for at, side in zip(start, fitted.shape, strict=True))] = fitted
    return ndimage.gaussian_filter(cube, 0.8)[::-1]


def _turned(body: np.ndarray, degrees: float) -> np.ndarray:
    """The cube turned about its upright axis and tilted towards the eye; (down, back, right)."""
    a, t = np.radians(degrees), np.radians(TILT)
    about = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    tilted = np.array([[np.cos(t), -np.sin(t), 0], [np.sin(t), np.cos(t), 0], [0, 0, 1]])
    back = about @ tilted
    middle = np.full(3, (SIDE - 1) / 2)
    return ndimage.affine_transform(body, back, middle - back @ middle, order=1)


def _shaded(body: np.ndarray) -> np.ndarray:
    """The surface that the eye meets first, in the light; the eye looks along the second axis."""
    solid = body > 0.5
    hit = solid.any(axis=1)
    depth = np.where(hit, solid.argmax(axis=1), SIDE).astype(float)
    smooth = ndimage.gaussian_filter(np.where(hit, depth, depth[hit].max()), 1.2)
    down, right = np.gradient(smooth)
    normals = np.stack([right, down, np.ones_like(smooth)])  # towards the eye depth falls
    normals /= np.linalg.norm(normals, axis=0)
    lit = np.tensordot(LIGHT / np.linalg.norm(LIGHT), normals, 1).clip(0, 1)
    return np.where(hit, DARKEST + (1 - DARKEST) * lit, 0.0)
