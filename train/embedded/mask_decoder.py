"""Adapt SAM 2's mask decoder to medical images under the boxes, points and corrections it really gets; the image encoder stays frozen.

Is: one command from built samples and cached maps to a segmenter folder (mask decoder and prompt encoder only; the encoder's weights
live once, with the CRM). One mask a prompt. In a share of the batches a click follows, where the first mask was wrong, as a visitor of the
page corrects it. With `--looks 2` each mask is drawn again with the first in view, in training as on the page. With `--keep` below 1 the
tuned weights are drawn back towards the untuned ones (better with true prompts and clicks, worse with the CRM's own boxes: docs/experiments). With
`--answers` half of the prompts are as wrong as a CRM's own answers are (no gain: docs/experiments).
Scores of held-back cases are printed at the end; `--steps 0` trains nothing.
Is not: a trainer of the encoder.

    python -m train.embedded.mask_decoder --data runs/data runs/views --features runs/features runs/features_views --sam2 FILE --out runs/asm
"""

import argparse
import json
import random
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from scipy import ndimage
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import trange

from medreasoner.segmenters.sam2 import draw
from train.embedded.mask_examples import NOISES, SIDE, Batch, Examples
from train.embedded.own_errors import answers
from train.embedded.sam2 import SIDE as INPUT_SIDE
from train.embedded.sam2 import load_sam2
from train.holdout import is_dev

CACHED = ("conv_s0", "conv_s1", "pred_obj_score_head")  # already applied in the cached maps, or never read
USUAL = (
    0.12  # spread of a usual answer, as a share of the box's sides: what the held-back prompts are shifted by
)


