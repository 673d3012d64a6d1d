"""`data build`: a set of samples from images with masks."""

import argparse
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medreasoner.commands.base import FINE, OURS, UsageError, argument, make_folder, option, say, whole

if TYPE_CHECKING:
    from medreasoner.data.build.builder import Builder
    from medreasoner.data.build.writers.openai_writer import OpenAIWriter


def amount(text: str) -> float:
    """A number of at least 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number of at least 0, got {text!r}")
    return value


@dataclass(frozen=True, kw_only=True)
class Build:
    """Build a set of samples from images with masks, or from volumes with label maps. A build that was
    stopped goes on where it was.
    """

    source: Path = argument(
        "folder with manifest.jsonl, or with images and masks: pictures, NIfTI volumes or DICOM series", Path
    )
    out: Path = option("folder for samples.jsonl, rejects.jsonl, images and masks", kind=Path, shown="DIR")
    name: str | None = option("name and version of the set, for its report and card", None, shown='"NAME v1"')
    labels: str | None = option(
        "names of the mask values, where the source has none", None, shown='"1=spleen; 2=liver"'
    )
    modality: str = option("of the images, where the source does not say", "", shown="M")
    licence: str = option("of the images, where the source does not say", "not stated", shown="L")
    window: str | None = option("of volumes: LEVEL/WIDTH, or a preset such as 'CT lung'", None, shown="W")
    validation: float = option(
        "share of the cases to keep for validation, where the source has no splits", 0.15, amount, "SHARE"
    )
    distinct: bool = option("leave out near-copies within a split too", False)
    categories: Path | None = option(
        "folder of categories with wordings, instead of the built-in ones", None, Path, "DIR"
    )
    seed: int = option("of the split and of the words", 0, whole, "N")
    writer: str | None = option(
        "an OpenAI-compatible endpoint that writes the words; written offline if left out", None, shown="URL"
    )
    writer_model: str | None = option("the model's name there", None, shown="NAME")
    key_env: str = option(
        "environment variable with the endpoint's key, if it needs one", "OPENAI_API_KEY", shown="NAME"
    )
    price_in: float | None = option(
        "USD for a million tokens that are sent; 0 for a server of one's own", None, amount, "USD"
    )
    price_out: float | None = option("USD for a million tokens that are written", None, amount, "USD")
    budget: float | None = option("USD that all answers of this set may cost", None, amount, "USD")
    concurrency: int = option("how many images are with the endpoint at once", 8, whole, "N")

    def run(self) -> int:
        from medreasoner.data.build.assemble import collect, rejects_table
        from medreasoner.data.build.source_files import SourceError
        from medreasoner.data.build.stages import StageError
        from medreasoner.data.build.writers.budget import BudgetSpent
        from medreasoner.data.build.writers.chat_client import EndpointError

        make_folder(self.out)
        writer = self._writer() if self.writer else None
        try:
            self._run_stages(self._builder(writer), writer)
        except (SourceError, StageError) as error:
            raise UsageError(str(error)) from error
        except (BudgetSpent, EndpointError) as error:
            say(
                f"Stopped: {error}. What was paid for is kept; the same command goes on, "
                "with a larger --budget if that was the reason"
            )
            return OURS
        report = collect(self.out, self.name)
        written = ", ".join(f"{number} {split}" for split, number in report["samples"].items()) or "no"
        images = sum(report["images"].values())
        print(f"{written} samples of {images} images in {self.out}; targets left out, by reason:")
        print(rejects_table(report))
        return FINE

    def _builder(self, writer: "OpenAIWriter | None") -> "Builder":
        """Errors: SourceError."""
        from medreasoner.data.build.builder import Builder
        from medreasoner.data.build.source_files import Options, read_labels
        from medreasoner.data.build.sources import open_source
        from medreasoner.data.taxonomy import FOLDER

        labels = read_labels(self.labels) if self.labels else {}
        options = Options(labels, self.modality, self.licence, self.validation, self.window, self.seed)
        return Builder(
            open_source(self.source, self.out, options),
            self.out,
            seed=self.seed,
            writer=writer,
            folder=self.categories or FOLDER,
            distinct=self.distinct,
            workers=max(1, self.concurrency) if writer else 1,
        )

    def _run_stages(self, builder: "Builder", writer: "OpenAIWriter | None") -> None:
        say(f"Stage 1 of 3: cleaning and measuring {len(builder.items)} images")
        builder.clean()
        if writer:
            self._confirm_cost(writer)
        say("Stage 2 of 3: describing them")
        builder.describe()
        say("Stage 3 of 3: asking, reasoning, checking")
        builder.ask()

    def _writer(self) -> "OpenAIWriter":
        """The writer behind `--writer`. Errors: UsageError."""
        from medreasoner.data.build.writers.budget import Prices
        from medreasoner.data.build.writers.chat_client import ChatClient, EndpointError
        from medreasoner.data.build.writers.openai_writer import OpenAIWriter

        if self.writer_model is None or self.price_in is None or self.price_out is None:
            raise UsageError(
                "--writer needs --writer-model, --price-in and --price-out (both 0 where it costs nothing)"
            )
        try:
            client = ChatClient(
                self.writer,
                self.writer_model,
                self.out / "requests",
                prices=Prices(self.price_in, self.price_out),
                budget=self.budget,
                key=os.environ.get(self.key_env),
            )
        except EndpointError as error:
            raise UsageError(str(error)) from error
        return OpenAIWriter(client)

    def _confirm_cost(self, writer: "OpenAIWriter") -> None:
        """Say what the words will cost. Errors: UsageError if they cost something and no budget was given."""
        from medreasoner.data.build.builder import count_targets

        estimate, prices = writer.estimate(*count_targets(self.out)), writer.client.prices
        likely, most = prices.cost(estimate.sent, estimate.likely), prices.cost(estimate.sent, estimate.most)
        sent, written = estimate.sent / 1e6, estimate.likely / 1e6
        say(
            f"About {estimate.requests} requests, {sent:.2f} million tokens sent and {written:.2f} million "
            f"written: ${likely:.2f}, or ${most:.2f} if every answer is as long as it may be; "
            f"${writer.client.budget.spent:.2f} of it is spent. Refused tries come on top."
        )
        if most > 0 and self.budget is None:
            raise UsageError(
                f"give --budget to go on, {most:.2f} for instance; nothing was asked yet that is not paid for"
            )
