"""Tunes SAM 2's mask decoder on medical images with the boxes, points and clicks it gets in use; the image
encoder stays frozen.

    python -m train.embedded.mask_decoder --data runs/data --features runs/features --sam2 FILE --out runs/asm

Reads sets that `medreasoner data build` wrote and cached maps; writes a segmenter folder with mask decoder
and prompt encoder only (the encoder's weights are stored once, with the VLM). Each prompt gives one mask. In
a share of the batches a click follows where the first mask was wrong, as a user of the page corrects it. With
`--looks 2` each mask goes through the decoder a second time as a further prompt, as on the page. With
`--keep` below 1 the tuned weights are drawn back towards the untuned ones (figures:
docs/experiments/mask-decoder.md). Scores of held-back cases are printed at the end and stand in `run.json`;
`--steps 0` trains nothing.
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
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import trange
from transformers import Sam2Model

from medreasoner.segmenters.sam2_model import decode
from train.embedded.mask_correction import INSIDE, corrections
from train.embedded.mask_examples import NOISES, SIDE, Batch, Examples, trained_cases
from train.embedded.mask_weights import interpolate, mean_of, save_segmenter
from train.embedded.sam2 import load_sam2
from train.holdout import held_back_cases

CACHED = ("conv_s0", "conv_s1", "pred_obj_score_head")  # already applied in the cached maps, or never read
USUAL = (
    0.12  # spread of a usual answer as a share of the box's sides, by which the held-back prompts are shifted
)


def loss_of(logits: torch.Tensor, truth: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Soft Dice plus cross-entropy weighted by `weight`, so that small outlines count as large ones do;
    all (B, S, S)."""
    p = logits.sigmoid()
    dice = 1 - (2 * (p * truth).sum((1, 2)) + 1) / (p.sum((1, 2)) + truth.sum((1, 2)) + 1)
    entropy = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    return (dice + (entropy * weight).sum((1, 2)) / weight.sum((1, 2))).mean()


