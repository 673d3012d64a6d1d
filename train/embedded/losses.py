"""Dense supervision for SFT of a small grounding VLM: losses that know where the target is and that 41 is nearer to 40 than 90 is.

Is: the loss of one batch. The text loss is ordinary cross-entropy; coordinate tokens get targets smoothed over their neighbours, as wide
as the object allows; and heads that exist in training only ask the image tokens what covers them, which of them the question means, and
the hidden state where the box is.
Is not: part of the trained model: `save_pretrained` of the model leaves the heads behind (see `train/sft.py`).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass(frozen=True)
class Vocabulary:
    """Token ids the loss must know.

    Args:
        numbers: (n,) the ids of "0".."n-1".
        image: the id of "<image>".
        weights: (V,) what each word of the reasoning counts: facts of this image (its target's name, place, size) more than phrasing.
    """

    numbers: torch.Tensor
    image: int
    weights: torch.Tensor


def word_weights(tokenizer, size: int, facts: list[str], weight: float) -> torch.Tensor:
    """(size,) ones, and `weight` for every token that the words of `facts` are made of, as they stand inside a sentence."""
    weights = torch.ones(size)
    for fact in facts:
        weights[tokenizer(" " + fact, add_special_tokens=False).input_ids] = weight
    return weights


class DenseHeads(nn.Module):
    """Training-only heads on a decoder of width `hidden`: what covers each image token, which tokens are meant, and the box."""

    def __init__(self, hidden: int, kinds: int, kind_layer: int, point_layer: int):
        super().__init__()
        self.kind_layer, self.point_layer = kind_layer, point_layer
        self.kind = nn.Linear(hidden, kinds)
        self.query, self.key = nn.Linear(hidden, 128), nn.Linear(hidden, 128)
        self.bias = nn.Parameter(torch.tensor(-2.0))
        self.box = nn.Linear(hidden, 4)

    def kind_loss(self, image_states: torch.Tensor, kinds: torch.Tensor) -> torch.Tensor:
        """image_states (B, 256, H), kinds (B, 256) int: which known target covers each token."""
        weight = torch.ones(self.kind.out_features)
        weight[0] = 0.2  # most tokens hold nothing known
        return F.cross_entropy(self.kind(image_states).float().flatten(0, 1), kinds.flatten(), weight=weight)

    def point_loss(
        self, image_states: torch.Tensor, question_state: torch.Tensor, cover: torch.Tensor
    ) -> torch.Tensor:
        """image_states (B, 256, H), question_state (B, H), cover (B, 256) in 0..1: the tokens the question means."""
        scores = (
            torch.einsum("bd,bnd->bn", self.query(question_state), self.key(image_states)).float() / 128**0.5
            + self.bias
        )
        everywhere = F.binary_cross_entropy_with_logits(scores, cover)
        best = F.cross_entropy(
            scores, cover / cover.sum(1, keepdim=True).clamp(min=1e-6)
        )  # small targets count as much as large ones
        return everywhere + 0.2 * best

    def box_loss(self, state: torch.Tensor, box01: torch.Tensor) -> torch.Tensor:
        """state (B, H), box01 (B, 4) xyxy as shares of the sides: L1 plus generalised IoU (Rezatofighi et al., 2019)."""
        cx, cy, w, h = self.box(state).float().sigmoid().unbind(-1)
        box = torch.stack([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], -1)
        return F.l1_loss(box, box01) * 2 + giou_loss(box, box01)


def giou_loss(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """1 - GIoU, mean over rows; boxes (B, 4) xyxy."""
    low, high = torch.maximum(a[:, :2], b[:, :2]), torch.minimum(a[:, 2:], b[:, 2:])
    inter = (high - low).clamp(min=0).prod(-1)
    union = (a[:, 2:] - a[:, :2]).prod(-1) + (b[:, 2:] - b[:, :2]).prod(-1) - inter
    hull = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(-1)
    return (1 - inter / (union + 1e-6) + (hull - union) / (hull + 1e-6)).mean()


def soft_targets(values: torch.Tensor, sigma: torch.Tensor, count: int) -> torch.Tensor:
    """(N, count) rows that sum to 1: a Gaussian around each of `values` (N,), `sigma` (N,) in steps of the number line."""
    line = torch.arange(count, dtype=torch.float32)
    logits = -0.5 * ((line[None] - values[:, None].float()) / sigma[:, None]) ** 2
    return logits.softmax(-1)


def coordinate_sigma(box01: torch.Tensor, count: int, share: float, floor: float = 1.2) -> torch.Tensor:
    """(B, 8) spread of each written number, in steps: `share` of the object's side along that axis (twice that for the points)."""
    sides = (
        torch.stack([box01[:, 2] - box01[:, 0], box01[:, 3] - box01[:, 1]], 1) * (count - 1) * share
    )  # (B, 2)
    return torch.cat([sides.repeat(1, 2), sides.repeat(1, 2) * 2], 1).clamp(min=floor)


def completion_losses(
    logits: torch.Tensor,
    labels: torch.Tensor,
    places: torch.Tensor,
    box01: torch.Tensor,
    vocabulary: Vocabulary,
    share: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """(text loss, coordinate loss) of the completion tokens of a batch, flattened.

    Args:
        logits (N, V), labels (N,), places (N,) 0..7: which coordinate a label is (x1 y1 x2 y2, then x y of points), -1 for a word; box01
        (N, 4) of the target each token speaks of.
    """
    count = len(vocabulary.numbers)
    number_of = torch.full((logits.shape[1],), -1)
    number_of[vocabulary.numbers] = torch.arange(count)
    written = places >= 0
    text = F.cross_entropy(logits[~written].float(), labels[~written], weight=vocabulary.weights)
    order = places[written]
    sigma = coordinate_sigma(box01[written], count, share).gather(1, order[:, None])[:, 0]
    targets = soft_targets(number_of[labels[written]], sigma, count)
    log_p = logits[written].float().log_softmax(-1)
    loss = -(targets * log_p[:, vocabulary.numbers]).sum(-1)
    weight = torch.where(order < 4, 1.0, 0.4)
    return text, (loss * weight).sum() / weight.sum()
