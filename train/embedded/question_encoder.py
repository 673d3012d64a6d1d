"""Teach the sentence encoder the wordings of the targets, before any image is read.

    python -m train.embedded.question_encoder runs/start --out runs/start_taught

Of every training wording it learns which target is meant, among all targets or among those of the same
modality, and which side of the image. The two linear layers that read its states are then fitted anew, so
that the decoder is told of each wording nearly what it was told before. Prints how many of the held-back
wordings are heard.
"""

import argparse
import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from transformers import AutoModelForImageTextToText

from medreasoner.data.absence import message
from medreasoner.data.build.writers.offline import vary
from medreasoner.data.taxonomy import categories
from medreasoner.reasoners.embedded import MedReasonerModel
from train.embedded.conversations import IMAGE_SIDES, SWAP
from train.embedded.create import save
from train.model_spec import ModelSpec, open_model_spec

BATCH = 32
SIDED = 5  # times that a wording with a side is drawn for each time of another: they are few
NO_TARGET = 0.07  # of the questions ask for no target


@dataclass(frozen=True)
class Wording:
    """A wording; `target` is 1 + the index of its category in the table, 0 where none is asked for; `side` of
    the image, an index of IMAGE_SIDES."""

    text: str
    target: int
    side: int = 0


def wordings(held_back: bool, rng: random.Random) -> list[Wording]:
    """Every wording of the table, and in training the plain names; with sides drawn at random."""
    found = []
    for number, category in enumerate(categories().values(), 1):
        plain = [f"Where is {name}?" for name in (category.name, *category.synonyms)]
        for text in category.held_back if held_back else [*category.questions, *plain]:
            found.append(_with_side(text, number, rng))
    return found


def _with_side(text: str, target: int, rng: random.Random) -> Wording:
    """A patient's left is on the image's right."""
    side = rng.choice(IMAGE_SIDES[1:])
    filled = text.replace("{side}", side).replace("{image_side}", side)
    shown = SWAP[side] if "{side}" in text else side
    return Wording(filled, target, IMAGE_SIDES.index(shown) if filled != text else 0)


