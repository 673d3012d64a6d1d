"""The letters that a reading room puts at the edges of a picture, from directions in the patient.

Directions are in DICOM's axes: x to the left, y to the back, z to the head.
"""

from collections.abc import Sequence

import numpy as np

POSITIVE, NEGATIVE = "LPH", "RAF"
OBLIQUE = (
    0.25  # of a unit vector: about 15 degrees off an axis, from where on a second letter is worth naming
)
SHORTEST = 1e-6  # a step that leads nowhere
SKEWED = 0.035  # cosine of the angle between the sides of a plane: about 2 degrees off a right angle


def edge_letters(right: Sequence[float], down: Sequence[float]) -> tuple[str, str, str, str] | None:
    """Letters at the (left, right, top, bottom) edge of a picture.

    Args:
        right, down: (3,) where a step to the right and a step down lead in the patient, of any length.

    Returns: None for what is no image plane: steps that are not finite, not perpendicular, or lead nowhere.
    """
    steps = np.array([right, down], dtype=float)
    if steps.shape != (2, 3) or not np.isfinite(steps).all():
        return None
    lengths = np.linalg.norm(steps, axis=1)
    if min(lengths) < SHORTEST:
        return None
    x, y = steps / lengths[:, None]
    if abs(x @ y) > SKEWED:
        return None
    return _letters(-x), _letters(x), _letters(-y), _letters(y)


def _letters(direction: np.ndarray) -> str:
    """The axes a unit vector runs along, the nearest first."""
    order = np.argsort(-np.abs(direction), kind="stable")
    return "".join(
        (POSITIVE if direction[i] > 0 else NEGATIVE)[i] for i in order if abs(direction[i]) > OBLIQUE
    )
