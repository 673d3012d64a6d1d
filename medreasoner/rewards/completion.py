"""One completion beside its reference, read once however many terms score it."""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from medreasoner.answer import Parsed, parse
from medreasoner.geometry import Frame, Grounding, GroundingError, repair, to_image
from medreasoner.rewards.reference import Reference, read_references

T = TypeVar("T")


@dataclass(eq=False)
class ScoredCompletion:
    """The text that a model wrote and the truth it is held against."""

    text: str
    reference: Reference
    _results: dict[Callable, object] = field(default_factory=dict, repr=False)

    def once(self, function: "Callable[[ScoredCompletion], T]") -> T:
        """`function(self)`, computed at the first call and remembered for the others."""
        try:
            return self._results[function]
        except KeyError:
            result = self._results[function] = function(self)
            return result

    @property
    def parsed(self) -> Parsed:
        """The text in the project's own format."""
        return self.once(_parsed)

    @property
    def grounding(self) -> Grounding | None:
        """The answer in pixels of the original image, clipped to it; None for an answer that gives no
        place."""
        return self.once(_grounding)


def _parsed(completion: ScoredCompletion) -> Parsed:
    return parse(completion.text)


def _grounding(completion: ScoredCompletion) -> Grounding | None:
    answer, reference = completion.parsed.answer, completion.reference
    if answer is None:
        return None
    try:
        placed = to_image(answer.bbox, answer.points, reference.frame, reference.image_wh, reference.input_wh)
        return repair(placed, reference.image_wh)[0]
    except GroundingError:
        return None


def text_of(completion: str | Sequence[dict]) -> str:
    """The text of a completion as TRL hands it over: itself, or the contents of its messages."""
    if isinstance(completion, str):
        return completion
    parts = [message["content"] for message in completion]
    return "".join(p if isinstance(p, str) else "".join(piece.get("text", "") for piece in p) for p in parts)


class BatchReader:
    """Turns completions and columns of training rows into `ScoredCompletion`s, the latest batch only once:
    TRL calls every term of a reward set with the same completions and the same rows.

    Args:
        frame: in which the model writes its numbers.
        input_wh: (width, height) of the resized input, for frames without a limit; None means that images go
            in as they are.
    """

    def __init__(self, frame: Frame, input_wh: tuple[int, int] | None) -> None:
        self.frame, self.input_wh = frame, input_wh
        self._texts: list[str] = []
        self._columns: tuple[list | None, ...] = (None,) * 6
        self._batch: list[ScoredCompletion | None] = []

    def read(
        self,
        completions: Sequence[str | Sequence[dict]],
        bbox_2d: Sequence,
        point_2d: Sequence,
        image_wh: Sequence,
        mask: Sequence | None = None,
        think: Sequence | None = None,
        absent: Sequence | None = None,
    ) -> list[ScoredCompletion | None]:
        """One per row, None where the row's truth cannot be used. Columns are those of `read_reference`.

        Rows are recognised by identity: do not change the objects of a batch in place between two terms.
        """
        texts = [text_of(completion) for completion in completions]
        columns = (bbox_2d, point_2d, image_wh, mask, think, absent)
        if texts != self._texts or not all(map(_same_rows, columns, self._columns)):
            references = read_references(*columns[:-1], self.frame, self.input_wh, absent=absent)
            self._batch = [
                None if reference is None else ScoredCompletion(text, reference)
                for text, reference in zip(texts, references, strict=True)
            ]
            self._texts = texts
            self._columns = tuple(None if column is None else list(column) for column in columns)
        return self._batch


def _same_rows(new: Sequence | None, old: Sequence | None) -> bool:
    """Whether two columns hold the very same objects."""
    if new is None or old is None:
        return new is old
    return len(new) == len(old) and all(map(operator.is_, new, old))
