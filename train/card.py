"""The embedded pair's card, from measured files only: options, evaluation summary, and the sets that were trained on.

python -m train.card --evaluation runs/evaluation --data runs/data --manifest ../shared/data/real/manifest.jsonl
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path

from medreasoner.card import interval, modalities, render, rows, spent
from medreasoner.data.taxonomy import categories
from medreasoner.loading import EMBEDDED_FOLDER

COMMAND = "python -m medreasoner evaluate --data runs/data --split validation --controls --out runs/evaluation"  # where none was recorded


def sources(data: Path, manifest: Path) -> list[dict]:
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


def named(run: dict) -> str:
    """A run that the weights were averaged with, in words."""
    options = run["options"]
    kind = f"GRPO with the rewards `{options['rewards']}`" if "rewards" in options else "SFT"
    return f"{kind}, {run['steps']} steps of {options['per_device_train_batch_size'] * options.get('gradient_accumulation_steps', 1)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evaluation", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=EMBEDDED_FOLDER / "README.md")
    args = parser.parse_args()
    summary = json.loads((args.evaluation / "summary.json").read_text())
    run = json.loads((EMBEDDED_FOLDER / "run.json").read_text())
    config = json.loads((EMBEDDED_FOLDER / "config.json").read_text())["text_config"]
    overall = summary["overall"]["box_iou"]
    text = render(
        "embedded.md.jinja",
        trainable=run["trainable_m"],
        categories=len(categories()),
        layers=config["num_hidden_layers"],
        width=config["hidden_size"],
        steps=run["options"]["steps"],
        batch=run["options"]["batch"],
        seed=run["options"]["seed"],
        averaged=[named(each) for each in run.get("averaged_with", [])],
        spent=spent(run),
        command=summary.get("command") or COMMAND,
        n=summary["n"],
        cases=overall["clusters"],
        rows=rows(summary, "**embedded pair**"),
        gain=interval(summary["controls"]["prior"]["model_minus_this"], sign="+"),
        well_formed=interval(summary["well_formed"]),
        fits=interval(summary["fits_best"]),
        agrees=interval(summary["place_agrees"]),
        modalities=modalities(summary),
        sources=sources(args.data, args.manifest),
    )
    args.out.write_text(text)


if __name__ == "__main__":
    main()
