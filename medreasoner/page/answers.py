"""An answered question, as it is kept with its image: what was found, and what the visitor has corrected."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from medreasoner.certainty import UNKNOWN
from medreasoner.events import Absent, Done
from medreasoner.geometry import Grounding
from medreasoner.output.grounding_json import Provenance
from medreasoner.refine import Refined
from medreasoner.segmenters.base import Click


class Asked(NamedTuple):
    """How a question was put: `ModelCalls.key` of the model, and whether it was to reason first."""

    key: Hashable = ""
    think: bool = True


ASKED = Asked()


@dataclass
class AnsweredQuestion:
    """One question about an image and its answer.

    Args:
        id: of its run.
        provenance: what made the answer; `provenance.question` is the question.
        result: the answer, as it was corrected last. model_result: as the model gave it.
        clicks, corrected: the visitor's corrections.
        asked: how the question was put.
    """

    id: str
    provenance: Provenance
    result: Done | Absent
    model_result: Done | Absent
    clicks: tuple[Click, ...] = ()
    corrected: bool = False
    asked: Asked = ASKED

    @property
    def question(self) -> str:
        return self.provenance.question or ""

    def is_models_own(self, grounding: Grounding, clicks: Sequence[Click]) -> bool:
        """Whether this is what the model itself answered, so that its own mask holds again."""
        return not clicks and grounding == self.model_result.grounding

    def correct(self, refined: Refined) -> None:
        """Take a corrected mask in place of the one before."""
        moved = refined.grounding != self.model_result.grounding
        self.result = replace(
            self.result,
            grounding=refined.grounding,
            mask=refined.mask,
            mask_score=refined.score,
            notes=refined.notes,
            # the model's is about its own box
            confidence=None if moved else self.model_result.confidence,
            certainty=UNKNOWN if moved else self.model_result.certainty,
        )
        self.clicks, self.corrected = refined.clicks, True

    def restore(self) -> None:
        """Take the model's own answer again."""
        self.result, self.clicks, self.corrected = self.model_result, (), False
