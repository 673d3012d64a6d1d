"""`evaluate`: score a model on a set of samples."""

import random
from dataclasses import dataclass
from pathlib import Path

from medreasoner.commands.base import FINE, Models, make_folder, option, say, whole


@dataclass(frozen=True, kw_only=True)
class Evaluate(Models):
    """Score a model on a set of samples. A run that was stopped goes on where it was."""

    data: Path = option("folder with samples.jsonl, parquet file, or folder with SPLIT.parquet", kind=Path, shown="FOLDER_OR_PARQUET")
    split: str | None = option("only the samples of this split", None, shown="S")
    out: Path = option("folder for records.jsonl and summary.json", kind=Path, shown="DIR")
    no_masks: bool = option("box and points only, which saves the segmenter's time", False)
    controls: bool = option("score the prior, fixed boxes, shuffled questions, swapped images and the oracle too", False)
    train: Path | None = option("where --controls learns the prior; --data if left out", None, Path, "FOLDER_OR_PARQUET")
    train_split: str = option("split of --train", "train", shown="S")
    limit: int | None = option("only so many samples, drawn at random", None, whole, "N")
    seed: int = option("of --limit, the intervals and the controls", 0, whole, "N")
    strict: bool = option("stop at the first row that cannot be used instead of skipping it", False)

    def run(self) -> int:
        from medreasoner.data.load import load
        from medreasoner.evaluate import evaluate

        loaded = load(self.data, self.split, self.strict)
        samples = list(loaded)
        train = load(self.train or self.data, self.train_split, self.strict) if self.controls else None
        make_folder(self.out)
        for skipped in loaded.skipped:
            say(f"skipped {skipped}")
        if self.limit is not None:
            samples = random.Random(self.seed).sample(samples, min(self.limit, len(samples)))
        model = self.open()
        segmenter = None if self.no_masks else model.segmenter
        skipped = [str(row) for row in loaded.skipped]
        result = evaluate(samples, model.reasoner, segmenter, self.out, not self.no_think, train, self.seed, skipped, say)
        print("\n".join(lines(result)))
        return FINE


SCORES = {"box_iou": "box IoU", "acc_50": "Acc@0.5", "pdice_published": "pDice as published", "mask_dice": "mask Dice"}


def lines(result: dict) -> list[str]:
    """The summary of an evaluation for the terminal."""
    said = [f"{result['model']} with segmenter {result['segmenter']}: {result['n']} samples, means with 95 % intervals"]
    for name, row in {"model": result["overall"], **result.get("controls", {})}.items():
        for key, label in SCORES.items():
            if interval := row.get(key):
                said.append(f"{name:18}{label:20}{interval['mean']:.3f}  [{interval['low']:.3f}, {interval['high']:.3f}]")
    if result["failures"]:
        said.append(f"failed: {', '.join(f'{reason} {number}' for reason, number in result['failures'].items())}")
    return said
