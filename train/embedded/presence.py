"""Fits the head that decides whether an image shows what is asked for, on a trained embedded VLM, and writes
it beside the weights.

    python -m train.embedded.presence medreasoner/embedded --data runs/data --features runs/features

The model reads training images with questions that they answer and that they do not
(`presence_questions.py`); a network of two layers is fitted to its hidden states. The threshold is the one at
which the given share of answerable questions about held-back cases, in held-back wordings, would be refused.
Nothing else of the model changes, and `presence_head.safetensors` holds all that is new. The hidden states
are kept in OUT, so that a second fit takes a minute.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch.nn.functional import binary_cross_entropy_with_logits
from transformers import PreTrainedTokenizerBase

from medreasoner.answer_blocks import ANSWER, THINK
from medreasoner.data.absence import MESSAGES, NO_QUESTION, texts
from medreasoner.data.build.writers.reasonings import named
from medreasoner.metrics import auroc
from medreasoner.reasoners.presence import PresenceHead
from medreasoner.reasoners.presence_rule import PresenceRule
from train.embedded.presence_questions import SHOWN
from train.embedded.presence_states import collect
from train.embedded.vocabulary import NOWHERE, PLACE_FOLLOWS, number_ids, separators
from train.model_spec import open_model_spec

SHARD = "presence_head.safetensors"
PREFIX = "presence_head."
LAYERS = 4  # the last ones
WIDTH = 64
STEPS, BATCH, RATE, DECAY, DROPOUT = 3000, 512, 1e-3, 0.02, 0.2
RIDGE = 1e-3  # of the weights that tell messages from questions


def rule_of(tokenizer: PreTrainedTokenizerBase, layers: Sequence[int], width: int = WIDTH) -> PresenceRule:
    """The rule for a model that was trained on one sentence of each kind (`choices=1`)."""

    def ids(text: str) -> list[int]:
        return tokenizer(text, add_special_tokens=False).input_ids

    first = named("X").partition("X")[0].rstrip()  # how it begins, whatever it names
    seconds = [texts()["explanations"][kind][0].split(". ")[1] for kind in ("absent", "not_in_slice")]
    token = tokenizer.convert_tokens_to_ids
    # that about objects begins as most reasonings do, "The question", and would always be taken
    kinds = [kind for kind in dict.fromkeys(MESSAGES.values()) if kind != "objects"]
    return PresenceRule(
        layers=list(layers),
        width=width,
        think=token(THINK[0]),
        answer=token(ANSWER[0]),
        place=token(PLACE_FOLLOWS),
        nowhere=token(NOWHERE),
        named=ids(first),
        sentence_end=token("."),
        refusals=[ids(f". {second}")[1:3] for second in seconds],
        repeats=[
            [ids(second.partition("{name}")[0].rstrip())[-1], ids("X" + second.partition("{name}")[2])[1]]
            for second in seconds
        ],
        close=token(THINK[1]),
        others=[ids(THINK[0] + texts()["explanations"][kind][0])[1:] for kind in kinds],
        separators=separators(tokenizer),
        end=[token(ANSWER[1]), tokenizer.eos_token_id],
        numbers=number_ids(tokenizer),
    )


def weights_of(kinds: Sequence[str]) -> torch.Tensor:
    """(N,) that what is there and what is not weigh the same in all."""
    shown = torch.tensor([kind == SHOWN for kind in kinds])
    return torch.where(shown, 0.5 / shown.float().mean(), 0.5 / (~shown).float().mean())


def fit(states: torch.Tensor, kinds: Sequence[str], rule: PresenceRule, seed: int = 0) -> PresenceHead:
    """A head for `states` (N, layers, H): all layers, of which it reads those of the rule."""
    torch.manual_seed(seed)
    head = PresenceHead(states.shape[-1], rule)
    values = states[:, list(rule.layers)].flatten(1)
    mean, scale = values.mean(0), values.std(0).clamp(min=1e-3)
    values = (values - mean) / scale
    shown = torch.tensor([kind == SHOWN for kind in kinds]).float()
    weights = weights_of(kinds)
    optimizer = torch.optim.AdamW(head.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS)
    for _ in range(STEPS):
        part = torch.randint(len(values), (BATCH,))
        seen = torch.nn.functional.dropout(values[part], DROPOUT)
        middle = torch.nn.functional.gelu(head.middle(seen))
        odds = head.out(torch.nn.functional.dropout(middle, DROPOUT))[:, 0]
        loss = binary_cross_entropy_with_logits(odds, shown[part], weights[part])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    fit_messages(head.message, values, torch.tensor([kind == NO_QUESTION for kind in kinds]).float())
    with torch.no_grad():  # the head reads the states as they are
        for layer in (head.middle, head.message):
            layer.weight /= scale
            layer.bias -= layer.weight @ mean
    return head


def fit_messages(layer: torch.nn.Linear, values: torch.Tensor, asks_nothing: torch.Tensor) -> None:
    """A logistic regression of the (N,) `asks_nothing` on `values` (N, D)."""
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    optimizer = torch.optim.LBFGS(layer.parameters(), max_iter=60, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = binary_cross_entropy_with_logits(layer(values)[:, 0], asks_nothing)
        value = value + RIDGE * layer.weight.square().sum()
        value.backward()
        return value

    optimizer.step(loss)


@torch.no_grad()
def log_odds(head: PresenceHead, states: torch.Tensor) -> np.ndarray:
    """(N,) of states (N, layers, H)."""
    return head([states[:, layer] for layer in head.rule.layers]).numpy()


def report(odds: np.ndarray, kinds: Sequence[str]) -> str:
    """One line on how well log odds of questions tell what is there."""
    kind = np.array(kinds)
    shown = kind == SHOWN
    refused = {
        each: f"{(odds[kind == each] <= 0).mean():.1%} of {(kind == each).sum()}"
        for each in sorted(set(kinds))
    }
    return f"AUROC {auroc(list(odds), list(shown.astype(float))):.3f}; refused: " + ", ".join(
        f"{name} {share}" for name, share in refused.items()
    )


@torch.no_grad()
def report_messages(head: PresenceHead, held: np.ndarray, kinds: Sequence[str]) -> str:
    """One line on how well messages are told from questions."""
    states = torch.from_numpy(held).float()
    said = head.asks_nothing([states[:, layer] for layer in head.rule.layers]).numpy() > 0
    message = np.array(kinds) == NO_QUESTION
    return f"{said[message].mean():.1%} of {message.sum()} told, {said[~message].mean():.1%} of the others"


def write(folder: Path, head: PresenceHead) -> None:
    """Put the head into the folder of a packed model."""
    state = {f"{PREFIX}{name}": value.half().contiguous() for name, value in head.state_dict().items()}
    save_file(state, folder / SHARD, metadata={"format": "pt"})
    index_file = folder / "model.safetensors.index.json"
    index = json.loads(index_file.read_text())
    known = {name: shard for name, shard in index["weight_map"].items() if not name.startswith(PREFIX)}
    index["weight_map"] = known | dict.fromkeys(state, SHARD)
    index_file.write_text(json.dumps(index, indent=1) + "\n")
    config_file = folder / "config.json"
    config = json.loads(config_file.read_text()) | {"presence": head.rule.settings()}
    config_file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="folder of the packed model, which gets the head")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="built sets")
    parser.add_argument(
        "--features", type=Path, nargs="+", required=True, help="caches of train.embedded.features"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/presence"), help="folder of the hidden states")
    parser.add_argument("--refused", type=float, default=0.03, help="share of answerable questions, 0..1")
    args = parser.parse_args(arguments)
    given = args.model, args.data, args.features
    states, kinds = collect(*given, False, args.out / "train.npy")
    held, held_kinds = collect(*given, True, args.out / "held_back.npy")
    layers = range(states.shape[1])[-LAYERS:]
    rule = rule_of(open_model_spec(str(args.model)).processor.tokenizer, layers)
    head = fit(torch.from_numpy(states).float(), kinds, rule)
    odds = log_odds(head, torch.from_numpy(held).float())
    threshold = float(np.quantile(odds[np.array(held_kinds) == SHOWN], args.refused))
    with torch.no_grad():
        head.out.bias -= threshold
    print(report(odds - threshold, held_kinds))
    print(f"messages that ask for nothing: {report_messages(head, held, held_kinds)}")
    write(args.model, head)


if __name__ == "__main__":
    main()
