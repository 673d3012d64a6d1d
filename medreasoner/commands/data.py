"""`data build`: a set of samples from images with masks."""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medreasoner.commands.base import FINE, OURS, UsageError, argument, make_folder, option, say, whole

if TYPE_CHECKING:
    from medreasoner.data.build.writers.openai_writer import EndpointWriter


def amount(text: str) -> float:
    """A number of at least 0."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number of at least 0, got {text!r}")
    return value


@dataclass(frozen=True, kw_only=True)
class Build:
    """Build a set of samples from images with masks, or from volumes with label maps. A build that was stopped goes on where it was."""

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
        from medreasoner.data.build.builder import Builder
        from medreasoner.data.build.collecting import collect, table
        from medreasoner.data.build.layouts import Options, SourceError, read_labels
        from medreasoner.data.build.sources import open_source
        from medreasoner.data.build.stages import StageError
        from medreasoner.data.build.writers.endpoint import BudgetSpent, EndpointError
        from medreasoner.data.taxonomy import FOLDER

        make_folder(self.out)
        try:
            labels = read_labels(self.labels) if self.labels else {}
            options = Options(labels, self.modality, self.licence, self.validation, self.window, self.seed)
            writer = self.endpoint_writer() if self.writer else None
            items = open_source(self.source, self.out, options)
            folder = self.categories or FOLDER
            builder = Builder(
                items,
                self.out,
                self.seed,
                writer,
                folder,
                self.distinct,
                max(1, self.concurrency) if writer else 1,
            )
            say(f"Stage 1 of 3: cleaning and measuring {len(items)} images")
            builder.clean()
            if writer:
                self.confirm(writer, self.out)
            say("Stage 2 of 3: describing them")
            builder.describe()
            say("Stage 3 of 3: asking, reasoning, checking")
            builder.ask()
        except (SourceError, StageError) as error:
            raise UsageError(str(error)) from error
        except (BudgetSpent, EndpointError) as error:
            say(
                f"Stopped: {error}. What was paid for is kept; the same command goes on, with a larger --budget if that was the reason"
            )
            return OURS
        report = collect(self.out, self.name)
        written = ", ".join(f"{number} {split}" for split, number in report["samples"].items()) or "no"
        print(
            f"{written} samples of {sum(report['images'].values())} images in {self.out}; targets left out, by reason:"
        )
        print(table(report))
        return FINE

    def endpoint_writer(self) -> "EndpointWriter":
        """The writer behind `--writer`. Errors: UsageError."""
        from medreasoner.data.build.writers.endpoint import Endpoint, Prices
        from medreasoner.data.build.writers.openai_writer import EndpointWriter

        if self.writer_model is None or self.price_in is None or self.price_out is None:
            raise UsageError(
                "--writer needs --writer-model, --price-in and --price-out (both 0 where it costs nothing)"
            )
        prices = Prices(self.price_in, self.price_out)
        key = os.environ.get(self.key_env)
        return EndpointWriter(
            Endpoint(self.writer, self.writer_model, self.out / "requests", prices, self.budget, key)
        )

    def confirm(self, writer: "EndpointWriter", out: Path) -> None:
        """Say what the words will cost. Errors: UsageError if they cost something and no budget was given."""
        from medreasoner.data.build.builder import counted

        estimate, prices = writer.estimate(*counted(out)), writer.endpoint.prices
        likely, most = prices.cost(estimate.sent, estimate.likely), prices.cost(estimate.sent, estimate.most)
        sent, written = estimate.sent / 1e6, estimate.likely / 1e6
        say(
            f"About {estimate.requests} requests, {sent:.2f} million tokens sent and {written:.2f} million written: ${likely:.2f}, or "
            f"${most:.2f} if every answer is as long as it may be; ${writer.endpoint.budget.spent:.2f} of it is spent. "
            "Refused tries come on top."
        )
        if most > 0 and self.budget is None:
            raise UsageError(
                f"give --budget to go on, {most:.2f} for instance; nothing was asked yet that is not paid for"
            )
