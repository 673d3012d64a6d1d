"""What the sentence encoder starts with in a VLM that goes on from an earlier one: it learns to place each
word of a question where the earlier decoder expects that word.

The decoder then understands from its first step what it understood before, while the mean of the encoder's
states, which says what a sentence means, is held where the pretrained encoder had it.
"""

import copy
import random
from dataclasses import dataclass

import torch
from torch.nn.functional import mse_loss
from torch.nn.utils.rnn import pad_sequence
from tqdm import trange
from transformers import PreTrainedTokenizerFast

from medreasoner.data.taxonomy import categories
from medreasoner.reasoners.embedded import MedReasonerForConditionalGeneration

RIDGE = 1e-3
STEPS, BATCH, RATE = 500, 48, 3e-4
HELD = 0.3  # weight of the change of a sentence's mean state against that of its words


@dataclass(frozen=True)
class QuestionPair:
    """A question for the sentence encoder, ids (L,), and where the decoder expects its tokens, wanted (L,
    H)."""

    ids: torch.Tensor
    wanted: torch.Tensor


def question_pairs(
    tokenizer: PreTrainedTokenizerFast, embeddings: torch.Tensor, earlier: PreTrainedTokenizerFast
) -> list[QuestionPair]:
    """The training questions of all categories; a token is expected at the mean of the `earlier` tokenizer's
    `embeddings` (V, H) of the tokens that share a letter with it.
    """
    pairs = []
    for question in sorted({text.lower() for each in categories().values() for text in each.questions}):
        own = tokenizer(" " + question, add_special_tokens=False, return_offsets_mapping=True)
        other = earlier(" " + question, add_special_tokens=False, return_offsets_mapping=True)
        spans = list(zip(other.input_ids, other.offset_mapping, strict=True))
        wanted = [
            embeddings[[number for number, (start, end) in spans if start < high and end > low]].mean(0)
            for low, high in own.offset_mapping
        ]
        pairs.append(QuestionPair(torch.tensor(own.input_ids), torch.stack(wanted)))
    return pairs


def fit(model: MedReasonerForConditionalGeneration, pairs: list[QuestionPair], steps: int = STEPS) -> float:
    """Fit projector and encoder to `pairs`: the projector alone by ridge regression, then both by gradient
    descent. The whole sentence starts without a part of its own. Returns the share of the variance of the
    expected places that is explained, 0..1.
    """
    core = model.model
    ridge(model, pairs)
    for parameter in core.sentence_projector.parameters():
        parameter.data.zero_()
    encoder, pretrained = core.question_encoder, copy.deepcopy(core.question_encoder)
    learnt = [*encoder.encoder.parameters(), *core.question_projector.parameters()]
    optimizer = torch.optim.AdamW(learnt, lr=RATE, weight_decay=0.0, fused=True)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, max(1, steps))
    everything = torch.cat([pair.wanted for pair in pairs])
    spread = (everything - everything.mean(0)).square().mean()
    rng, left = random.Random(0), []
    for _ in trange(steps, desc="question encoder", mininterval=20):
        ids, wanted, mask = padded(rng.sample(pairs, min(BATCH, len(pairs))))
        states = encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        with torch.no_grad():
            before = pretrained(input_ids=ids, attention_mask=mask).last_hidden_state
        words = mse_loss(core.question_projector(states[mask.bool()]), wanted) / spread
        held = mse_loss(mean_state(states, mask), mean_state(before, mask)) / mean_state(before, mask).var()
        (words + HELD * held).backward()
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        left.append(float(words.detach()))
    return 1 - sum(left[-20:]) / max(1, len(left[-20:]))


@torch.no_grad()
def ridge(model: MedReasonerForConditionalGeneration, pairs: list[QuestionPair]) -> None:
    """Set the question projector to the linear map from the encoder's states to the expected places."""
    encoder, projector = model.model.question_encoder, model.model.question_projector
    x = torch.cat([encoder(input_ids=pair.ids[None]).last_hidden_state[0] for pair in pairs])
    y = torch.cat([pair.wanted for pair in pairs])
    centre, target = x.mean(0), y.mean(0)
    x, y = x - centre, y - target
    weight = torch.linalg.solve(x.T @ x + RIDGE * len(x) * torch.eye(x.shape[1]), x.T @ y).T
    projector.weight.data, projector.bias.data = weight.contiguous(), target - weight @ centre


def padded(pairs: list[QuestionPair]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """ids (N, L), expected places (tokens, H) in the order of the mask's ones, and mask (N, L)."""
    ids = pad_sequence([pair.ids for pair in pairs], batch_first=True)
    mask = pad_sequence([torch.ones_like(pair.ids) for pair in pairs], batch_first=True)
    return ids, torch.cat([pair.wanted for pair in pairs]), mask


def mean_state(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """(N, W) the mean over a sentence's tokens of states (N, L, W)."""
    return (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
