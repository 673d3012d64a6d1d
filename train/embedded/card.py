"""The model card of the embedded pair, from measured files only: training records, evaluation summary and the
sets that were trained on.

python -m train.embedded.card --evaluation runs/evaluation --data runs/data --manifest
../shared/data/real/manifest.jsonl
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path

from medreasoner.evaluation.summary import Summary
from medreasoner.hub import card_tables
from medreasoner.hub.card import render, spent
from medreasoner.manifest import EMBEDDED_FOLDER
from train.holdout import held_back_cases

# where none was recorded
COMMAND = (
    "python -m medreasoner evaluate --data runs/data --split validation --controls --out runs/evaluation"
)
# a record holds only the options that differ from these defaults of TRL's
SEED = 42
BATCH = 8


def sources(data: Path, manifest: Path) -> list[dict]:
    """For each data set of the training split of `data`: its number of images, licence and address, as
    `manifest` states them."""
    used: dict[str, set[str]] = defaultdict(set)
    for line in (data / "samples.jsonl").read_text().splitlines():
        sample = json.loads(line)
        if sample["split"] == "train":
            used[sample["dataset"]].add(sample["image"])
    facts = {row["dataset"]: row for row in map(json.loads, manifest.read_text().splitlines())}
    return [
        {
            "set": name,
            "images": len(images),
            "licence": facts[name]["licence"],
            "confirmed": "yes" if facts[name]["licence_verified"] else "not confirmed",
            "source": facts[name]["source"].replace("github:", "https://github.com/"),
        }
        for name, images in sorted(used.items())
    ]


def trained_targets(data: Path) -> set[str]:
    """The targets of the training split of `data` that some case shows which is not held back."""
    lines = map(json.loads, (data / "samples.jsonl").read_text().splitlines())
    samples = [each for each in lines if each["split"] == "train"]
    held = held_back_cases(each["case"] for each in samples)
    return {each["target"] for each in samples if each["case"] not in held and not each.get("absent")}


def size_of(run: dict) -> tuple[int, int]:
    """(optimiser steps, images a step) of a run's record; records from before TRL's trainer name them
    `steps` and `batch`."""
    options = run["options"]
    if "batch" in options:
        return options["steps"], options["batch"]
    batch = options.get("per_device_train_batch_size", BATCH) * options.get("gradient_accumulation_steps", 1)
    return run["steps"], batch * run.get("processes", 1)


def described(run: dict) -> str:
    """One run in words: "SFT, 900 steps of 8 pictures, 3 conversations about each"."""
    options, (steps, batch) = run["options"], size_of(run)
    kind = f"GRPO with the rewards `{options['rewards']}`" if "rewards" in options else "SFT"
    about = f" pictures, {options['turns']} conversations about each" if "turns" in options else ""
    return f"{kind}, {steps} steps of {batch}{about}"


def stages(run: dict) -> list[str]:
    """What came after the first run, in words, the oldest first."""
    done = [*stages(run["went_on_from"]), f"from there {described(run)}"] if "went_on_from" in run else []
    others = [described(each) for each in run.get("averaged_with", [])]
    return [*done, f"the mean (`train/soup.py`) of that and of {', and '.join(others)}"] if others else done


def first_run(run: dict) -> dict:
    """The record of the run that began with random weights."""
    return first_run(run["went_on_from"]) if "went_on_from" in run else run


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--evaluation", type=Path, required=True)
    parser.add_argument(
        "--answers", type=Path, help="the evaluation whose answers that one scored, if it asked no model"
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=EMBEDDED_FOLDER / "README.md")
    args = parser.parse_args()
    folders = [folder for folder in (args.answers, args.evaluation) if folder is not None]
    summaries = [Summary.from_json(json.loads((each / "summary.json").read_text())) for each in folders]
    summary = summaries[-1]
    run = json.loads((EMBEDDED_FOLDER / "run.json").read_text())
    begun = first_run(run)
    steps, batch = size_of(begun)
    config = json.loads((EMBEDDED_FOLDER / "config.json").read_text())["text_config"]
    prior = summary.controls["prior"]
    text = render(
        "embedded.md.jinja",
        trainable=run["trainable_m"],
        categories=len(trained_targets(args.data)),
        layers=config["num_hidden_layers"],
        width=config["hidden_size"],
        steps=steps,
        batch=batch,
        seed=begun["options"].get("seed", SEED),
        stages=stages(run),
        spent=spent(begun),
        commands=[each.command or COMMAND for each in summaries],
        n=summary.n,
        absent=summary.n - summary.overall["box_iou"].n,
        cases=summary.overall["box_iou"].clusters,
        table=card_tables.results(summary, "**embedded pair**"),
        gain=card_tables.cell(prior.model_minus_this, sign="+"),
        answers=card_tables.answers(summary),
        modalities=card_tables.modalities(summary),
        sources=sources(args.data, args.manifest),
    )
    args.out.write_text(text)


if __name__ == "__main__":
    main()