def loss_of(logits: torch.Tensor, truth: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Soft Dice plus cross-entropy weighted by `weight`, so that small outlines count as large ones do; all (B, S, S)."""
    p = logits.sigmoid()
    overlap = 1 - (2 * (p * truth).sum((1, 2)) + 1) / (p.sum((1, 2)) + truth.sum((1, 2)) + 1)
    entropy = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    return (overlap + (entropy * weight).sum((1, 2)) / weight.sum((1, 2))).mean()


def masks_of(
    sam2, batch: Batch, looks: int, clicks: torch.Tensor | None = None, labels: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """(logits (B, SIDE, SIDE), predicted IoU (B,)) of the single-mask output, drawn `looks` times. `clicks` (B, 1, 1, 2) in 512 px and
    `labels` (B, 1, 1), 1 for what belongs to the target and 0 for what does not, come after the two points."""
    points, given = batch.points, torch.ones(batch.points.shape[:3], dtype=torch.int64)
    if clicks is not None:
        points, given = torch.cat([points, clicks], 2), torch.cat([given, labels], 2)
    logits, iou = draw(
        sam2, batch.maps, looks, input_boxes=batch.boxes, input_points=points, input_labels=given
    )
    return F.interpolate(logits, (SIDE, SIDE), mode="bilinear", align_corners=False)[:, 0], iou


def correction(found: np.ndarray, truth: np.ndarray) -> tuple[tuple[float, float], int]:
    """The click of a person who sees both masks (H, W) bool: ((x, y) as shares of the sides, 1 to include or 0 to exclude), in the middle
    of the widest place where they differ; where they do not differ, in the middle of the target."""
    depths = [
        ndimage.distance_transform_edt(np.pad(wrong, 1))[1:-1, 1:-1]
        for wrong in (found & ~truth, truth & ~found)
    ]
    label = int(depths[1].max() >= depths[0].max())
    depth = (
        depths[label] if depths[label].any() else ndimage.distance_transform_edt(np.pad(truth, 1))[1:-1, 1:-1]
    )
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    return ((x + 0.5) / truth.shape[1], (y + 0.5) / truth.shape[0]), label


def corrections(logits: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """A click and its label for every mask of a batch, as `masks_of` takes them."""
    made = [
        correction(found, truth)
        for found, truth in zip((logits > 0).numpy(), (batch.truth > 0.5).numpy(), strict=True)
    ]
    places = torch.tensor([place for place, _ in made], dtype=torch.float32) * INPUT_SIDE
    return places[:, None, None], torch.tensor([label for _, label in made])[:, None, None]


def save_segmenter(sam2, out: Path, looks: int = 1) -> None:
    """The folder the library loads: configuration, and every weight but the image encoder's, fp16."""
    out.mkdir(parents=True, exist_ok=True)
    state = {
        k: v.half().contiguous() for k, v in sam2.state_dict().items() if not k.startswith("vision_encoder.")
    }
    sam2.config.save_pretrained(out)
    save_file(state, out / "model.safetensors", metadata={"format": "pt"})
    (out / "medreasoner.json").write_text(
        json.dumps({"format": 1, "multimask": False, "specks": 0.03, "looks": looks}) + "\n"
    )


def mean_of(folders: list[Path], fixed: str) -> dict[str, torch.Tensor]:
    """The mean of segmenters' weights, fp32 (model soups, Wortsman et al. 2022, arXiv 2203.05482); `fixed` ones as in the first folder."""
    states = [
        {name: value.float() for name, value in load_file(folder / "model.safetensors").items()}
        for folder in folders
    ]
    first = states[0]
    return {
        name: first[name]
        if re.search(fixed, name)
        else torch.stack([state[name] for state in states]).mean(0)
        for name in first
    }


def draw_back(sam2, untuned: dict[str, torch.Tensor], keep: float, fixed: str) -> None:
    """In place: `keep` of the way from the untuned weights to the tuned ones, 0..1 (WiSE-FT, Wortsman et al. 2022, arXiv 2109.01903)."""
    state = sam2.state_dict()
    state |= {
        name: torch.lerp(value, state[name], keep)
        for name, value in untuned.items()
        if not re.search(fixed, name)
    }
    sam2.load_state_dict(state)


def train(sam2, examples: Examples, args: argparse.Namespace) -> list[float]:
    """Tune the mask decoder in place; returns the loss of every step."""
    sam2.requires_grad_(False)
    for name, parameter in sam2.mask_decoder.named_parameters():
        parameter.requires_grad_(not name.startswith(CACHED) and not re.search(args.fixed, name))
    trained = [p for p in sam2.mask_decoder.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=args.lr, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, args.lr, total_steps=args.steps, pct_start=0.05)
    mean = (
        AveragedModel(sam2.mask_decoder, multi_avg_fn=get_ema_multi_avg_fn(args.average))
        if args.average
        else None
    )
    rng, order, curve = np.random.default_rng(args.seed), random.Random(args.seed), []
    sam2.mask_decoder.train()
    for _ in (bar := trange(args.steps, mininterval=20)):
        batch = examples.batch(order.choices(range(len(examples.rows)), examples.weights, k=args.batch), rng)
        if args.jitter:
            batch = replace(
                batch, maps=[m * (1 + args.jitter * torch.randn(*m.shape[:2], 1, 1)) for m in batch.maps]
            )
        click = ()
        if order.random() < args.clicked:
            with torch.no_grad():
                click = corrections(masks_of(sam2, batch, args.looks)[0], batch)
        logits, iou = masks_of(sam2, batch, args.looks, *click)
        loss = loss_of(logits, batch.truth, batch.weight) + F.mse_loss(iou, overlap(logits, batch.truth))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        schedule.step()
        if mean is not None:
            mean.update_parameters(sam2.mask_decoder)
        curve.append(float(loss.detach()))
        bar.set_postfix(loss=f"{np.mean(curve[-50:]):.3f}")
    if mean is not None:
        sam2.mask_decoder.load_state_dict(mean.module.state_dict())
    sam2.mask_decoder.eval()
    return curve


def overlap(logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """(B,) IoU of masks (B, S, S)."""
    found, real = logits.detach() > 0, truth > 0.5
    return (found & real).sum((1, 2)) / (found | real).sum((1, 2)).clamp(min=1)


@torch.no_grad()
def measure(sam2, examples: Examples, looks: int, size: int = 8) -> dict[str, float]:
    """Mean Dice of the examples with true prompts, with usual ones, with usual ones and one click where the mask was wrong, and, of
    those whose error is known, with the CRM's own."""
    rng, sums = np.random.default_rng(0), {"true": 0.0, "usual": 0.0, "usual, one click": 0.0}
    for start in range(0, len(examples.rows), size):
        chosen = list(range(start, min(start + size, len(examples.rows))))
        exact, batch = examples.batch(chosen, rng, 0.0), examples.batch(chosen, rng, USUAL)
        usual = masks_of(sam2, batch, looks)[0]
        clicked = masks_of(sam2, batch, looks, *corrections(usual, batch))[0]
        for name, logits in zip(sums, (masks_of(sam2, exact, looks)[0], usual, clicked), strict=True):
            iou = overlap(logits, batch.truth)
            sums[name] += float((2 * iou / (1 + iou)).sum())
    found = {name: round(total / len(examples.rows), 4) for name, total in sums.items()}
    known = [i for i, row in enumerate(examples.rows) if row.error is not None]
    if known:
        found |= {
            "own": round(float(np.mean([_dice(sam2, examples.answered([i]), looks) for i in known])), 4),
            "own, n": len(known),
        }
    return found


def _dice(sam2, batch: Batch, looks: int) -> float:
    iou = overlap(masks_of(sam2, batch, looks)[0], batch.truth)
    return float((2 * iou / (1 + iou)).mean())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--features", type=Path, nargs="+", required=True)
    parser.add_argument("--sam2", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--start",
        type=Path,
        nargs="*",
        default=[],
        help="tuned segmenters to go on from: the mean of their weights",
    )
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--lr", type=float, default=2e-4)
    parser.add_argument("--clicked", type=float, default=0.3, help="share of batches with a correcting click")
    parser.add_argument(
        "--answers",
        type=Path,
        help="a CRM's answers, as train/compare.py writes them, to learn from its errors",
    )
    parser.add_argument(
        "--own", type=float, default=0.5, help="share of prompts that are as wrong as one of those answers"
    )
    parser.add_argument("--noise", choices=NOISES, default="wide", help="how wrong the other prompts are")
    parser.add_argument(
        "--fixed", default="^$", help="regular expression: weights of the mask decoder that stay as they are"
    )
    parser.add_argument("--keep", type=float, default=1.0, help="share of the tuning that is kept, 0..1")
    parser.add_argument(
        "--average",
        type=float,
        default=0.0,
        help="decay of the weights' running mean, which is kept; 0 keeps the last",
    )
    parser.add_argument(
        "--rare", type=float, default=0.5, help="0..1: at 0 every target is drawn as often, at 1 every set"
    )
    parser.add_argument(
        "--looks", type=int, default=1, help="how often a mask is drawn, see `segmenters.sam2_shared.draw`"
    )
    parser.add_argument(
        "--jitter",
        type=float,
        default=0.0,
        help="spread of the factors that the maps' channels are multiplied with",
    )
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    sam2 = load_sam2(args.sam2)
    untuned = {name: value.clone() for name, value in sam2.state_dict().items()}
    if args.start:
        sam2.load_state_dict(mean_of(args.start, args.fixed), strict=False)
    sam2.mask_decoder.dynamic_multimask_via_stability = False
    sam2.config.mask_decoder_config.dynamic_multimask_via_stability = False
    said = answers(args.answers) if args.answers else {}
    held = Examples(args.data[:1], args.features, lambda sample: is_dev(sample["case"]), said)
    record = {"options": {key: str(value) for key, value in vars(args).items()}}
    if args.start:
        record |= {
            "before": [json.loads((start / "run.json").read_text(encoding="utf-8")) for start in args.start]
        }
    if args.steps:
        examples = Examples(
            args.data,
            args.features,
            lambda sample: not is_dev(sample["case"]),
            said,
            args.own,
            args.rare,
            args.noise,
        )
        curve = train(sam2, examples, args)
        record |= {"examples": len(examples.rows), "curve": [round(value, 4) for value in curve[::10]]}
    if args.keep < 1:
        draw_back(sam2, untuned, args.keep, args.fixed)
    save_segmenter(sam2, args.out, args.looks)
    record |= {"held_back": {"n": len(held.rows)} | measure(sam2, held, args.looks)}
    print(json.dumps(record["held_back"]))
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "run.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
