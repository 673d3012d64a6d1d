"""Draws what `bench.growth` found: one panel a part, both axes logarithmic, with a straight line of slope 1
through the first point. What lies on or below that line grows no faster than its input."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

MEASURED, LINEAR = "#0072B2", "#999999"


def draw(found: Mapping[str, Sequence[tuple[int, float]]], units: Mapping[str, str], out: Path) -> Path:
    """Write the picture (its ending says in which format); returns its path.

    Args:
        found: for each part the sizes, smallest first, with the seconds of the processor they took.
        units: of what the sizes of each part are numbers.
    """
    figure = Figure((2.6 * len(found), 2.6), layout="constrained")
    for axes, (name, points) in zip(
        figure.subplots(1, len(found), squeeze=False)[0], found.items(), strict=True
    ):
        sizes, seconds = zip(*points, strict=True)
        axes.loglog(sizes, [seconds[0] * size / sizes[0] for size in sizes], "--", color=LINEAR)
        axes.loglog(sizes, seconds, "o-", color=MEASURED)
        axes.set_title(name)
        axes.set_xlabel(units[name])
        axes.grid(alpha=0.3)
    figure.supylabel("seconds of the processor")
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out)
    return out