class Hearing(nn.Module):
    """Linear heads on the mean state (N, H): logits of the targets (N, T + 1) and of the sides (N, 3)."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        modality = [category.modality for category in categories().values()]
        self.target, self.side = nn.Linear(hidden, len(modality) + 1), nn.Linear(hidden, len(IMAGE_SIDES))
        numbers = torch.tensor([-1, *(sorted(set(modality)).index(each) for each in modality)])
        self.same = numbers[:, None] == numbers[None]  # (T + 1, T + 1) of the same modality

    def loss(self, states: torch.Tensor, asked: Sequence[Wording]) -> torch.Tensor:
        """Cross-entropies; of half of the wordings among the targets of the same modality alone."""
        target, side = _targets(asked)
        states = F.dropout(states, 0.1)
        told = torch.rand(len(asked), 1) < 0.5
        logits = self.target(states).masked_fill(told & ~self.same[target], -1e9)
        return F.cross_entropy(logits, target) + 0.5 * F.cross_entropy(self.side(states), side)


def _targets(asked: Sequence[Wording]) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor([each.target for each in asked]), torch.tensor([each.side for each in asked])


def read(
    model: MedReasonerModel, spec: ModelSpec, texts: Sequence[str], rng: random.Random
) -> tuple[torch.Tensor, torch.Tensor]:
    """States of the words of all texts (W, H) and the mean of each text (N, H), as the model reads them."""
    tokenizer, longest = spec.processor.tokenizer, model.config.question_config.max_position_embeddings
    asked = [spec.prompt.text(text, think=rng.random() < 0.5) for text in texts]
    rows = [tokenizer(text, add_special_tokens=False).input_ids[:longest] for text in asked]
    ids = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for number, row in enumerate(rows):
        ids[number, : len(row)], mask[number, : len(row)] = torch.tensor(row), 1
    states = model.question_encoder(input_ids=ids, attention_mask=mask).last_hidden_state
    return states[mask.bool()], (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)


def teach(model: MedReasonerModel, spec: ModelSpec, steps: int, rng: random.Random) -> Hearing:
    """Train the encoder; the rate rises over 50 steps and falls to zero over the last half."""
    hearing = Hearing(model.config.question_config.hidden_size)
    model.question_encoder.embeddings.word_embeddings.requires_grad_(False)
    learnt = [each for each in model.question_encoder.parameters() if each.requires_grad]
    groups = [{"params": learnt, "lr": 1.5e-4}, {"params": list(hearing.parameters()), "lr": 3e-3}]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1, (step + 1) / 50, 2 * (1 - step / steps))
    )
    for _ in range(steps):
        every = wordings(held_back=False, rng=rng)
        weights = [SIDED if each.side else 1 for each in every]
        asked = [
            Wording(message(True, rng).question, 0) if rng.random() < NO_TARGET else each
            for each in rng.choices(every, weights, k=BATCH)
        ]
        _, states = read(model, spec, [vary(each.text, rng) for each in asked], rng)
        loss = hearing.loss(states, asked)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(learnt, 1.0)
        optimizer.step()
        schedule.step()
    return hearing


@torch.inference_mode()
def heard(model: MedReasonerModel, spec: ModelSpec, hearing: Hearing, rng: random.Random) -> dict[str, float]:
    """Shares (0..1) of the held-back wordings whose target and side are the most probable."""
    asked = wordings(held_back=True, rng=rng)
    parts = [asked[start : start + BATCH] for start in range(0, len(asked), BATCH)]
    states = torch.cat([read(model, spec, [each.text for each in part], rng)[1] for part in parts])
    target, side = _targets(asked)
    logits = hearing.target(states)
    among = logits.masked_fill(~hearing.same[target], -1e9)
    right = (hearing.side(states).argmax(1) == side)[side > 0]
    named = {"target": logits.argmax(1) == target, "target of its modality": among.argmax(1) == target}
    return {name: float(each.float().mean()) for name, each in (named | {"side": right}).items()}


@torch.inference_mode()
def refit(layer: nn.Linear, before: torch.Tensor, after: torch.Tensor) -> None:
    """Change `layer` so that it makes of the states `after` (N, H) what it made of `before`, by ridge
    regression."""
    inputs = F.pad(after, (0, 1), value=1.0).double()
    ridge = torch.eye(inputs.shape[1]).double() * 1e-3 * len(inputs) * inputs.var()
    ridge[-1, -1] = 0  # of the bias
    solved = torch.linalg.solve(inputs.T @ inputs + ridge, inputs.T @ layer(before).double())
    layer.weight.copy_(solved[:-1].T)
    layer.bias.copy_(solved[-1])


def main(folder: Path, out: Path, steps: int, seed: int) -> dict[str, float]:
    """Write the taught model to `out`; returns `heard`."""
    torch.manual_seed(seed)
    rng = random.Random(seed)
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    spec = open_model_spec(str(folder))
    sample = [each.text for each in rng.sample(wordings(held_back=False, rng=rng), 3000)]

    def states() -> list[torch.Tensor]:
        again = random.Random(seed)  # the same prompts before and after
        with torch.inference_mode():
            parts = [
                read(model.model, spec, sample[start : start + BATCH], again)
                for start in range(0, len(sample), BATCH)
            ]
        return [torch.cat(each) for each in zip(*parts, strict=True)]

    before = states()
    hearing = teach(model.model, spec, steps, rng)
    for layer, *both in zip(
        (model.model.question_projector, model.model.sentence_projector), before, states(), strict=True
    ):
        refit(layer, *both)
    save(model, spec.processor, folder / "prompt.json", out)
    if (folder / "run.json").exists():
        shutil.copyfile(folder / "run.json", out / "run.json")
    return heard(model.model, spec, hearing, rng)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=900, help=f"of {BATCH} wordings")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    for name, share in main(args.folder, args.out, args.steps, args.seed).items():
        print(f"{name}: {share:.3f}")
