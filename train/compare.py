"""Trained models side by side on the same questions: greedy answers in batches, boxes and masks scored, intervals by case.

Is: the table of a training study, answers are written down, and a model is not
asked twice. Is not: the published evaluation; `python -m medreasoner evaluate` runs the very objects the page streams from.

    python -m train.compare medreasoner/embedded runs/grpo_mask --data runs/data --split validation --segmenter medreasoner/embedded/segmenter --out runs/compare
    python -m train.compare … --dev        # training cases that were held back: choose by these
    python -m train.compare … --dev --control reworded        # the same, in wordings that were held back
    python -m train.compare … --control shuffled        # each question under another's wording; "swapped": another case's image
"""

import argparse
import contextlib
import hashlib
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tqdm import tqdm
from transformers import AutoModelForImageTextToText

from medreasoner.answer import parse
from medreasoner.data.load import DataError, load
from medreasoner.data.sample import Sample
from medreasoner.data.taxonomy import categories
from medreasoner.metrics import box_iou, dice, paired, summary
from medreasoner.prompts import messages
from medreasoner.rewards.completion import ScoredCompletion
from medreasoner.rewards.reference import Reference
from medreasoner.segmenters.registry import load_segmenter
from medreasoner.text.places import place_agrees
from train.bf16 import rollout, usable_on_cpu
from train.holdout import is_dev
from train.image_features import ImageFeatures
from train.mask_reward import MaskReward
from train.model_spec import open_model_spec

BATCH = 16
CONTROLS = ("none", "shuffled", "swapped", "reworded")


@dataclass(frozen=True)
class Scores:
    """Of one sample: box IoU and mask Dice 0..1 (0 for a failure), whether it parsed, whether the place it says is that of its box (None
    if it says none), whether its reasoning names the target that was asked for."""

    id: str
    case: str
    iou: float
    dice: float
    formed: bool
    true_place: bool | None
    named: bool


def asked(samples: Sequence[Sample], control: str, seed: int) -> list[tuple[Sample, str]]:
    """(sample whose image is shown, question) for each sample: its own, or one half of another's, or its question in a wording that is
    held back from training, from a fixed draw. Errors: DataError for a category without such a wording."""
    if control == "none":
        return [(s, s.question) for s in samples]
    if control == "reworded":
        rng = random.Random(seed)
        return [(s, reworded(s, rng)) for s in samples]
    order = list(range(len(samples)))
    random.Random(seed).shuffle(order)
    other = {order[i]: order[(i + 1) % len(order)] for i in range(len(order))}
    if control == "shuffled":
        return [(s, samples[other[i]].question) for i, s in enumerate(samples)]
    return [(samples[other[i]], s.question) for i, s in enumerate(samples)]


def reworded(sample: Sample, rng: random.Random) -> str:
    name, _, side = sample.category.partition(", ")
    if name not in categories() or not categories()[name].held_back:
        raise DataError(
            f"sample {sample.id!r}: no wording of {name!r} is held back; add one to its category, or take another control"
        )
    return rng.choice(categories()[name].held_back).replace("{side}", side.split(" ")[0])


@torch.no_grad()
def answers(
    folder: Path,
    rows: Sequence[tuple[Sample, str]],
    features: ImageFeatures | None,
    think: bool,
    bf16: bool = False,
) -> list[str]:
    """The greedy answer to each row, in the fp32 that is used at inference on a CPU, or in bf16."""
    subject = open_model_spec(str(folder))
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    if features is not None:
        features.attach(model)
    generate = rollout(model) if bf16 else model.generate
    texts = []
    for start in tqdm(range(0, len(rows), BATCH), desc=folder.name, mininterval=5):
        chats = []
        for sample, question in rows[start : start + BATCH]:
            chat = messages(subject.prompt.text(question, think), subject.prompt.system)
            chat[-1]["content"][0]["image"] = subject.resize(sample.load_image())
            chats.append(chat)
        inputs = subject.processor.apply_chat_template(
            chats,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            processor_kwargs={"return_tensors": "pt", "padding": True},
        )
        out = generate(**inputs, do_sample=False, max_new_tokens=192)
        texts += subject.processor.batch_decode(
            out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True
        )
    return texts


