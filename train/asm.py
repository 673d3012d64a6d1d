"""Adapt SAM 2's mask decoder to medical images under the boxes and points a CRM really gives; the image encoder stays frozen.

Is: one command from built samples and cached maps to a segmenter folder (mask decoder and prompt encoder only; the encoder's weights
live once, with the CRM). One mask a prompt.
Is not: a trainer of the encoder.

    python -m train.asm --data runs/data --features runs/features --sam2 sam2_hiera_tiny.safetensors --out runs/asm
"""

import argparse
import json
import random
from collections import Counter
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file, save_file
from tqdm import trange

from medreasoner.geometry import mask_to_points
from medreasoner.segmenters.sam2_shared import image_processor
from train.features import FeatureCache, content_key
from train.rows import Item, is_dev, load_items
from train.sam2 import SIDE as INPUT_SIDE
from train.sam2 import load_sam2

SIDE = 256  # masks are compared at this size
NOISE = [(0.5, 0.02), (0.35, 0.08), (0.15, 0.2)]  # (share, spread as a share of the box's sides): near-exact, usual and bad answers


def noisy_prompt(box01: np.ndarray, points01: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A box (4,) and two points (2, 2) in 0..1 as a CRM might give them: shifted and scaled by a spread drawn from NOISE."""
    spread = NOISE[rng.choice(len(NOISE), p=[share for share, _ in NOISE])][1]
    size = np.tile(box01[2:] - box01[:2], 2)
    shift = np.tile(rng.normal(0, spread, 2), 2)
    box = box01 + size * (shift + rng.normal(0, spread, 4))
    box = np.concatenate([np.minimum(box[:2], box[2:]), np.maximum(box[:2], box[2:])]).clip(0, 1)
    points = points01 + size[:2] * (shift[:2] + rng.normal(0, spread, (2, 2)))
    return box, points.clip(0, 1)


def near(boxes: torch.Tensor) -> torch.Tensor:
    """(B, S, S): 1 inside the boxes (B, 4), shares of the sides, grown by half their size, and 0.02 elsewhere."""
    line = (torch.arange(SIDE) + 0.5) / SIDE
    grown = (boxes[:, 2:] - boxes[:, :2]) / 4
    low, high = boxes[:, :2] - grown, boxes[:, 2:] + grown
    inside = (line[None, None] > low[..., None]) & (line[None, None] < high[..., None])  # (B, 2, S)
    return (inside[:, 1, :, None] & inside[:, 0, None, :]).float() * 0.98 + 0.02


def loss_of(logits: torch.Tensor, truth: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Soft Dice plus cross-entropy weighted by `weight`, so that small outlines count as large ones do; all (B, S, S)."""
    p = logits.sigmoid()
    overlap = 1 - (2 * (p * truth).sum((1, 2)) + 1) / (p.sum((1, 2)) + truth.sum((1, 2)) + 1)
    entropy = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    return (overlap + (entropy * weight).sum((1, 2)) / weight.sum((1, 2))).mean()


class Examples:
    """Cached maps, full masks and prompts by index."""

    def __init__(self, items: list[Item], folder: Path, cache: FeatureCache):
        processor = image_processor(INPUT_SIDE)
        self.cache, self.rows, self.sets = cache, [], []
        keys: dict[str, str] = {}
        for item in items:
            if item.image not in keys:
                keys[item.image] = content_key(processor(Image.open(item.image).convert("RGB"), return_tensors="pt").pixel_values[0])
            if keys[item.image] in cache:
                mask = np.asarray(Image.open(folder / item.sample["mask"])) > 127
                size = np.array([*item.wh, *item.wh], np.float64)
                points = np.array(mask_to_points(mask)) / size[:2]
                truth = np.asarray(Image.fromarray(mask.astype(np.uint8) * 255).resize((SIDE, SIDE), Image.Resampling.BOX), np.uint8)
                self.rows.append((keys[item.image], np.array(item.sample["box"]) / size, points, truth))
                self.sets.append(item.sample["dataset"])
        counts = Counter(self.sets)
        self.weights = [counts[name] ** -0.5 for name in self.sets]  # rare kinds of image are seen more often than they are

    def batch(self, indices: list[int], rng: np.random.Generator):
        rows = [self.rows[i] for i in indices]
        maps = [torch.stack([self.cache.get(r[0], name).float() for r in rows]) for name in ("high0", "high1", "low")]
        prompts = [noisy_prompt(r[1], r[2], rng) for r in rows]
        boxes = torch.tensor(np.stack([p[0] for p in prompts]) * 512, dtype=torch.float32)[:, None]
        points = torch.tensor(np.stack([p[1] for p in prompts]) * 512, dtype=torch.float32)[:, None]
        truth = torch.tensor(np.stack([r[3] for r in rows]), dtype=torch.float32) / 255
        weight = near(torch.tensor(np.stack([r[1] for r in rows]), dtype=torch.float32))
        return maps, boxes, points, truth, weight


def masks_of(sam2, maps, boxes, points) -> tuple[torch.Tensor, torch.Tensor]:
    """(logits (B, SIDE, SIDE), predicted IoU (B,)) of the single-mask output; boxes (B, 1, 4), points (B, 1, 2, 2) in 512 px."""
    out = sam2(
        image_embeddings=maps,
        input_boxes=boxes,
        input_points=points,
        input_labels=torch.ones(points.shape[:3], dtype=torch.int64),
        multimask_output=False,
    )
    logits = F.interpolate(out.pred_masks[:, 0], (SIDE, SIDE), mode="bilinear", align_corners=False)[:, 0]
    return logits, out.iou_scores[:, 0, 0]


def save_segmenter(sam2, out: Path) -> None:
    """The folder the library loads: configuration, and every weight but the image encoder's, fp16."""
    out.mkdir(parents=True, exist_ok=True)
    state = {k: v.half().contiguous() for k, v in sam2.state_dict().items() if not k.startswith("vision_encoder.")}
    sam2.config.save_pretrained(out)
    save_file(state, out / "model.safetensors", metadata={"format": "pt"})
    (out / "medreasoner.json").write_text(json.dumps({"format": 1, "multimask": False, "specks": 0.03}) + "\n")


def train(sam2, examples: Examples, steps: int, batch: int, lr: float, seed: int) -> list[float]:
    sam2.requires_grad_(False)
    for name, parameter in sam2.mask_decoder.named_parameters():
        parameter.requires_grad_(not name.startswith(("conv_s0", "conv_s1", "pred_obj_score_head")))
    trained = [p for p in sam2.mask_decoder.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=lr, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, total_steps=steps, pct_start=0.05)
    rng, order, curve = np.random.default_rng(seed), random.Random(seed), []
    sam2.mask_decoder.train()
    for _ in (bar := trange(steps, mininterval=20)):
        chosen = order.choices(range(len(examples.rows)), examples.weights, k=batch)
        maps, boxes, points, truth, weight = examples.batch(chosen, rng)
        logits, iou = masks_of(sam2, maps, boxes, points)
        with torch.no_grad():
            found = logits > 0
            real = truth > 0.5
            reached = (found & real).sum((1, 2)) / (found | real).sum((1, 2)).clamp(min=1)
        loss = loss_of(logits, truth, weight) + F.mse_loss(iou, reached)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        schedule.step()
        curve.append(float(loss.detach()))
        bar.set_postfix(loss=f"{np.mean(curve[-50:]):.3f}")
    sam2.mask_decoder.eval()
    return curve


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--sam2", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--start", type=Path, help="folder of a tuned segmenter to go on from")
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--lr", type=float, default=2e-4)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    sam2 = load_sam2(args.sam2)
    if args.start:
        tuned = load_file(args.start / "model.safetensors")
        sam2.load_state_dict({key: value.float() for key, value in tuned.items()}, strict=False)
    items = [item for item in load_items([args.data]) if not is_dev(item.sample["case"])]
    examples = Examples(items, args.data, FeatureCache(args.features, ("tokens", "high0", "high1", "low")))
    sam2.mask_decoder.dynamic_multimask_via_stability = False
    sam2.config.mask_decoder_config.dynamic_multimask_via_stability = False
    curve = train(sam2, examples, args.steps, args.batch, args.lr, args.seed)
    save_segmenter(sam2, args.out)
    record = {
        "options": {k: str(v) for k, v in vars(args).items()},
        "examples": len(examples.rows),
        "curve": [round(v, 4) for v in curve[::10]],
    }
    (args.out / "run.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
