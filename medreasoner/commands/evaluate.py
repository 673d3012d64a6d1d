"""`evaluate`: score a model on a set of samples."""

import os
import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from medreasoner.commands.base import FINE, Models, UsageError, make_folder, option, say, typed, whole
from medreasoner.commands.progress import ProgressBars

if TYPE_CHECKING:
    from medreasoner.evaluation.options import Options
    from medreasoner.evaluation.saved_answers import SavedAnswers
    from medreasoner.reasoners.base import Reasoner
    from medreasoner.segmenters.base import Segmenter


@dataclass(frozen=True, kw_only=True)
class Evaluate(Models):
    """Score a model on a set of samples. A run that was stopped goes on where it was. Under `accelerate
    launch` each process takes a part. `--model openai:NAME` asks a model behind a server, with the key in
    OPENAI_API_KEY."""

    data: str = option(
        "folder, parquet or CSV file, or a dataset on the Hub, OWNER/NAME", shown="FOLDER_OR_PARQUET"
    )
    data_revision: str | None = option("branch, tag or commit of --data on the Hub", None, shown="R")
    split: str | None = option("only the samples of this split", None, shown="S")
    out: Path = option("folder for records.jsonl and summary.json", kind=Path, shown="DIR")
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
    frame: str | None = option(
        "upstream-raw: read numbers as pixels of 840 x 840, the published scoring", None, shown="F"
    )
    batch: int = option(
        "questions answered together (requests under way, for a server); 1 streams and times each",
        8,
        whole,
        "N",
    )
    prompts: str = option("what the segmenter sees: both, box or points", "both", shown="P")
    no_masks: bool = option("box and points only, which saves the segmenter's time", False)
    controls: bool = option(
        "score fixed boxes, shuffled questions, swapped and grey images, no reasoning, and the oracles", False
    )
    train: Path | None = option(
        "where --controls learns the prior; --data if left out", None, Path, "FOLDER_OR_PARQUET"
    )
    train_split: str = option("split of --train", "train", shown="S")
    limit: int | None = option("only so many samples, drawn at random", None, whole, "N")
    seed: int = option("of --limit, the intervals and the controls", 0, whole, "N")
    strict: bool = option("stop at the first row that cannot be used instead of skipping it", False)

    def run(self) -> int:
        from medreasoner.data.load import load
        from medreasoner.evaluation.resume import Shard
        from medreasoner.evaluation.run import Source, evaluate
        from medreasoner.evaluation.terminal import lines
        from medreasoner.reasoners.base import ReasonerError

        options, shard = self.options(), Shard.from_environment()
        loaded = load(self.data, self.split, self.strict, self.data_revision)
        samples, named = list(loaded), loaded.named()
        train = None
        if self.controls:
            learnt_from = (self.train, None) if self.train else (self.data, self.data_revision)
            train = load(learnt_from[0], self.train_split, self.strict, learnt_from[1])
        make_folder(self.out)
        skipped = [str(row) for row in loaded.skipped]
        for row in skipped:
            say(f"skipped {row}")
        if self.limit is not None:
            samples = random.Random(self.seed).sample(samples, min(self.limit, len(samples)))
        reasoner, segmenter = self.models()
        read_from = (self.data, self.split and f"split {self.split}", loaded.revision)
        source = Source(", ".join(filter(None, read_from)), named, skipped, typed("evaluate", self))
        try:
            summary = evaluate(
                samples,
                reasoner,
                None if self.no_masks else segmenter,
                self.out,
                options,
                train=train,
                seed=self.seed,
                source=source,
                progress=ProgressBars(),
                shard=shard,
            )
        except ReasonerError as error:
            raise UsageError(f"{error}. What was answered is kept; run this again to go on") from error
        if shard.rank == 0:
            print("\n".join(lines(summary)))
        return FINE

    def options(self) -> "Options":
        """Errors: UsageError."""
        from medreasoner.evaluation.options import Options
        from medreasoner.reasoners.families import UPSTREAM_RAW
        from medreasoner.segmenters.base import PROMPTS

        if self.frame not in (None, UPSTREAM_RAW.name):
            without = "without it the model's own frame is used"
            raise UsageError(f"--frame knows only {UPSTREAM_RAW.name!r}, got {self.frame!r}; {without}")
        if self.prompts not in PROMPTS:
            raise UsageError(f"--prompts must be one of {', '.join(PROMPTS)}, got {self.prompts!r}")
        frame = UPSTREAM_RAW if self.frame else None
        return Options(not self.no_think, frame, self.prompts, max(1, self.batch))

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
        local = os.environ.get("LOCAL_RANK")
        return f"cuda:{local}" if local is not None and self.device in (None, "cuda") else self.device
