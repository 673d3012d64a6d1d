"""The options that name what an evaluation scores, and opening it: models, a server, saved answers"""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from medreasoner.commands.base import Models, UsageError, option

if TYPE_CHECKING:
    from medreasoner.evaluation.saved_answers import SavedAnswers
    from medreasoner.reasoners.base import Reasoner
    from medreasoner.segmenters.base import Segmenter


@dataclass(frozen=True, kw_only=True)
class EvaluatedModels(Models):
    """What answers the questions of an evaluation, and what draws the masks."""

    answers: Path | None = option(
        "instead of asking a model, score the answers that another run wrote in this folder",
        None,
        Path,
        "DIR",
    )
    endpoint: str | None = option(
        "address of the OpenAI-compatible server of an openai: model", None, shown="URL"
    )
    family: str | None = option(
        "how the model writes coordinates, if its name or configuration does not tell", None, shown="NAME"
    )
    prompts: str = option("what the segmenter sees: both, box or points", "both", shown="P")
    no_masks: bool = option("box and points only, which saves the segmenter's time", False)

    def models(self) -> "tuple[Reasoner | SavedAnswers, Segmenter | None]":
        """What answers and what draws. Errors: UsageError, DataError."""
        from medreasoner.evaluation.adapters import draws_from
        from medreasoner.evaluation.saved_answers import SavedAnswers
        from medreasoner.reasoners.registry import SERVED

        served = (self.model or "").startswith(SERVED)
        if self.endpoint and not served:
            expected = f"name it {SERVED}NAME, got --model {self.model}"
            raise UsageError(f"--endpoint belongs to a model behind a server; {expected}")
        if self.answers:
            if self.model is not None:
                raise UsageError("--answers scores what another run wrote; leave --model out")
            reasoner, segmenter = SavedAnswers.read(self.answers), self._segmenter()
        elif served or self.family:
            reasoner, segmenter = self._reasoner(), self._segmenter()
        else:
            model = replace(self, device=self._device()).open()
            reasoner, segmenter = model.reasoner, model.segmenter
        if segmenter is not None and not self.no_masks and self.prompts not in draws_from(segmenter):
            raise UsageError(
                f"the segmenter {segmenter.name} cannot draw from {self.prompts} alone; leave --prompts out"
            )
        return reasoner, segmenter

    def _reasoner(self) -> "Reasoner":
        from medreasoner.prompts import Prompt
        from medreasoner.reasoners.base import ReasonerError
        from medreasoner.reasoners.registry import load_reasoner

        name = f"{self.model}@{self.endpoint}" if self.endpoint else self.model
        try:
            prompt = None if self.prompt is None else Prompt.load(self.prompt)
            return load_reasoner(name, self._device(), prompt, self.revision, family=self.family)
        except (ReasonerError, OSError, ValueError, TypeError) as error:
            raise UsageError(str(error)) from error

    def _segmenter(self) -> "Segmenter | None":
        """The one that was asked for, or the default. Errors: UsageError."""
        from medreasoner.segmenters.base import SegmenterError
        from medreasoner.segmenters.registry import load_segmenter

        if self.no_masks:
            return None
        try:
            return load_segmenter(
                self.segmenter, self._device(), None, self.segmenter_revision, self.allow_pickle
            )
        except SegmenterError as error:
            raise UsageError(str(error)) from error

    def _device(self) -> str | None:
        """The GPU of this process where a launcher has given it one."""
        from medreasoner.device import pick_device

        local = os.environ.get("LOCAL_RANK")
        takes_gpu = (self.device or pick_device(None)) == "cuda"
        return f"cuda:{local}" if local is not None and takes_gpu else self.device
