"""The embedded pair's card, from measured files only: options, evaluation summary, and the sets that were trained on.

python -m train.card --evaluation runs/evaluation --data runs/data --manifest ../shared/data/real/manifest.jsonl
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from medreasoner.data.taxonomy import categories
from medreasoner.loading import EMBEDDED_FOLDER

CONTROLS = {
    "oracle": "true box and points, same segmenter",
    "prior": "per-category prior",
    "centre_box": "centre box",
    "whole_image": "whole image",
    "question_shuffled": "the model, questions shuffled",
    "image_swapped": "the model, another case's image",
}


def interval(value: dict | None, digits: int = 3, sign: str = "") -> str:
    """ "0.474 [0.430, 0.510]", or a dash."""
    if value is None:
        return "–"
    return f"{value['mean']:{sign}.{digits}f} [{value['low']:{sign}.{digits}f}, {value['high']:{sign}.{digits}f}]"


def rows(summary: dict) -> list[dict]:
    overall = summary["overall"]
    model = {
        "name": "**embedded pair**",
        "iou": interval(overall["box_iou"]),
        "acc": interval(overall["acc_50"]),
        "dice": interval(overall["mask_dice"]),
    }
    return [model] + [
        {"name": text, "iou": interval(row.get("box_iou")), "acc": interval(row.get("acc_50")), "dice": interval(row.get("mask_dice"))}
        for key, text in CONTROLS.items()
        if (row := summary["controls"].get(key))
    ]


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
    folder = Path(__file__).parent.parent / "medreasoner" / "cards"
    template = Environment(loader=FileSystemLoader(folder), undefined=StrictUndefined, keep_trailing_newline=True).get_template(
        "embedded.md.jinja"
    )
    overall = summary["overall"]["box_iou"]
    text = template.render(
        trainable=run["trainable_m"],
        categories=len(categories()),
        layers=config["num_hidden_layers"],
        width=config["hidden_size"],
        steps=run["options"]["steps"],
        batch=run["options"]["batch"],
        seed=run["options"]["seed"],
        n=summary["n"],
        cases=overall["clusters"],
        rows=rows(summary),
        gain=interval(summary["controls"]["prior"]["model_minus_this"], sign="+"),
        well_formed=interval(summary["well_formed"]),
        fits=interval(summary["fits_best"]),
        agrees=interval(summary["place_agrees"]),
        modalities=[
            {"name": name, "n": row["box_iou"]["n"], "iou": interval(row["box_iou"]), "dice": interval(row["mask_dice"])}
            for name, row in sorted(summary["per_modality"].items(), key=lambda item: -item[1]["box_iou"]["n"])
        ],
        sources=sources(args.data, args.manifest),
    )
    args.out.write_text(text)


if __name__ == "__main__":
    main()
