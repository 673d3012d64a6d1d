"""Trained models side by side on the same questions: greedy answers in batches, scored as `medreasoner
evaluate` scores them, with intervals by case.

For the table of a training study. Answers are written down, so a model answers only once. `medreasoner
evaluate` also runs the very reasoner and segmenter that the page streams from; this generates with
transformers alone.

    python -m train.compare medreasoner/embedded runs/grpo_mask --data runs/data --split validation \\
        --segmenter medreasoner/embedded/segmenter --out runs/compare
    python -m train.compare … --dev                     # training cases that were held back: choose by these
    python -m train.compare … --dev --control reworded  # the same, in wordings that were held back
    python -m train.compare … --control shuffled        # others' questions; "swapped": others' images
"""

import argparse
import contextlib
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from medreasoner.data.build.writers.offline import wording
from medreasoner.data.load import DataError, load
from medreasoner.data.sample import Sample
from medreasoner.data.taxonomy import categories
from medreasoner.evaluation import aggregate
from medreasoner.evaluation.adapters import CachingSegmenter, ReplayedAnswer
from medreasoner.evaluation.columns import BY_KEY, Column
from medreasoner.evaluation.controls import shuffled_questions, swapped_images
from medreasoner.evaluation.opened_sample import SampleOpener
from medreasoner.evaluation.record import Record
from medreasoner.evaluation.scoring import score_events
from medreasoner.metrics import Interval, paired
from medreasoner.pipeline import ground
from medreasoner.segmenters.base import Segmenter
from medreasoner.segmenters.registry import load_segmenter
from train.bf16 import usable_on_cpu
from train.greedy_answers import answer, saved_or_new
from train.holdout import held_back_cases
from train.image_features import CachedSegmenter, ImageFeatures
from train.model_spec import open_model_spec

CONTROLS = ("none", "shuffled", "swapped", "reworded")
COMPARED = (BY_KEY["box_iou"], BY_KEY["mask_dice"])  # with differences from the first model


def names_target(record: Record) -> bool:
    """Whether the reasoning names the target that was asked for."""
    return record.category.partition(",")[0].lower() in record.think.lower()


def with_target(records: Sequence[Record]) -> list[Record]:
    """Those whose image holds the target that is asked for."""
    return [record for record in records if record.truth is not None]


SHARES = (
    *(BY_KEY[key] for key in ("acc_50", "well_formed", "place_agrees")),
    Column("names_target", "Target named", names_target),
    BY_KEY["refused"],
)
PRESENCE = (BY_KEY["specificity"],)  # of the questions about what is not there


def with_control(samples: Sequence[Sample], control: str, seed: int) -> list[Sample]:
    """The samples as they are asked: as they are, with the questions or the images of others as in the
    controls of `evaluate`, or in a wording that is held back from training. Errors: DataError for a category
    without such a wording."""
    if control == "shuffled":
        return shuffled_questions(samples, seed)
    if control == "swapped":
        sizes = [sample.load_image().size for sample in samples]
        return swapped_images(samples, [sample.truth() for sample in samples], sizes, seed)
    if control == "reworded":
        rng = random.Random(seed)
        return [s if s.absent else replace(s, question=reworded(s, rng)) for s in samples]
    return list(samples)


def reworded(sample: Sample, rng: random.Random) -> str:
    """The question in a wording that was held back. Errors: DataError where the category has none."""
    name = sample.target or sample.category
    category = categories().get(name)
    if category is None or not category.held_back:
        raise DataError(
            f"sample {sample.id!r}: no wording of {name!r} is held back; "
            "add one to its category, or take another control"
        )
    return wording(category, category.held_back, rng, sample.side, sample.image_side)


