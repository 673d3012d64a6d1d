"""Two figures as SVG text that goes into the page: a forest plot and a reliability diagram. No script, no
font, no file of their own; colours come from the page's style."""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from medreasoner.metrics import Interval
from medreasoner.metrics.calibration import Bin

ROW, LABEL, PLOT, VALUES = 24, 250, 380, 150  # pixels: height of a row, widths of the columns
TICKS = 5  # parts of an axis
LONGEST_LABEL = 38  # characters
SIDE, LEFT, ABOVE = 320, 60, 16  # pixels: of a reliability diagram, and what stands around it
MARK, SMALLEST, GROWTH = 4, 3, 9  # pixels: half a mark; radius of a bin
STEPS = (1, 2, 2.5, 5, 10)  # times a power of ten, ends of axes whose fifths are round


@dataclass(frozen=True)
class Bar:
    """One line of a forest plot. `kind` is "run", "control" or "group" and chooses the mark; `n` is shown in
    brackets."""

    label: str
    mean: float
    low: float
    high: float
    kind: str = "run"
    n: int | None = None

    @staticmethod
    def of(label: str, interval: Interval | None, kind: str, n: int | None = None) -> "Bar | None":
        """None where there is no interval."""
        return interval and Bar(label, interval.mean, interval.low, interval.high, kind, n)


def forest(bars: Sequence[Bar], unit: str) -> str:
    """Means as marks on their 95 % intervals, one row each, on a common axis that begins at 0."""
    top = nice(max(bar.high for bar in bars))
    height = ROW * len(bars) + 46
    parts = [_svg(LABEL + PLOT + VALUES, height, f"{unit}: means with 95 % intervals")]
    for step in range(TICKS + 1):
        x = LABEL + PLOT * step / TICKS
        parts.append(_line("grid", (x, 4), (x, height - 40)))
        parts.append(_text("tick", (x, height - 24), f"{top * step / TICKS:.2g}", "middle"))
    for row, bar in enumerate(bars):
        parts += _row(bar, ROW * row + ROW / 2 + 4, top)
    return "".join([*parts, _text("axis", (LABEL + PLOT / 2, height - 6), unit, "middle"), "</svg>"])


def _row(bar: Bar, y: float, top: float) -> list[str]:
    low, mean, high = (LABEL + PLOT * min(max(v / top, 0), 1) for v in (bar.low, bar.mean, bar.high))
    count = "" if bar.n is None else f" ({bar.n})"
    label = textwrap.shorten(bar.label, LONGEST_LABEL, placeholder=" …") + count
    value = f"{bar.mean:.3f} [{bar.low:.3f}, {bar.high:.3f}]"
    return [
        _text("", (LABEL - 12, y + 4), label, "end"),
        _line(f"interval {bar.kind}", (low, y), (high, y)),
        _mark(bar.kind, mean, y),
        _text("value", (LABEL + PLOT + 12, y + 4), value, "start"),
    ]


def _mark(kind: str, x: float, y: float) -> str:
    if kind == "control":
        return f'<circle class="mark control" cx="{x:.1f}" cy="{y:.1f}" r="{MARK}"/>'
    place = f'x="{x - MARK:.1f}" y="{y - MARK:.1f}" width="{2 * MARK}" height="{2 * MARK}"'
    return f'<rect class="mark {kind}" {place}/>'


def reliability(binned: Sequence[Bin], across: str, up: str) -> str:
    """Confidence, 0..1, against what came true.

    A point on the dashed line means what it says. The area of a point is its count.

    Args:
        across, up: the titles of the axes.
    """
    bottom, most = SIDE + ABOVE, max(count for *_, count in binned)
    parts = [_svg(LEFT + SIDE + 20, SIDE + 66, f"{up} against {across}")]
    for step in range(TICKS + 1):
        at = SIDE * step / TICKS
        parts += [
            _line("grid", (LEFT + at, ABOVE), (LEFT + at, bottom)),
            _line("grid", (LEFT, ABOVE + at), (LEFT + SIDE, ABOVE + at)),
            _text("tick", (LEFT + at, bottom + 18), f"{step / TICKS:.1f}", "middle"),
            _text("tick", (LEFT - 8, bottom + 4 - at), f"{step / TICKS:.1f}", "end"),
        ]
    parts.append(_line("ideal", (LEFT, bottom), (LEFT + SIDE, ABOVE)))
    for confidence, truth, count in binned:
        x, y, radius = LEFT + SIDE * confidence, ABOVE + SIDE * (1 - truth), math.sqrt(count / most)
        circle = f'cx="{x:.1f}" cy="{y:.1f}" r="{SMALLEST + GROWTH * radius:.1f}"'
        parts.append(f'<circle class="bin" {circle}><title>{count} answers</title></circle>')
    middle = ABOVE + SIDE / 2
    parts.append(_text("axis", (LEFT + SIDE / 2, bottom + 40), across, "middle"))
    parts.append(_text("axis", (14, middle), up, "middle", f' transform="rotate(-90 14 {middle:g})"'))
    return "".join([*parts, "</svg>"])


def _svg(width: float, height: float, title: str) -> str:
    box = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}"'
    named = f'role="img" aria-label="{escape(title)}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {box} {named}><title>{escape(title)}</title>'


def _line(kind: str, start: tuple[float, float], end: tuple[float, float]) -> str:
    (x1, y1), (x2, y2) = start, end
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(kind: str, at: tuple[float, float], text: str, anchor: str, more: str = "") -> str:
    x, y = at
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{escape(text)}</text>'


def nice(value: float) -> float:
    """The next end of an axis whose fifths are round: 0.25, 0.5, 1, 2.5 …"""
    power = 10.0 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return next(step * power for step in STEPS if step * power >= value * (1 - 1e-9))
