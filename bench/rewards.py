"""How fast rewards are, and what they tell apart.

    python -m bench.rewards                               # every set, on random answers
    python -m bench.rewards --published med_grounding.py  # beside the published code on the same answers
    python -m bench.rewards --data runs/data --features runs/features  # the mask term, answers of known worth

Prints completions scored per second on one core by each set; with `--published` (the file
verl/utils/reward_score/med_grounding.py of a checkout of PRIS-CV/MedReasoner) also how many times as fast the
sets paper-soft and paper-hard are as that file, and the largest difference of any term; with `--data` the
mask term's cost per group and the share of the most that each set gives answers of known worth. Medians of
several rounds in which all ways take turns, so that a busy machine slows all of them alike.
"""

import argparse
import importlib.util
import json
import random
import statistics
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from types import ModuleType

import torch

from medreasoner.answer import Answer, render
from medreasoner.data.load import load
from medreasoner.data.sample import Sample
from medreasoner.geometry import Box, Point
from medreasoner.manifest import EMBEDDED_FOLDER
from medreasoner.rewards import SETS, reward_functions
from medreasoner.segmenters.registry import load_segmenter
from medreasoner.text.places import place_phrase, place_words, size_word
from train.embedded.features import CachedFeatures
from train.mask_reward import MaskReward

COUNT, GROUP, ROUNDS = 2000, 8, 9  # completions, those of one question, rounds
SIDE = 840  # pixels of the published system's images
THINK = "It lies at mid-height on the right of the image: mid-sized, taller than wide. " * 4
BOX, POINTS = (445, 136, 708, 729), ((534, 273), (595, 455))
JITTER = 60  # pixels by which random answers are off


