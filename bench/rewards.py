"""How fast rewards are, and what they tell apart: completions scored per second on one core for each set, the mask term's cost per
group, and what each set gives answers of known worth.

    python -m bench.rewards                                            # the sets, on the vectors' own answer
    python -m bench.rewards --data runs/data --features runs/features   # and masks, with the embedded segmenter on real pictures

Is: medians of several rounds in one process. Is not: a test.
"""

import argparse
import json
import statistics
import time
from itertools import islice

import torch

from medreasoner.answer import Answer, render
from medreasoner.data.load import load
from medreasoner.manifest import EMBEDDED_FOLDER
from medreasoner.rewards import SETS, reward_functions
from medreasoner.segmenters.registry import load_segmenter
from medreasoner.text.places import place_phrase, place_words, size_word
from train.embedded.features import CachedFeatures
from train.mask_reward import MaskReward

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


def kinds(sample) -> dict[str, str]:
    """Completions of known worth about one sample, in pixels of its image."""
    (x1, y1, x2, y2), ((ax, ay), (bx, by)) = sample.truth().box, sample.truth().points
    width, height = sample.load_image().size
    dx, dy = 0.05 * (x2 - x1), 0.05 * (y2 - y1)

    def said(box, first, second) -> str:
        side, level = place_words(box, (width, height))
        think = f"I see it {place_phrase(side, level)} of the image: {size_word(box, (width, height))}."
        return render(Answer(tuple(map(round, box)), (first, second), think))

    return {
        "the truth": said((x1, y1, x2, y2), (ax, ay), (bx, by)),
        "good: all off by 5 % of the object": said(
            (x1 + dx, y1 + dy, x2 + dx, y2 + dy), (ax + dx, ay + dy), (bx + dx, by + dy)
        ),
        "mirrored to the other side": said(
            (width - x2, y1, width - x1, y2), (width - ax, ay), (width - bx, by)
        ),
        "the whole image": said((0, 0, width, height), (width / 2, height / 3), (width / 2, 2 * height / 3)),
        "well-formed nonsense": said(
            (1, 1, width / 20 + 2, height / 20 + 2), (2, 2), (width / 20, height / 20)
        ),
        "prose": "I see a lesion on the left.",
    }


def table(samples, paint: MaskReward) -> None:
    """What each set gives those completions, as a share of what it can give, mean over samples whose mirror image does not overlap."""
    samples = [
        s
        for s in samples
        if s.truth().box[2] < 0.5 * s.load_image().width or s.truth().box[0] > 0.5 * s.load_image().width
    ]
    print(f"\nshare of the most a set can give, mean of {len(samples)} targets on one side of the image")
    print("| completion | " + " | ".join(SETS) + " |\n|---|" + "--:|" * len(SETS))
    for kind in kinds(samples[0]):
        cells = []
        for name in SETS:
            functions, weights = reward_functions(name, paint=paint)
            shares = []
            for sample in samples:
                truth, image = sample.truth(), sample.load_image()
                row = {
                    "bbox_2d": truth.box,
                    "point_2d": truth.points,
                    "image_wh": image.size,
                    "mask": sample.load_mask(),
                    "image": image,
                }
                got = [
                    f(completions=[kinds(sample)[kind]], **{key: [value] for key, value in row.items()})[0]
                    for f in functions
                ]
                shares.append(sum(w * g for w, g in zip(weights, got, strict=True)) / sum(weights))
            cells.append(f"{statistics.mean(shares):.2f}")
        print(f"| {kind} | " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
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
        samples = list(islice(load(args.data, "train"), 0, None, 120))
        features = CachedFeatures([args.features]) if args.features else None
        paint = MaskReward(load_segmenter(EMBEDDED_FOLDER / "segmenter"), features and features.encode)
        functions, _ = reward_functions("mask", paint=paint)
        dice = next(f for f in functions if f.__name__ == "mask_dice")
        first, again = [], []
        for sample in samples[:ROUNDS]:
            truth, image = sample.truth(), sample.load_image()
            row = {
                "bbox_2d": truth.box,
                "point_2d": truth.points,
                "image_wh": image.size,
                "mask": sample.load_mask(),
                "image": image,
            }
            columns = {key: [value] * GROUP for key, value in row.items()}
            good = kinds(sample)["the truth"]
            for seconds in (first, again):
                started = time.perf_counter()
                dice(completions=[good] * GROUP, **columns)
                seconds.append(time.perf_counter() - started)
        where = "its maps read from disk" if args.features else "encoded first"
        print(
            f"mask term, a group of {GROUP}: {statistics.median(again):.3f} s; a new picture, {where}: {statistics.median(first):.3f} s"
        )
        table(samples, paint)


if __name__ == "__main__":
    main()
