"""How fast rewards are: completions scored per second on one core for each set, and what the mask term costs per group.

    python -m bench.rewards                                            # the sets, on the vectors' own answer
    python -m bench.rewards --data runs/data --features runs/features   # and masks, with the embedded segmenter on real pictures

Is: medians of several rounds in one process. Is not: a test.
"""

import argparse
import json
import statistics
import time

import torch

from medreasoner.data.load import load
from medreasoner.geometry import EMBEDDED
from medreasoner.loading import EMBEDDED_FOLDER
from medreasoner.rewards import SETS, reward_functions
from medreasoner.segmenter import load_segmenter
from train.features import FeatureCache
from train.painter import MAPS, Painter

ROW = {"bbox_2d": [[445, 136, 708, 729]], "point_2d": [[[534, 273], [595, 455]]], "image_wh": [[840, 840]]}
THINK = "It lies at mid-height on the right of the image: mid-sized, taller than wide. " * 4
COUNT, ROUNDS, GROUP = 2000, 5, 8


def text(n: int) -> str:
    box = [440 + n % 20, 130, 700, 720 + n % 15]
    return f"<think>{THINK}</think><answer>{json.dumps({'bbox': box, 'points_1': [534, 273], 'points_2': [595, 455]})}</answer>"


def timed(work) -> float:
    """Median seconds of `work`, called ROUNDS times."""
    seconds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data")
    parser.add_argument("--features")
    args = parser.parse_args()
    torch.set_num_threads(1)
    texts, columns = [text(n) for n in range(COUNT)], {key: value * COUNT for key, value in ROW.items()}
    for name in SETS:
        functions, _ = reward_functions(name, paint=lambda *_: [])
        functions = [f for f in functions if f.__name__ != "mask_dice"]
        seconds = timed(lambda functions=functions: [f(completions=texts, **columns) for f in functions])
        note = " (without the mask term)" if SETS[name].painted else ""
        print(f"{name}: {COUNT / seconds:,.0f} completions a second, {len(functions)} terms{note}")
    if args.data:
        samples = [sample for sample, _ in zip(load(args.data, "train"), range(ROUNDS), strict=False)]
        caches = [FeatureCache(args.features, ("tokens", *MAPS))] if args.features else []
        paint = Painter(load_segmenter(EMBEDDED_FOLDER / "segmenter"), caches)
        functions, _ = reward_functions("mask", EMBEDDED, paint=paint)
        dice = next(f for f in functions if f.__name__ == "mask_dice")
        first, again = [], []
        for sample in samples:
            truth, image = sample.truth(), sample.load_image()
            row = {"bbox_2d": truth.box, "point_2d": truth.points, "image_wh": image.size, "mask": sample.load_mask(), "image": image}
            columns = {key: [value] * GROUP for key, value in row.items()}
            for seconds in (first, again):
                started = time.perf_counter()
                dice(completions=[text(n) for n in range(GROUP)], **columns)
                seconds.append(time.perf_counter() - started)
        where = "its maps read from disk" if args.features else "encoded first"
        print(f"mask term, a group of {GROUP}: {statistics.median(again):.3f} s; a new picture, {where}: {statistics.median(first):.3f} s")


if __name__ == "__main__":
    main()
