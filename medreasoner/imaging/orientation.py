"""How the body lies in a picture: the letters a reading room puts at its edges.

Is: directions in the patient (DICOM's axes: x to the left, y to the back, z to the head) -> letters. Is not: a guess; where a header
gives no direction there are no letters.
"""

from collections.abc import Sequence

import numpy as np

POSITIVE, NEGATIVE = "LPH", "RAF"
OBLIQUE = (
    0.25  # of a unit vector: about 15 degrees off an axis, from where on the second letter is worth naming
)


def edge_letters(right: Sequence[float], down: Sequence[float]) -> tuple[str, str, str, str] | None:
    """Letters at the (left, right, top, bottom) edge of a picture.

    Args:
        right, down: (3,) where a step to the right and a step down lead in the patient, of any length.

    Returns: None where the two are not finite, not perpendicular (within about 2 degrees) or have no length; that is no image plane.
    """
    both = np.array([right, down], dtype=float)
    if both.shape != (2, 3) or not np.isfinite(both).all():
        return None
    lengths = np.linalg.norm(both, axis=1)
    if min(lengths) < 1e-6:
        return None
    x, y = both / lengths[:, None]
    if abs(x @ y) > 0.035:
        return None
    return _letters(-x), _letters(x), _letters(-y), _letters(y)


def _letters(direction: np.ndarray) -> str:
    """The axes a unit vector runs along, the nearest first."""
    order = np.argsort(-np.abs(direction), kind="stable")
    return "".join(
        (POSITIVE if direction[i] > 0 else NEGATIVE)[i] for i in order if abs(direction[i]) > OBLIQUE
    )