def masks_of(
    sam2: Sam2Model,
    batch: Batch,
    passes: int,
    clicks: torch.Tensor | None = None,
    labels: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """(logits (B, SIDE, SIDE), predicted IoU (B,)) of the single-mask output.

    Args:
        passes: of the decoder for each mask, see `sam2_model.decode`.
        clicks, labels: as `corrections` returns them; they follow the two points.
    """
    points, given = batch.points, torch.ones(batch.points.shape[:3], dtype=torch.int64)
    if clicks is not None:
        points, given = torch.cat([points, clicks], 2), torch.cat([given, labels], 2)
    logits, iou = decode(
        sam2, batch.maps, passes, input_boxes=batch.boxes, input_points=points, input_labels=given
    )
    return F.interpolate(logits, (SIDE, SIDE), mode="bilinear", align_corners=False)[:, 0], iou


def train(sam2: Sam2Model, examples: Examples, args: argparse.Namespace) -> list[float]:
    """Tune the mask decoder in place; returns the loss of every step."""
    sam2.requires_grad_(False)
    for name, parameter in sam2.mask_decoder.named_parameters():
        parameter.requires_grad_(not name.startswith(CACHED) and not re.search(args.fixed, name))
    trained = [p for p in sam2.mask_decoder.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=args.lr, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, args.lr, total_steps=args.steps, pct_start=0.05)
    ema = get_ema_multi_avg_fn(args.average)
    mean = AveragedModel(sam2.mask_decoder, multi_avg_fn=ema) if args.average else None
    rng, order, curve = np.random.default_rng(args.seed), random.Random(args.seed), []
    sam2.mask_decoder.train()
    for _ in (bar := trange(args.steps, mininterval=20)):
        batch = examples.batch(order.choices(range(len(examples.rows)), examples.weights, k=args.batch), rng)
        if args.jitter:
            scaled = [m * (1 + args.jitter * torch.randn(*m.shape[:2], 1, 1)) for m in batch.maps]
            batch = replace(batch, maps=scaled)
        click = ()
        if order.random() < args.clicked:
            with torch.no_grad():
                click = corrections(masks_of(sam2, batch, args.looks)[0], batch.truth)
        logits, iou = masks_of(sam2, batch, args.looks, *click)
        loss = loss_of(logits, batch.truth, batch.weight) + F.mse_loss(iou, iou_of(logits, batch.truth))
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


def iou_of(logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """(B,) IoU of masks (B, S, S)."""
    found, real = logits.detach() > 0, truth > INSIDE
    return (found & real).sum((1, 2)) / (found | real).sum((1, 2)).clamp(min=1)


@torch.no_grad()
def measure(sam2: Sam2Model, examples: Examples, passes: int, size: int = 8) -> dict[str, float]:
    """Mean Dice with true prompts, with usual ones (see USUAL), and with usual ones and one click where
    the mask was wrong."""
    rng, sums = np.random.default_rng(0), {"true": 0.0, "usual": 0.0, "usual, one click": 0.0}
    for start in range(0, len(examples.rows), size):
        chosen = list(range(start, min(start + size, len(examples.rows))))
        exact, batch = examples.batch(chosen, rng, 0.0), examples.batch(chosen, rng, USUAL)
        usual = masks_of(sam2, batch, passes)[0]
        clicked = masks_of(sam2, batch, passes, *corrections(usual, batch.truth))[0]
        for name, logits in zip(sums, (masks_of(sam2, exact, passes)[0], usual, clicked), strict=True):
            iou = iou_of(logits, batch.truth)
            sums[name] += float((2 * iou / (1 + iou)).sum())
    return {name: round(total / max(1, len(examples.rows)), 4) for name, total in sums.items()}


def options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--data", type=Path, nargs="+", required=True, help="built sets; the held-back cases are of the first"
    )
    add("--features", type=Path, nargs="+", required=True, help="caches with the mask decoder's inputs")
    add("--sam2", type=Path, required=True, help="safetensors of SAM 2 hiera-tiny, named as in sam2")
    add("--out", type=Path, required=True)
    add(
        "--start",
        type=Path,
        nargs="*",
        default=[],
        help="segmenters to start from: the mean of their weights",
    )
    add("--steps", type=int, default=1200)
    add("--batch", type=int, default=8)
    add("--lr", type=float, default=2e-4)
    add("--clicked", type=float, default=0.3, help="share of batches with a correcting click")
    add("--noise", choices=NOISES, default="wide", help="how wrong the prompts are")
    add("--fixed", default="^$", help="regular expression: weights of the mask decoder that stay as they are")
    add("--keep", type=float, default=1.0, help="share of the tuning that is kept, 0..1")
    add(
        "--average",
        type=float,
        default=0.0,
        help="decay of the running mean of the weights that is kept; 0: none",
    )
    add("--rare", type=float, default=0.5, help="0..1: at 0 targets are drawn equally often, at 1 data sets")
    add("--looks", type=int, default=1, help="passes of the decoder, see sam2_model.decode")
    add("--jitter", type=float, default=0.0, help="spread of the random factors of the maps' channels")
    add("--seed", type=int, default=0)
    return parser


def main() -> None:
    args = options().parse_args()
    torch.manual_seed(args.seed)
    sam2 = load_sam2(args.sam2)
    untuned = {name: value.clone() for name, value in sam2.state_dict().items()}
    if args.start:
        sam2.load_state_dict(mean_of(args.start, args.fixed), strict=False)
    sam2.mask_decoder.dynamic_multimask_via_stability = False
    sam2.config.mask_decoder_config.dynamic_multimask_via_stability = False
    held = held_back_cases(trained_cases(args.data))
    held_back = Examples(args.data[:1], args.features, lambda row: row["case"] in held)
    record = {"options": {key: str(value) for key, value in vars(args).items()}}
    if args.start:
        records = [(start / "run.json").read_text(encoding="utf-8") for start in args.start]
        record |= {"before": [json.loads(text) for text in records]}
    if args.steps:
        examples = Examples(args.data, args.features, lambda r: r["case"] not in held, args.rare, args.noise)
        curve = train(sam2, examples, args)
        record |= {"examples": len(examples.rows), "curve": [round(value, 4) for value in curve[::10]]}
    if args.keep < 1:
        interpolate(sam2, untuned, args.keep, args.fixed)
    save_segmenter(sam2, args.out, args.looks)
    record |= {"held_back": {"n": len(held_back.rows)} | measure(sam2, held_back, args.looks)}
    print(json.dumps(record["held_back"]))
    (args.out / "run.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
