"""Figures as SVG text that goes into the page: no script, no font, no file of their own. Colours come from the page's style.

Is: a forest plot and a reliability diagram. Is not: a plotting library; two figures need none.
"""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

ROW, LABEL, PLOT, VALUES = 24, 250, 380, 150  # pixels: height of a row, widths of the columns


@dataclass(frozen=True)
class Bar:
    """One line of a forest plot. `kind` is "run", "control" or "group" and chooses the mark."""

    label: str
    mean: float
    low: float
    high: float
    kind: str = "run"
    n: int | None = None


def forest(bars: Sequence[Bar], unit: str) -> str:
    """Means as marks on their 95 % intervals, one row each, on a common axis that begins at 0."""
    top = nice(max(bar.high for bar in bars))
    height = ROW * len(bars) + 46
    parts = [_svg(LABEL + PLOT + VALUES, height, f"{unit}: means with 95 % intervals")]
    for step in range(6):
        x = LABEL + PLOT * step / 5
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="4" y2="{height - 40}"/>')
        parts.append(
            f'<text class="tick" x="{x:.1f}" y="{height - 24}" text-anchor="middle">{top * step / 5:.2g}</text>'
        )
    for row, bar in enumerate(bars):
        y = ROW * row + ROW / 2 + 4
        low, mean, high = (
            LABEL + PLOT * min(max(value / top, 0), 1) for value in (bar.low, bar.mean, bar.high)
        )
        count = "" if bar.n is None else f" ({bar.n})"
        label = escape(textwrap.shorten(bar.label, 38, placeholder=" …"))
        parts.append(f'<text x="{LABEL - 12}" y="{y + 4:.1f}" text-anchor="end">{label}{count}</text>')
        parts.append(
            f'<line class="interval {bar.kind}" x1="{low:.1f}" x2="{high:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        parts.append(_mark(bar.kind, mean, y))
        value = f"{bar.mean:.3f} [{bar.low:.3f}, {bar.high:.3f}]"
        parts.append(f'<text class="value" x="{LABEL + PLOT + 12}" y="{y + 4:.1f}">{value}</text>')
    parts.append(
        f'<text class="axis" x="{LABEL + PLOT / 2}" y="{height - 6}" text-anchor="middle">{escape(unit)}</text></svg>'
    )
    return "".join(parts)


def _mark(kind: str, x: float, y: float) -> str:
    if kind == "control":
        return f'<circle class="mark control" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
    return f'<rect class="mark {kind}" x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8"/>'


def bins(
    confidences: Sequence[float], truths: Sequence[float], number: int = 10
) -> list[tuple[float, float, int]]:
    """(mean confidence, mean truth, count) of every tenth of 0..1 that holds a value."""
    filled: dict[int, list[tuple[float, float]]] = {}
    for confidence, truth in zip(confidences, truths, strict=True):
        filled.setdefault(min(number - 1, int(confidence * number)), []).append((confidence, truth))
    return [
        (_mean(c for c, _ in pairs), _mean(t for _, t in pairs), len(pairs))
        for _, pairs in sorted(filled.items())
    ]


def tenths(
    confidences: Sequence[float], truths: Sequence[float], number: int = 10
) -> list[tuple[float, float, int]]:
    """As `bins`, but of like number, ten answers at least, in order of confidence: for confidences that lie close together."""
    pairs = sorted(zip(confidences, truths, strict=True))
    number = max(1, min(number, len(pairs) // 10))
    cuts = [pairs[len(pairs) * i // number : len(pairs) * (i + 1) // number] for i in range(number)]
    return [(_mean(c for c, _ in cut), _mean(t for _, t in cut), len(cut)) for cut in cuts]


def calibration_error(binned: Sequence[tuple[float, float, int]]) -> float:
    """Mean distance of confidence and truth over the bins, weighted by their counts (expected calibration error)."""
    return sum(abs(confidence - truth) * count for confidence, truth, count in binned) / sum(
        count for *_, count in binned
    )


def separation(confidences: Sequence[float], right: Sequence[float]) -> float | None:
    """The share of pairs of a right answer (1) and a wrong one (0) in which the right one has the higher confidence, a tie counting half:
    the area under the ROC curve, 0..1; None where all answers are right, or all wrong."""
    good, bad = (
        [c for c, r in zip(confidences, right, strict=True) if bool(r) is kind] for kind in (True, False)
    )
    if not good or not bad:
        return None
    return sum((g > b) + (g == b) / 2 for g in good for b in bad) / (len(good) * len(bad))


def reliability(binned: Sequence[tuple[float, float, int]], across: str, up: str, top: float = 1.0) -> str:
    """Confidence, 0..`top`, against what came true; a point on the dashed line means what it says. The area of a point is its count."""
    side, left, above, most = 320, 60, 16, max(count for *_, count in binned)
    parts = [_svg(left + side + 20, side + 66, f"{up} against {across}")]
    for step in range(6):
        at = side * step / 5
        parts.append(
            f'<line class="grid" x1="{left + at:.1f}" x2="{left + at:.1f}" y1="{above}" y2="{side + above}"/>'
        )
        parts.append(
            f'<line class="grid" x1="{left}" x2="{left + side}" y1="{above + at:.1f}" y2="{above + at:.1f}"/>'
        )
        parts.append(
            f'<text class="tick" x="{left + at:.1f}" y="{side + above + 18}" text-anchor="middle">{top * step / 5:.2g}</text>'
        )
        parts.append(
            f'<text class="tick" x="{left - 8}" y="{side + above + 4 - at:.1f}" text-anchor="end">{step / 5:.1f}</text>'
        )
    parts.append(
        f'<line class="ideal" x1="{left}" y1="{side + above}" x2="{left + side}" y2="{above + side * (1 - top):.1f}"/>'
    )
    for confidence, truth, count in binned:
        x, y, radius = (
            left + side * confidence / top,
            above + side * (1 - truth),
            3 + 9 * math.sqrt(count / most),
        )
        parts.append(
            f'<circle class="bin" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"><title>{count} answers</title></circle>'
        )
    parts.append(
        f'<text class="axis" x="{left + side / 2}" y="{side + above + 40}" text-anchor="middle">{escape(across)}</text>'
    )
    middle = side / 2 + above
    turned = f'transform="rotate(-90 14 {middle})"'
    parts.append(
        f'<text class="axis" x="14" y="{middle}" text-anchor="middle" {turned}>{escape(up)}</text></svg>'
    )
    return "".join(parts)


def _svg(width: float, height: float, title: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" role="img" '
        f'aria-label="{escape(title)}"><title>{escape(title)}</title>'
    )


def nice(value: float) -> float:
    """The next end of an axis whose fifths are round: 0.25, 0.5, 1, 2.5 …"""
    power = 10.0 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= value * (1 - 1e-9))


def _mean(values) -> float:
    listed = list(values)
    return sum(listed) / len(listed)