def score(
    folder: Path, samples: Sequence[Sample], texts: Sequence[str], segmenter: Segmenter
) -> list[Record]:
    """The records of the answers that the model in `folder` gave."""
    spec = open_model_spec(str(folder))
    opener, segmenter = SampleOpener(masks=True), CachingSegmenter(segmenter)
    records = []
    for sample, text in zip(tqdm(samples, desc="masks", mininterval=5), texts, strict=True):
        opened = opener.open(sample)
        input_wh = opened.image.size
        if spec.frame.limit is None:  # the model writes pixels of what it saw
            input_wh = spec.input_wh(spec.resize(opened.image))
        replayed = ReplayedAnswer(str(folder), spec.frame, text, input_wh)
        records.append(score_events(opened, ground(opened.image, sample.question, replayed, segmenter)))
    return records


def line(name: str, records: Sequence[Record], first: Sequence[Record]) -> str:
    """A row of the table: means with 95 % intervals, the differences from the first model, and shares."""
    cells, present = [name], with_target(records)
    for column in COMPARED:
        interval = aggregate.interval(present, column)
        cells.append(in_words(interval))
        same = interval is None or records is first
        cells.append("" if same else in_words(difference(present, with_target(first), column), "+"))
    for column in (*SHARES, *PRESENCE):
        interval = aggregate.interval(present if column in SHARES else records, column)
        cells.append("" if interval is None else f"{interval.mean:.1%}")
    return "| " + " | ".join(cells) + " |"


def difference(records: Sequence[Record], first: Sequence[Record], column: Column) -> Interval:
    """A column of `records` minus that of `first`, sample by sample."""
    pairs = [
        (column.value(one), column.value(other), one.case)
        for one, other in zip(records, first, strict=True)
        if column.value(one) is not None
    ]
    return paired(*zip(*pairs, strict=True))


def in_words(interval: Interval | None, sign: str = "") -> str:
    if interval is None:
        return ""
    return f"{interval.mean:{sign}.3f} [{interval.low:{sign}.3f}, {interval.high:{sign}.3f}]"


def options(with_features: bool) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--split", default="validation")
    parser.add_argument("--dev", action="store_true", help="the held-back cases of the training split")
    if with_features:
        parser.add_argument("--features", nargs="*", default=[], help="caches of image features")
    parser.add_argument("--segmenter", required=True)
    parser.add_argument("--control", choices=CONTROLS, default="none")
    parser.add_argument("--direct", action="store_true", help="without reasoning")
    parser.add_argument(
        "--bf16", action="store_true", help="answers in bf16: faster, and not quite those of the page"
    )
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/compare"))
    return parser.parse_args()


def main(open_features: Callable[[list[str], Path], ImageFeatures] | None = None) -> None:
    """`open_features` opens the caches named by --features, and one in a folder for images that are in none
    of them."""
    args = options(open_features is not None)
    args.bf16 = usable_on_cpu(args.bf16)
    samples = list(load(args.data, "train" if args.dev else args.split, strict=True))
    if args.dev:
        held = held_back_cases(sample.case for sample in samples)
        samples = [sample for sample in samples if sample.case in held]
    if args.control in ("shuffled", "swapped"):  # what is not there stays so with any question or image
        samples = [s for s in samples if not s.absent]
    samples = with_control(samples[: args.limit] if args.limit else samples, args.control, args.seed)
    segmenter, features = load_segmenter(args.segmenter), None
    if open_features is not None:
        features = open_features(args.features, args.out / "maps")
        segmenter = CachedSegmenter(segmenter, features)
    print(f"{len(samples)} questions, {len({s.case for s in samples})} cases; control: {args.control}")
    heads = [head for column in COMPARED for head in (column.label, "against the first")]
    print(f"| model | {' | '.join([*heads, *(column.label for column in (*SHARES, *PRESENCE))])} |")
    print("|---|" + "---|" * len(heads) + "--:|" * len(SHARES + PRESENCE))
    first: list[Record] | None = None
    for folder in args.models:
        label = f"{args.direct} bf16" if args.bf16 else str(args.direct)
        texts = saved_or_new(
            args.out,
            folder,
            samples,
            label,
            lambda folder=folder: answer(folder, samples, features, not args.direct, args.bf16),
        )
        records = score(folder, samples, texts, segmenter)
        first = first or records
        with contextlib.suppress(BrokenPipeError):
            print(line(str(folder), records, first), flush=True)


if __name__ == "__main__":
    main()
