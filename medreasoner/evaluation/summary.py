"""What an evaluation came to, as values, and as `summary.json`.

A `Row` maps the keys of columns (`columns.py`) to means with their 95 % intervals, None where no record has
the number. Computed by `aggregate.py`; read by the command line, the report, the model card and the Hub's
metadata.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields

from medreasoner.evaluation.columns import ANSWERS, OVERALL, PRESENCE, PUBLISHED, columns
from medreasoner.evaluation.record import RunInfo
from medreasoner.metrics import Interval

Row = dict[str, Interval | None]
GROUPS = ("modality", "supercategory", "category", "size")  # fields of a record by which samples are grouped
BY_SUPERCATEGORY = "per_supercategory_iou"
DIFFERENCES = ("model_minus_this", "model_minus_this_mask")


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Time and tokens, None where they were not counted.

    Args:
        wall_s: what the run took with opening images left out, all processes added up. samples_per_s follows
            from it.
        seconds_per_answer: median from question to last token (in a batch, its share).
        tokens_in, tokens_out: of the `counted` answers that have the figure.
    """

    wall_s: float | None = None
    samples_per_s: float | None = None
    seconds_per_answer: float | None = None
    tokens_per_s: float | None = None
    counted: int = 0
    tokens_in: int | None = None
    tokens_out: int | None = None


@dataclass(frozen=True, kw_only=True)
class Control:
    """What something else than the model scores on the same samples.

    Args:
        row: the columns that it has.
        model_minus_this: the model's box IoU minus the control's, sample by sample.
        model_minus_this_mask: the same of mask Dice.
        kinds_not_in_training: of the prior: (modality, category) pairs in words that the training set lacks.
    """

    row: Row
    model_minus_this: Interval | None = None
    model_minus_this_mask: Interval | None = None
    kinds_not_in_training: tuple[str, ...] | None = None

    def to_json(self) -> dict[str, object]:
        values = {name: _json(getattr(self, name)) for name in DIFFERENCES if getattr(self, name) is not None}
        if self.kinds_not_in_training is not None:
            values["kinds_not_in_training"] = list(self.kinds_not_in_training)
        return {**row_to_json(self.row), **values}

    @staticmethod
    def from_json(values: Mapping[str, object]) -> "Control":
        lacking = values.get("kinds_not_in_training")
        return Control(
            row=row_from_json({key: values[key] for key in _keys() if key in values}),
            kinds_not_in_training=None if lacking is None else tuple(lacking),
            **{name: _interval(values.get(name)) for name in DIFFERENCES},
        )


@dataclass(frozen=True, kw_only=True)
class Summary:
    """An evaluation in numbers.

    Args:
        run: what made it.
        data: where the set lies. set: its name. data_sha256: digest of the samples (`data.digest`).
        skipped_rows, unusable: samples that could not be read. unanswered: questions to be asked again.
        n: samples scored.
        overall: over those with a target. groups: the same by field of a record and by its value.
        answers, presence, as_published: the other parts of columns; presence is None where every image holds
            its target.
        published_by_supercategory: the published IoU.
        failures: number of answers by what they failed with.
    """

    run: RunInfo = field(default_factory=RunInfo)
    data: str | None = None
    set: str | None = None
    data_sha256: str | None = None
    command: str | None = None
    seed: int = 0
    skipped_rows: tuple[str, ...] = ()
    unusable: tuple[str, ...] = ()
    unanswered: tuple[str, ...] = ()
    n: int = 0
    overall: Row = field(default_factory=dict)
    groups: dict[str, dict[str, Row]] = field(default_factory=dict)
    answers: Row = field(default_factory=dict)
    presence: Row | None = None
    as_published: Row = field(default_factory=dict)
    published_by_supercategory: Row = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)
    median_timings_s: dict[str, float] = field(default_factory=dict)
    cost: Cost = field(default_factory=Cost)
    controls: dict[str, Control] = field(default_factory=dict)
    notice: str = ""

    def to_json(self) -> dict[str, object]:
        """As it stands in summary.json."""
        plain = {name: _json(getattr(self, name)) for name in PLAIN}
        by_supercategory = {BY_SUPERCATEGORY: row_to_json(self.published_by_supercategory)}
        return {
            **self.run.to_json(),
            **plain,
            OVERALL: row_to_json(self.overall),
            PUBLISHED: {**row_to_json(self.as_published), **by_supercategory},
            **{
                f"per_{key}": {n: row_to_json(r) for n, r in rows.items()}
                for key, rows in self.groups.items()
            },
            **row_to_json(self.answers),
            PRESENCE: None if self.presence is None else row_to_json(self.presence),
            "cost": asdict(self.cost),
            **({"controls": {n: c.to_json() for n, c in self.controls.items()}} if self.controls else {}),
            "notice": self.notice,
        }

    @staticmethod
    def from_json(values: Mapping[str, object]) -> "Summary":
        """Reads what `to_json` wrote, also in older versions: what they lack is empty, what else they hold
        passed over. Errors: ValueError for what is no summary."""
        if OVERALL not in values:
            raise ValueError(f"this is no summary of an evaluation: it lacks {OVERALL!r}")
        plain = {name: _plain(values[name]) for name in PLAIN if name in values}
        published, cost = values.get(PUBLISHED) or {}, values.get("cost") or {}
        grouped = {key: values.get(f"per_{key}") for key in GROUPS}
        return Summary(
            **plain,
            run=RunInfo.from_json(values),
            overall=row_from_json(values.get(OVERALL)),
            groups={
                key: {name: row_from_json(row) for name, row in rows.items()}
                for key, rows in grouped.items()
                if rows is not None
            },
            answers=row_from_json({column.key: values.get(column.key) for column in columns(ANSWERS)}),
            presence=None if values.get(PRESENCE) is None else row_from_json(values[PRESENCE]),
            as_published=row_from_json(
                {key: row for key, row in published.items() if key != BY_SUPERCATEGORY}
            ),
            published_by_supercategory=row_from_json(published.get(BY_SUPERCATEGORY)),
            cost=Cost(**{f.name: cost[f.name] for f in fields(Cost) if f.name in cost}),
            controls={n: Control.from_json(c) for n, c in (values.get("controls") or {}).items()},
        )


PLAIN = (
    "data", "set", "data_sha256", "command", "seed", "skipped_rows", "unusable", "unanswered", "n",
    "failures", "median_timings_s", "notice",
)  # fmt: skip


def row_to_json(row: Row) -> dict[str, dict | None]:
    return {key: _json(interval) for key, interval in row.items()}


def row_from_json(values: Mapping[str, object] | None) -> Row:
    return {key: _interval(value) for key, value in (values or {}).items()}


def _keys() -> tuple[str, ...]:
    return tuple(column.key for column in columns())


def _interval(value: Mapping[str, object] | None) -> Interval | None:
    return None if value is None else Interval(**value)


def _json(value: object) -> object:
    if isinstance(value, Interval):
        return asdict(value)
    return list(value) if isinstance(value, tuple) else value


def _plain(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value
