"""What a part of a report is made of, and how its numbers are written: the same for the page and for
Markdown."""

from dataclasses import dataclass, field

from medreasoner.evaluation.report.cases import Shown
from medreasoner.metrics import Interval

NOWHERE = "–"  # stands for a number that there is not
MINUS = "−"


@dataclass(frozen=True)
class Table:
    """Cells as text; the first column is a name. `marks` are the rows that stand out (this report's own)."""

    header: list[str]
    rows: list[list[str]]
    marks: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Part:
    """One part of the report; what it does not have is empty."""

    title: str
    words: list[str] = field(default_factory=list)
    table: Table | None = None
    svg: str = ""
    cases: list[Shown] = field(default_factory=list)


def cell(interval: Interval | None, signed: bool = False) -> str:
    """A mean with its interval, a dash where there is none."""
    if interval is None:
        return NOWHERE
    sign = "+" if signed else ""
    mean, low, high = (f"{value:{sign}.3f}" for value in (interval.mean, interval.low, interval.high))
    return f"{mean} [{low}, {high}]".replace("-", MINUS)


def percent(interval: Interval | None) -> str:
    """The same times 100, as the published table has it."""
    if interval is None:
        return NOWHERE
    mean, low, high = (f"{100 * value:.2f}" for value in (interval.mean, interval.low, interval.high))
    return f"{mean} [{low}, {high}]"


def lower(text: str) -> str:
    """With a small first letter, for use inside a sentence."""
    return text[0].lower() + text[1:]


def number(value: float | None) -> str:
    """Three digits, a dash where there is none."""
    return NOWHERE if value is None else f"{value:.3g}"


def plain(value: object) -> str:
    """A fact of a run in words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return NOWHERE if value in (None, "") else str(value)
