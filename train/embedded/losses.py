"""The losses of the embedded VLM's SFT: cross-entropy of the text, smoothed targets for coordinates, and
training-only heads.

A coordinate's target is spread over the neighbouring numbers, as wide as the object allows, so that 41
instead of 40 costs less than 90. The heads ask the image tokens which category covers them and which of them
the question means, the question which category it asks for, and the hidden state where the box is. They are
not part of the trained model: `train/embedded/sft.py` removes them before it saves.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.ops import generalized_box_iou_loss
from transformers import PreTrainedTokenizerBase

BOX_NUMBERS = 4  # the first coordinates of an answer; those of points weigh POINT_WEIGHT
POINT_WEIGHT = 0.4
SHORTEST_WORD = 5  # letters of a word that may weigh more, the space before it counted
QUERY = 128  # width of the head that finds the tokens of the target


@dataclass(frozen=True)
class Vocabulary:
    """Token ids the losses must know.

    Args:
        numbers: (n,) the ids of "0".."n-1".
        image: the id of "<image>".
        weights: (V,) weight of each token in the text loss: facts of this image (its target's name, place,
        size) weigh more than phrasing.
    """

    numbers: torch.Tensor
    image: int
    weights: torch.Tensor


def word_weights(
    tokenizer: PreTrainedTokenizerBase, size: int, facts: list[str], weight: float
) -> torch.Tensor:
    """(size,) ones, and `weight` for every token that is a whole word of `facts`, as it stands inside a
    sentence, or a number.

    Pieces of words and the shortest words ("ar", " the") keep 1: they stand everywhere, and a model that is
    made to prefer them writes no English.
    """
    weights = torch.ones(size)
    for fact in facts:
        for token in tokenizer(" " + fact, add_special_tokens=False).input_ids:
            text = tokenizer.decode([token])
            if text.strip().isdigit() or (text.startswith(" ") and len(text) >= SHORTEST_WORD):
                weights[token] = weight
    return weights


class DenseHeads(nn.Module):
    """Training-only heads on a decoder of width `hidden`: category of each image token, tokens of the target,
    and its box.

    Args:
        kinds: number of categories and one for "none".
        kind_layer, point_layer: index of the hidden states that the first and the second head read.
    """

    def __init__(self, hidden: int, kinds: int, kind_layer: int, point_layer: int) -> None:
        super().__init__()
        self.kind_layer, self.point_layer = kind_layer, point_layer
        self.kind = nn.Linear(hidden, kinds)
        self.query, self.key = nn.Linear(hidden, QUERY), nn.Linear(hidden, QUERY)
        self.bias = nn.Parameter(torch.tensor(-2.0))
        self.box = nn.Linear(hidden, 4)
        self.side, self.presence = nn.Linear(hidden, 3), nn.Linear(hidden, 1)

    def kind_loss(self, image_states: torch.Tensor, kinds: torch.Tensor) -> torch.Tensor:
        """Cross-entropy of the category at each image token: image_states (B, 256, H), kinds (B, 256) int,
        0 for none."""
        weight = torch.ones(self.kind.out_features)
        weight[0] = 0.2  # most tokens hold nothing known
        return F.cross_entropy(self.kind(image_states).float().flatten(0, 1), kinds.flatten(), weight=weight)

    def asked_loss(self, question_state: torch.Tensor, asked: torch.Tensor) -> torch.Tensor:
        """Cross-entropy of the category that a question asks for, by the weights that name the image's
        tokens: question_state (N, H), asked (N,) int, 0 for none."""
        return F.cross_entropy(self.kind(question_state).float(), asked)

    def heard_loss(
        self, question_state: torch.Tensor, side: torch.Tensor, present: torch.Tensor
    ) -> torch.Tensor:
        """Cross-entropy of the side that is asked for and of whether the image shows the target:
        question_state (N, H), side (N,) int 0..2, present (N,) bool."""
        shown = self.presence(question_state).float()[:, 0]
        return F.cross_entropy(self.side(question_state).float(), side) + F.binary_cross_entropy_with_logits(
            shown, present.float()
        )

    def point_loss(
        self, image_states: torch.Tensor, question_state: torch.Tensor, coverage: torch.Tensor
    ) -> torch.Tensor:
        """Which image tokens the question means: image_states (B, 256, H), question_state (B, H), coverage
        (B, 256) in 0..1."""
        query, key = self.query(question_state), self.key(image_states)
        scores = torch.einsum("bd,bnd->bn", query, key).float() / QUERY**0.5 + self.bias
        each = F.binary_cross_entropy_with_logits(scores, coverage)
        share = coverage / coverage.sum(1, keepdim=True).clamp(min=1e-6)
        among_all = F.cross_entropy(scores, share)  # small targets count as much as large ones
        return each + 0.2 * among_all

    def box_loss(self, state: torch.Tensor, box01: torch.Tensor) -> torch.Tensor:
        """2 L1 + 1 - GIoU (Rezatofighi et al., 2019): state (B, H), box01 (B, 4) xyxy as shares of the
        sides."""
        cx, cy, w, h = self.box(state).float().sigmoid().unbind(-1)
        box = torch.stack([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], -1)
        return F.l1_loss(box, box01) * 2 + generalized_box_iou_loss(box, box01, reduction="mean", eps=1e-6)


def soft_targets(values: torch.Tensor, sigma: torch.Tensor, count: int) -> torch.Tensor:
    """(N, count) rows that sum to 1: a Gaussian around each of `values` (N,), `sigma` (N,) in steps of the
    number line."""
    line = torch.arange(count, dtype=torch.float32)
    logits = -0.5 * ((line[None] - values[:, None].float()) / sigma[:, None]) ** 2
    return logits.softmax(-1)


def coordinate_sigma(box01: torch.Tensor, count: int, share: float, floor: float = 1.2) -> torch.Tensor:
    """(B, 8) spread of each coordinate in steps of the number line: `share` of the object's side along its
    axis (twice that for points)."""
    width, height = box01[:, 2] - box01[:, 0], box01[:, 3] - box01[:, 1]
    sides = torch.stack([width, height], 1) * (count - 1) * share  # (B, 2)
    return torch.cat([sides.repeat(1, 2), sides.repeat(1, 2) * 2], 1).clamp(min=floor)


def completion_losses(
    logits: torch.Tensor,
    labels: torch.Tensor,
    coordinates: torch.Tensor,
    box01: torch.Tensor,
    vocabulary: Vocabulary,
    share: float,
    weights: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """(text loss, coordinate loss) of the N completion tokens of a batch.

    Args:
        logits: (N, V).
        labels: (N,) int token ids.
        coordinates: (N,) int, which coordinate a label is, 0..7 (x1 y1 x2 y2, then x y of each point), -1 for
        other text.
        box01: (N, 4) of the target each token is about.
        share: spread of the coordinate targets, see `coordinate_sigma`.
        weights: (N,) that each token has at least in the text loss, whatever its word; None for none.
    """
    count = len(vocabulary.numbers)
    number_of = torch.full((logits.shape[1],), -1)
    number_of[vocabulary.numbers] = torch.arange(count)
    numeric = coordinates >= 0
    each = F.cross_entropy(logits[~numeric].float(), labels[~numeric], reduction="none")
    weighed = vocabulary.weights[labels[~numeric]]
    if weights is not None:
        weighed = weighed.maximum(weights[~numeric])
    text = (each * weighed).sum() / weighed.sum()
    order = coordinates[numeric]
    sigma = coordinate_sigma(box01[numeric], count, share).gather(1, order[:, None])[:, 0]
    targets = soft_targets(number_of[labels[numeric]], sigma, count)
    log_p = logits[numeric].float().log_softmax(-1)
    loss = -(targets * log_p[:, vocabulary.numbers]).sum(-1)
    weight = torch.where(order < BOX_NUMBERS, 1.0, POINT_WEIGHT)
    # no coordinate at all where no conversation of the batch has a target
    return text, (loss * weight).sum() / weight.sum().clamp(min=1e-6)
