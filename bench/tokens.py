"""Which image tokens locate best: SAM 2's last stage or its stride-16 map, 256 tokens or 64; a small head on frozen features.

Is: the question the embedded CRM's design rests on, asked cheaply: a category's query attends to the tokens and regresses the box. Trained
and scored on training cases only (one in five held back).
Is not: the CRM; a language head learns slower than this one.

    python -m bench.tokens --data runs/data --features runs/features [--steps 600]
"""

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn
from tqdm import tqdm

from medreasoner.metrics import box_iou, summary
from medreasoner.segmenters.sam2_shared import image_processor
from train.dense import giou_loss
from train.features import FeatureCache, content_key
from train.rows import is_dev, load_items
from train.sam2 import SIDE


class Head(nn.Module):
    """Tokens (B, N, C) and a category -> box (B, 4) xyxy as shares of the sides."""

    def __init__(self, channels: int, tokens: int, kinds: int, width: int = 192):
        super().__init__()
        self.tokens = nn.Sequential(nn.LayerNorm(channels), nn.Linear(channels, width))
        self.place = nn.Parameter(torch.randn(tokens, width) * 0.1)
        self.query = nn.Embedding(kinds, width)
        self.decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(width, 4, 512, 0.1, batch_first=True), 2)
        self.box = nn.Linear(width, 4)

    def forward(self, tokens: torch.Tensor, kind: torch.Tensor) -> torch.Tensor:
        seen = self.tokens(tokens) + self.place
        cx, cy, w, h = self.box(self.decoder(self.query(kind)[:, None], seen)[:, 0]).sigmoid().unbind(-1)
        return torch.stack([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], -1)


def features_of(cache: FeatureCache, key: str) -> dict[str, torch.Tensor]:
    """The four candidates of one image, (N, C) fp16."""
    last, fine = cache.get(key, "tokens").permute(2, 0, 1)[None].float(), cache.get(key, "low")[None].float()
    maps = {"last stage": last, "stride 16": F.avg_pool2d(fine, 2)}
    pools = {256: lambda m: m, 64: lambda m: F.avg_pool2d(m, 2)}
    return {f"{name}, {n} tokens": pool(m)[0].flatten(1).T.half() for name, m in maps.items() for n, pool in pools.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seeds", type=int, default=1)
    args = parser.parse_args()
    items, cache, processor = load_items([args.data]), FeatureCache(args.features, ("tokens", "low")), image_processor(SIDE)
    images: dict[str, dict[str, torch.Tensor]] = {}
    for item in tqdm(items, desc="features", mininterval=20):
        if item.image not in images:
            pixels = processor(Image.open(item.image).convert("RGB"), return_tensors="pt").pixel_values[0]
            images[item.image] = features_of(cache, content_key(pixels))
    kinds = {name: i for i, name in enumerate(sorted({i.sample["category"] for i in items}))}
    held = [i for i in items if is_dev(i.sample["case"], 5)]
    kept = [i for i in items if not is_dev(i.sample["case"], 5)]

    def batch(chosen, name):
        box = torch.tensor([[v / s for v, s in zip(i.sample["box"], (*i.wh, *i.wh), strict=True)] for i in chosen])
        seen = torch.stack([images[i.image][name] for i in chosen]).float()
        return seen, torch.tensor([kinds[i.sample["category"]] for i in chosen]), box

    print(f"{len(kept)} training targets, {len(held)} held back, {args.steps} steps of 32")
    for name in next(iter(images.values())):
        for seed in range(args.seeds):
            torch.manual_seed(seed)
            tokens, _, _ = batch(kept[:1], name)
            head = Head(tokens.shape[2], tokens.shape[1], len(kinds))
            optimiser = torch.optim.AdamW(head.parameters(), 5e-4, weight_decay=0.05)
            schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 5e-4, total_steps=args.steps, pct_start=0.1)
            for _ in range(args.steps):
                seen, kind, box = batch([kept[i] for i in torch.randint(len(kept), (32,))], name)
                found = head(seen, kind)
                loss = F.l1_loss(found, box) * 2 + giou_loss(found, box)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
            head.eval()
            with torch.no_grad():
                boxes = torch.cat([head(*batch(held[i : i + 64], name)[:2]) for i in range(0, len(held), 64)])
            truth = batch(held, name)[2]
            score = summary(
                [box_iou(tuple(a), tuple(b)) for a, b in zip(boxes.tolist(), truth.tolist(), strict=True)], [i.sample["case"] for i in held]
            )
            print(f"{name:24} seed {seed}  box IoU {score.mean:.3f} [{score.low:.3f}, {score.high:.3f}]", flush=True)


if __name__ == "__main__":
    main()
