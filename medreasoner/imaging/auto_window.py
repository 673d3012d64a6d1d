"""What the values of an image say about how to show them: their automatic limits, and whether they are
Hounsfield units.

The automatic limits are those of the body. Padding that a header declares does not count, nor does a
background fill: one constant far away from all other values, as resampling and cropping tools write it
(-32768, 65535, …).
"""

import numpy as np

from medreasoner.imaging.types import ImageError

PERCENTILES = (0.5, 99.5)
FILL_SHARE = 0.005  # of the values; a rarer constant lies beyond the percentiles anyway
DISTINCT = 16  # with fewer different values an image is a label map or a drawing, which has no fill

# Hounsfield units: -1000 is air, -100 fat, 0 water, 40 muscle, 1000 bone
HOUNSFIELD_AIR = -200  # a CT reaches below; where nothing does, its presets are not offered
AIR, GAP, TISSUE = (-1100, -850), (-500, -250), (-200, 300)  # nothing in the body lies in the gap
CT_SHARE = 0.01  # of the values that air, and also tissue, must have; the gap has half as much as air at most
SAMPLE = 1_000_000  # values that are looked at
BELOW_AIR = 0.02  # of the values that may lie under air: noise and streaks, but no phase image


def percentile_limits(
    values: np.ndarray, padding: np.ndarray | None = None, whole: bool = False
) -> tuple[float, float]:
    """The values that become black and white where nobody says which window.

    Args:
        values: real numbers of any shape.
        padding: bool of the same shape, True where no image was taken.
        whole: take the extremes of all values that are no padding, instead of percentiles of the body.

    Returns: (low, high); the extremes where the percentiles are equal, and equal ones if all values are.
    Errors: ImageError if no value is finite.
    """
    body = _finite(values if padding is None or padding.all() else values[~padding])
    if not body.size:
        raise ImageError("The image holds no finite value; there is nothing to show.")
    if not whole:
        body = without_fill(body)
        low, high = _percentiles(body)
        if high > low:
            return low, high
    return float(body.min()), float(body.max())


def without_fill(values: np.ndarray) -> np.ndarray:
    """Finite values, one dimension, without a background fill at their lower and upper end.

    The lowest (highest) value is a fill if it is frequent, and farther from the others than these are apart:
    it would leave the body less than half of the grey levels.
    """
    for extreme in (values.min(), values.max()):
        fill = values == extreme
        if not FILL_SHARE <= fill.mean() < 1:
            continue
        rest = values[~fill]
        low, high = _percentiles(rest)
        distance = low - float(extreme) if extreme < low else float(extreme) - high
        if distance > high - low and len(np.unique(rest)) >= DISTINCT:
            values = rest
    return values


def _percentiles(values: np.ndarray) -> tuple[float, float]:
    """PERCENTILES of values in one dimension, between neighbours linearly.

    NumPy's own depend in their last digits on the type of the values; these are the same for equal values.
    """
    found = []
    for percentile in PERCENTILES:
        position = percentile / 100 * (values.size - 1)
        before = int(position)
        after = min(before + 1, values.size - 1)
        ordered = np.partition(values, (before, after))
        low, high = float(ordered[before]), float(ordered[after])
        found.append(low + (high - low) * (position - before))
    return found[0], found[1]


def may_be_hounsfield(values: np.ndarray) -> bool:
    """Whether the presets for CT are worth offering: signed values, some of them below all that is no air."""
    if values.dtype.kind not in "if":
        return False
    finite = _finite(values)
    return bool(finite.size and finite.min() <= HOUNSFIELD_AIR)


def is_hounsfield(values: np.ndarray) -> bool:
    """Whether values of unknown origin are Hounsfield units: much air, much soft tissue, little between
    them and hardly anything below.

    One constant below air, the padding outside a scanner's circle, does not count.
    """
    if not may_be_hounsfield(values):
        return False
    finite = _finite(values)
    finite = finite[:: max(1, finite.size // SAMPLE)]
    if finite.min() < AIR[0]:
        finite = finite[finite > finite.min()]
    if not finite.size or (finite < AIR[0]).mean() > BELOW_AIR:
        return False
    air, gap, tissue = (((low <= finite) & (finite <= high)).mean() for low, high in (AIR, GAP, TISSUE))
    return bool(min(air, tissue) >= CT_SHARE and 2 * gap <= air)


def _finite(values: np.ndarray) -> np.ndarray:
    """The finite values, in one dimension."""
    return values[np.isfinite(values)] if values.dtype.kind == "f" else values.ravel()
