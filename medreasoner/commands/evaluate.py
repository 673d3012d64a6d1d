"""`evaluate`: score a model on a set of samples."""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medreasoner.commands.base import FINE, UsageError, make_folder, option, say, typed, whole
from medreasoner.commands.evaluated_models import EvaluatedModels
from medreasoner.commands.progress import ProgressBars

if TYPE_CHECKING:
    from medreasoner.evaluation.options import Options


@dataclass(frozen=True, kw_only=True)
class Evaluate(EvaluatedModels):
    """Score a model on a set of samples. A run that was stopped goes on where it was. Under `accelerate
    launch` each process takes a part. `--model openai:NAME` asks a model behind a server, with the key in
    OPENAI_API_KEY."""

    data: str = option(
        "folder, parquet or CSV file, or a dataset on the Hub, OWNER/NAME", shown="FOLDER_OR_PARQUET"
    )
    data_revision: str | None = option("branch, tag or commit of --data on the Hub", None, shown="R")
    split: str | None = option("only the samples of this split", None, shown="S")
    out: Path = option("folder for records.jsonl and summary.json", kind=Path, shown="DIR")
    frame: str | None = option(
        "upstream-raw: read numbers as pixels of 840 x 840, the published scoring", None, shown="F"
    )
    batch: int = option(
        "questions answered together (requests under way, for a server); 1 streams and times each",
        8,
        whole,
        "N",
    )
    controls: bool = option(
        "score fixed boxes, shuffled questions, swapped and grey images, no reasoning, and the oracles", False
    )
    train: Path | None = option(
        "where --controls learns the prior; --data if left out", None, Path, "FOLDER_OR_PARQUET"
    )
    train_split: str = option("split of --train", "train", shown="S")
    limit: int | None = option("only so many samples, drawn at random", None, whole, "N")
    seed: int = option("of --limit, the intervals and the controls", 0, whole, "N")
    volumes: bool = option(
        "--data is a folder of volumes with label maps, listed in its volumes.jsonl: 3D scores from the true "
        "box and from the question",
        False,
    )
    questions: Path | None = option(
        "with --volumes: JSON, name of a target -> question, for targets whose row has none",
        None,
        Path,
        "FILE",
    )
    strict: bool = option("stop at the first row that cannot be used instead of skipping it", False)

    def run(self) -> int:
        return self.run_volumes() if self.volumes else self.run_images()

    def run_volumes(self) -> int:
        from medreasoner.evaluation.volume_set import evaluate_volumes, summary_lines
        from medreasoner.evaluation.volume_targets import volume_rows
        from medreasoner.json_files import read_json

        rows = volume_rows(Path(self.data))
        questions = read_json(self.questions) if self.questions else None
        make_folder(self.out)
        reasoner, segmenter = self.models()
        options = {"questions": questions, "controls": self.controls, "tell": say}
        summary = evaluate_volumes(Path(self.data), rows, reasoner, segmenter, self.out, **options)
        print("\n".join(summary_lines(summary)))
        return FINE

    def run_images(self) -> int:
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