def score(
    folder: Path,
    samples: Sequence[Sample],
    rows: Sequence[tuple[Sample, str]],
    texts: Sequence[str],
    paint: MaskReward,
) -> list[Scores]:
    """Each answer against the truth of its own sample, on the image that was shown."""
    frame = open_model_spec(str(folder)).frame
    found = []
    for sample, (shown, _), text in zip(tqdm(samples, desc="masks", mininterval=5), rows, texts, strict=True):
        mask, truth, size = sample.load_mask(), sample.truth(), shown.load_image().size
        case = Reference(truth.box, truth.points, mask.shape[::-1], frame, mask=mask)
        parsed = parse(text)
        grounding = ScoredCompletion(text, case).grounding
        overlap = 0.0
        if grounding is not None and shown is sample:
            overlap = dice(paint([shown.load_image()], [grounding], [size])[0], mask)
        place = (
            None
            if grounding is None or not parsed.think
            else place_agrees(parsed.think, grounding.box, case.image_wh)
        )
        iou = 0.0 if grounding is None else box_iou(grounding.box, truth.box)
        named = sample.category.partition(",")[0].lower() in (parsed.think or "").lower()
        found.append(Scores(sample.id, sample.case, iou, overlap, grounding is not None, place, named))
    return found


def kept_answers(out: Path, folder: Path, rows: Sequence[tuple[Sample, str]], label: str, make) -> list[str]:
    """The answers of an earlier call to the same weights and questions, else those of `make()`, written down."""
    weights = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        weights.update(hashlib.file_digest(path.open("rb"), "sha256").digest())
    key = hashlib.sha256(
        (weights.hexdigest() + label + json.dumps([(s.id, q) for s, q in rows])).encode()
    ).hexdigest()[:16]
    path = out / f"{key}.jsonl"
    if path.exists():
        return [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()]
    texts = make()
    lines = [
        json.dumps({"id": s.id, "question": q, "text": text, "model": folder.name})
        for (s, q), text in zip(rows, texts, strict=True)
    ]
    out.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return texts


def line(name: str, found: Sequence[Scores], first: Sequence[Scores]) -> str:
    """A row of the table: means with 95 % intervals, and the differences from the first model."""
    cases = [s.case for s in found]
    cells = [name]
    for get in (lambda s: s.iou, lambda s: s.dice):
        values, base = [get(s) for s in found], [get(s) for s in first]
        mean, difference = summary(values, cases), paired(values, base, cases)
        cells.append(f"{mean.mean:.3f} [{mean.low:.3f}, {mean.high:.3f}]")
        cells.append(
            ""
            if found is first
            else f"{difference.mean:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}]"
        )
    claims = [s.true_place for s in found if s.true_place is not None]
    cells.append(f"{sum(s.iou > 0.5 for s in found) / len(found):.3f}")
    cells.append(f"{sum(s.formed for s in found) / len(found):.1%}")
    cells.append(f"{sum(claims) / len(claims):.1%}" if claims else "")
    cells.append(f"{sum(s.named for s in found) / len(found):.1%}")
    return "| " + " | ".join(cells) + " |"


def main(open_features: Callable[[list[str], Path], ImageFeatures] | None = None) -> None:
    """`open_features` opens the caches named by --features, and one in a folder for images that are in none of them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--split", default="validation")
    parser.add_argument("--dev", action="store_true", help="the held-back cases of the training split")
    if open_features is not None:
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
    args = parser.parse_args()
    args.bf16 = usable_on_cpu(args.bf16)
    samples = list(load(args.data, "train" if args.dev else args.split, strict=True))
    samples = [s for s in samples if not args.dev or is_dev(s.case)]
    samples = samples[: args.limit] if args.limit else samples
    features = None if open_features is None else open_features(args.features, args.out / "maps")
    paint = MaskReward(load_segmenter(args.segmenter), features and features.encode)
    rows = asked(samples, args.control, args.seed)
    print(f"{len(samples)} questions, {len({s.case for s in samples})} cases; control: {args.control}")
    print(
        "| model | box IoU | against the first | mask Dice | against the first | Acc@0.5 | well-formed | place true | target named |"
    )
    print("|---|---|---|---|---|--:|--:|--:|--:|")
    first: list[Scores] | None = None
    for folder in args.models:
        label = f"{args.direct} bf16" if args.bf16 else str(args.direct)
        texts = kept_answers(
            args.out,
            folder,
            rows,
            label,
            lambda folder=folder: answers(folder, rows, features, not args.direct, args.bf16),
        )
        found = score(folder, samples, rows, texts, paint)
        first = first or found
        with contextlib.suppress(BrokenPipeError):
            print(line(str(folder), found, first), flush=True)


if __name__ == "__main__":
    main()