def answers() -> tuple[list[str], dict[str, list]]:
    """COUNT random answers in groups that share a truth, and the columns of their rows."""
    rng = random.Random(0)
    texts, boxes = [], [[BOX[0] + group % 7, *BOX[1:]] for group in range(COUNT // GROUP)]
    for number in range(COUNT):
        box, *points = ([v + rng.randint(-JITTER, JITTER) for v in values] for values in (BOX, *POINTS))
        body = json.dumps({"bbox": box, "points_1": points[0], "points_2": points[1]})
        texts.append(f"<think>{THINK}{number}</think><answer>{body}</answer>")
    points = [list(point) for point in POINTS]
    return texts, {
        "bbox_2d": [boxes[number // GROUP] for number in range(COUNT)],
        "point_2d": [points] * COUNT,
        "image_wh": [[SIDE, SIDE]] * COUNT,
    }


def seconds(work: Callable[[], object]) -> float:
    """Processor time of one call."""
    started = time.process_time()
    work()
    return time.process_time() - started


def score(name: str, texts: Sequence[str], columns: dict[str, list]) -> dict[str, list[float]]:
    """Every term but the mask's, by fresh functions, which have read nothing yet."""
    functions, _ = reward_functions(name, segment=lambda *_: [])
    terms = [function for function in functions if function.__name__ != "mask_dice"]
    return {term.__name__: term(completions=texts, **columns) for term in terms}


def speed(published: ModuleType | None) -> None:
    """Print completions a second of every set, and how they compare with the published code."""
    texts, columns = answers()
    rows = zip(columns["bbox_2d"], columns["point_2d"], strict=True)
    truths = [json.dumps({"bbox_2d": box, "point_2d": points}) for box, points in rows]
    for name in SETS:
        mode = name.removeprefix("paper-") if name in ("paper-soft", "paper-hard") and published else None
        ours, theirs = [], []
        for _ in range(ROUNDS):
            ours.append(seconds(lambda name=name: score(name, texts, columns)))
            if mode:
                theirs.append(seconds(lambda mode=mode: run(published, texts, truths, mode)))
        note = " (without the mask term)" if SETS[name].with_masks else ""
        line = f"{name}: {COUNT / statistics.median(ours):,.0f} completions a second{note}"
        if mode:
            ratio = statistics.median(b / a for a, b in zip(ours, theirs, strict=True))
            found, expected = score(name, texts, columns), run(published, texts, truths, mode)
            off = max(abs(e[key] - v) for key, vs in found.items() for e, v in zip(expected, vs, strict=True))
            rate = COUNT / statistics.median(theirs)
            line += f"; the published code {rate:,.0f}: {ratio:.2f} times as fast, terms differ by {off:.1g}"
        print(line, flush=True)


def run(published: ModuleType, texts: Sequence[str], truths: Sequence[str], mode: str) -> list[dict]:
    """The published terms of every answer."""
    return [published.compute_score(text, truth, mode) for text, truth in zip(texts, truths, strict=True)]


def open_published(path: Path) -> ModuleType:
    """The published file as a module."""
    spec = importlib.util.spec_from_file_location("published_rewards", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def known_worth(sample: Sample) -> dict[str, str]:
    """Completions of known worth about one sample, in pixels of its image."""
    (x1, y1, x2, y2), ((ax, ay), (bx, by)) = sample.truth().box, sample.truth().points
    width, height = sample.load_image().size
    dx, dy = 0.05 * (x2 - x1), 0.05 * (y2 - y1)

    def answer(box: Box, first: Point, second: Point) -> str:
        place = place_phrase(*place_words(box, (width, height)))
        think = f"I see it {place} of the image: {size_word(box, (width, height))}."
        return render(Answer(tuple(map(round, box)), (first, second), think))

    mirrored = (width - x2, y1, width - x1, y2)
    whole, corner = (0, 0, width, height), (1, 1, width / 20 + 2, height / 20 + 2)
    moved = (x1 + dx, y1 + dy, x2 + dx, y2 + dy)
    return {
        "the truth": answer((x1, y1, x2, y2), (ax, ay), (bx, by)),
        "good: all off by 5 % of the object": answer(moved, (ax + dx, ay + dy), (bx + dx, by + dy)),
        "mirrored to the other side": answer(mirrored, (width - ax, ay), (width - bx, by)),
        "the whole image": answer(whole, (width / 2, height / 3), (width / 2, 2 * height / 3)),
        "well-formed nonsense": answer(corner, (2, 2), (width / 20, height / 20)),
        "prose": "I see a lesion on the left.",
    }


def row_of(sample: Sample, count: int = 1) -> dict[str, list]:
    """The columns of `count` completions about one sample."""
    truth, image = sample.truth(), sample.load_image()
    row = {"bbox_2d": truth.box, "point_2d": truth.points, "image_wh": image.size}
    row |= {"mask": sample.load_mask(), "image": image}
    return {key: [value] * count for key, value in row.items()}


def on_one_side(sample: Sample) -> bool:
    """Whether the target's mirror image does not overlap it."""
    (x1, _, x2, _), middle = sample.truth().box, 0.5 * sample.load_image().width
    return x2 < middle or x1 > middle


def table(samples: Sequence[Sample], segment: MaskReward) -> None:
    """Print what each set gives those completions, as a share of what it can give."""
    samples = [sample for sample in samples if on_one_side(sample)]
    print(f"\nshare of the most a set can give, mean of {len(samples)} targets on one side of the image")
    print("| completion | " + " | ".join(SETS) + " |\n|---|" + "--:|" * len(SETS))
    for kind in known_worth(samples[0]):
        cells = []
        for name in SETS:
            functions, weights = reward_functions(name, segment=segment)
            shares = []
            for sample in samples:
                text, row = known_worth(sample)[kind], row_of(sample)
                terms = [function(completions=[text], **row)[0] for function in functions]
                shares.append(sum(w * t for w, t in zip(weights, terms, strict=True)) / sum(weights))
            cells.append(f"{statistics.mean(shares):.2f}")
        print(f"| {kind} | " + " | ".join(cells) + " |", flush=True)


def mask_term(samples: Sequence[Sample], segment: MaskReward, cached: bool) -> None:
    """Print the seconds of the mask term for a group about a new picture, and about one that was seen
    before."""
    functions, _ = reward_functions("mask", segment=segment)
    dice = next(function for function in functions if function.__name__ == "mask_dice")
    first, again = [], []
    for sample in samples[:ROUNDS]:
        columns, text = row_of(sample, GROUP), known_worth(sample)["the truth"]
        for times in (first, again):
            times.append(seconds(lambda c=columns, t=text: dice(completions=[t] * GROUP, **c)))
    where = "its maps read from disk" if cached else "encoded first"
    print(
        f"mask term, a group of {GROUP}: {statistics.median(again):.3f} s; a new picture, {where}: "
        f"{statistics.median(first):.3f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--published", type=Path, metavar="FILE")
    parser.add_argument("--data")
    parser.add_argument("--features")
    args = parser.parse_args()
    torch.set_num_threads(1)
    speed(args.published and open_published(args.published))
    if args.data:
        present = (sample for sample in load(args.data, "train") if not sample.absent)
        samples = list(islice(present, 0, None, 120))
        features = CachedFeatures([args.features]) if args.features else None
        segment = MaskReward(load_segmenter(EMBEDDED_FOLDER / "segmenter"), features and features.encode)
        mask_term(samples, segment, bool(args.features))
        table(samples, segment)


if __name__ == "__main__":
    main()
