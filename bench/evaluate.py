"""How fast evaluation runs on this machine: samples per second through the very path of `evaluate`, one by
one and in batches; what caching encoded images saves; and the segmenter's decoding of several prompts in one
batch against one after the other.

    python -m bench.evaluate --data runs/data [--samples 32] [--rounds 3]

Medians over rounds in which all ways take turns, so that a busy machine slows all of them alike.
"""

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from medreasoner import MedReasoner
from medreasoner.data.load import load
from medreasoner.data.sample import Sample
from medreasoner.evaluation.evaluator import Evaluator
from medreasoner.evaluation.options import Options
from medreasoner.geometry import Grounding
from medreasoner.segmenters.base import SegmenterPrompt

BATCHES = (1, 4, 8, 16)
PROMPTS = 8  # in one image
middle = statistics.median


def passes(pair: MedReasoner, samples: Sequence[Sample], batch: int) -> tuple[float, float]:
    """Seconds of a first pass over `samples` with masks, as `evaluate` makes it, and of a later one without,
    as its controls are."""
    with tempfile.TemporaryDirectory() as out:
        evaluator = Evaluator(pair.reasoner, pair.segmenter, Path(out), Options(batch=batch))
        first = seconds(lambda: evaluator.answer(samples, "first.jsonl", masks=True))
        return first, seconds(lambda: evaluator.answer(samples, "later.jsonl", masks=False))


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def prompts(truth: Grounding) -> list[Grounding]:
    """The truth moved a little, so that no two are alike."""
    x1, y1, x2, y2 = truth.box
    return [SegmenterPrompt((x1 - by, y1 - by, x2 + by, y2 + by), truth.points) for by in range(PROMPTS)]


def decoding(pair: MedReasoner, samples: Sequence[Sample], rounds: int) -> list[tuple[float, float]]:
    """(seconds one by one, seconds in one batch) of PROMPTS prompts, for every image and round, the two in
    turn."""
    times = []
    for sample in samples:
        image = sample.load_image()
        encoded, asked = (
            pair.segmenter.encode(image, pair.reasoner.encode(image).features),
            prompts(sample.truth()),
        )
        for number in range(rounds + 1):  # the first is a warm-up
            alone = seconds(lambda e=encoded, a=asked: [pair.segmenter.segment(e, one) for one in a])
            together = seconds(lambda e=encoded, a=asked: pair.segmenter.segment_many(e, a))
            if number:
                times.append((alone, together))
    return times


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="validation")
    parser.add_argument("--samples", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    pair = MedReasoner.from_pretrained(device="cpu")
    samples = random.Random(0).sample(
        [sample for sample in load(args.data, args.split) if not sample.absent], args.samples
    )
    samples = sorted(samples, key=lambda sample: str(sample.image))
    passes(pair, samples[:2], 1)  # warm-up
    times = {batch: [] for batch in BATCHES}
    for _ in range(args.rounds):
        for batch in BATCHES:
            times[batch].append(passes(pair, samples, batch))
    images = len({str(sample.image) for sample in samples})
    print(
        f"{torch.get_num_threads()} threads, {len(samples)} samples of {images} images, "
        f"medians of {args.rounds}"
    )
    print(f"{'batch':>6} {'first pass, samples/s':>22} {'later pass, samples/s':>22}")
    for batch, measured in times.items():
        first, later = (len(samples) / middle(column) for column in zip(*measured, strict=True))
        print(f"{batch:>6} {first:22.2f} {later:22.2f}")
    print(
        "(the first pass encodes the images, draws masks and scores them; a later one finds them encoded and "
        "has no masks)"
    )
    decoded = decoding(pair, samples[:4], args.rounds)
    ratio = middle(alone / together for alone, together in decoded)
    alone, together = (1000 * middle(column) / PROMPTS for column in zip(*decoded, strict=True))
    print(
        f"{PROMPTS} masks in one image: {alone:.1f} ms each one by one, {together:.1f} ms each in one batch, "
        f"{ratio:.2f} times as fast"
    )


if __name__ == "__main__":
    main()
