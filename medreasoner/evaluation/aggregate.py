"""Records to a summary: means with 95 % intervals that draw whole cases, overall and in groups, and what
failed.

A failed answer counts zero in every mean. Samples whose image holds no target count in `presence` alone.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from medreasoner.evaluation.columns import ANSWERS, BY_KEY, OVERALL, PRESENCE, PUBLISHED, Column, columns
from medreasoner.evaluation.record import Record
from medreasoner.evaluation.summary import GROUPS, Cost, Row, Summary
from medreasoner.metrics import Interval, ratio, statistic, summary


def summarise(records: Sequence[Record], seed: int = 0) -> Summary:
    """The numbers of `records`; what the data and the run were is for the caller to add."""
    present = [record for record in records if record.truth is not None]
    published = columns(PUBLISHED)
    by_supercategory = _by(present, "supercategory").items()
    return Summary(
        n=len(records),
        overall=row(present, columns(OVERALL), seed),
        groups={
            key: {name: row(group, columns(OVERALL), seed) for name, group in _by(present, key).items()}
            for key in GROUPS
        },
        answers=row(records, columns(ANSWERS), seed),
        presence=row(records, columns(PRESENCE), seed) if len(present) < len(records) else None,
        as_published=row(present, published, seed),
        published_by_supercategory={
            name: interval(group, BY_KEY["iou"], seed) for name, group in by_supercategory if name
        },
        failures=dict(Counter(record.failure for record in present if record.failure).most_common()),
        median_timings_s=median_timings(records),
        cost=cost(records),
    )


def row(records: Sequence[Record], of: Iterable[Column], seed: int = 0) -> Row:
    """Every column as a mean with its interval."""
    return {column.key: interval(records, column, seed) for column in of}


def interval(records: Sequence[Record], column: Column, seed: int = 0) -> Interval | None:
    """The column over the records that count for it; None if none does."""
    counted = [record for record in records if column.value(record) is not None]
    if not counted:
        return None
    values, cases = [float(column.value(record)) for record in counted], [record.case for record in counted]
    if column.statistic is not None:
        truths = [float(column.truth(record)) for record in counted]
        return statistic(column.statistic, values, truths, cases, seed)
    if column.share_of is None:
        return summary(values, cases, seed)
    return ratio(values, [column.share_of(record) for record in counted], cases, seed)


def median_timings(records: Sequence[Record]) -> dict[str, float]:
    """Seconds of the streamed answers by what was timed; {} where none was streamed."""
    timed = [record.timings_s for record in records if record.timings_s is not None]
    names = dict.fromkeys(name for times in timed for name in times)
    return {name: _median([times[name] for times in timed if name in times]) for name in names}


def cost(records: Sequence[Record]) -> Cost:
    """Time and tokens of the records that have them."""
    walls = [record.wall_s for record in records if record.wall_s]
    spent = Cost(
        seconds_per_answer=_median([record.seconds for record in records if record.seconds]),
        tokens_per_s=_median([record.tokens_per_s for record in records if record.tokens_per_s]),
    )
    if walls:
        spent = replace(spent, wall_s=sum(walls), samples_per_s=len(walls) / sum(walls))
    counted = [record for record in records if record.tokens_out is not None]
    if counted:
        tokens_in = sum(record.tokens_in or 0 for record in counted)
        tokens_out = sum(record.tokens_out for record in counted)
        spent = replace(spent, counted=len(counted), tokens_in=tokens_in, tokens_out=tokens_out)
    return spent


def _median(values: Sequence[float]) -> float | None:
    return float(np.median(values)) if values else None


def _by(records: Sequence[Record], key: str) -> dict[str, list[Record]]:
    """Groups of records that agree in a field, by its value in alphabetical order."""
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        groups[getattr(record, key)].append(record)
    return dict(sorted(groups.items()))
