"""What tuning the mask decoder brought: Dice with the true box and points, tuned against the best mode of the
untuned weights.

Prints a table with intervals that draw whole cases, overall and per modality, over a built set's validation
targets. Masks from the model's own boxes are in the evaluation.

    python -m bench.masks --data runs/data --untuned sam2_hiera_tiny.safetensors [--out runs/bench_masks.json]
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from tqdm import tqdm

from medreasoner import MedReasoner
from medreasoner.data.load import load
from medreasoner.geometry import mask_to_box, mask_to_points
from medreasoner.metrics import dice, paired, summary
from medreasoner.segmenters.base import SegmenterPrompt
from medreasoner.segmenters.sam2 import Sam2Segmenter
from train.embedded.sam2 import load_sam2

UNTUNED = {  # name: (best of three masks, how often it is drawn)
    "single": (False, 1),
    "single, 2 looks": (False, 2),
    "best of 3": (True, 1),
    "best of 3, 2 looks": (True, 2),
}
TUNED = "tuned"
MODES = (*UNTUNED, TUNED)


def scores(data: Path, split: str, untuned: Path) -> list[dict]:
    """One record per target: its case, modality and the Dice of each mode."""
    pair = MedReasoner.from_pretrained(device="cpu")
    raw = load_sam2(untuned)
    segmenters = {
        name: Sam2Segmenter(raw, "untuned", shared=True, multimask=multimask, passes=passes)
        for name, (multimask, passes) in UNTUNED.items()
    } | {TUNED: pair.segmenter}
    records, last, encoded = [], None, {}
    for sample in tqdm(
        sorted((s for s in load(data, split) if not s.absent), key=lambda s: str(s.image)), mininterval=20
    ):
        if sample.image != last:
            image, last = sample.load_image(), sample.image
            features = pair.reasoner.encode(image).features
            encoded = {name: segmenter.encode(image, features) for name, segmenter in segmenters.items()}
        mask = sample.load_mask()
        truth = SegmenterPrompt(mask_to_box(mask), mask_to_points(mask))
        record = {"id": sample.id, "case": sample.case, "modality": sample.modality}
        records.append(
            record
            | {name: float(dice(s.segment(encoded[name], truth)[0], mask)) for name, s in segmenters.items()}
        )
    return records


def table(records: list[dict]) -> dict:
    groups = {"all": records} | {
        m: [r for r in records if r["modality"] == m] for m in sorted({r["modality"] for r in records})
    }
    out = {}
    for name, rows in groups.items():
        cases = [r["case"] for r in rows]
        row = {mode: asdict(summary([r[mode] for r in rows], cases)) for mode in MODES}
        best = max(UNTUNED, key=lambda mode: row[mode]["mean"])
        row["tuned minus best untuned"] = asdict(
            paired([r[TUNED] for r in rows], [r[best] for r in rows], cases)
        )
        out[name] = row
    return out


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="validation")
    parser.add_argument("--untuned", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    result = table(scores(args.data, args.split, args.untuned))
    print(f"{'':28} {'n':>4}  " + "  ".join(f"{mode:>18}" for mode in MODES) + "   tuned minus best untuned")
    for name, row in result.items():
        gain = row["tuned minus best untuned"]
        means = "  ".join(f"{row[mode]['mean']:18.3f}" for mode in MODES)
        print(
            f"{name:28} {gain['n']:4}  {means}   {gain['mean']:+.3f} [{gain['low']:+.3f}, {gain['high']:+.3f}]"  # noqa: E501
        )
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
