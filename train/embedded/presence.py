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
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch.nn.functional import binary_cross_entropy_with_logits
from tqdm import tqdm
from transformers import AutoModelForImageTextToText, PreTrainedTokenizerBase

import medreasoner.reasoners.embedded  # noqa: F401 (registers its classes with transformers)
from medreasoner.answer_blocks import ANSWER, THINK
from medreasoner.data.absence import texts
from medreasoner.data.build.writers.reasonings import named
from medreasoner.metrics import auroc
from medreasoner.reasoners.presence import PresenceHead
from medreasoner.reasoners.presence_rule import PresenceRule
from train.embedded.pictures import Picture, load_pictures
from train.embedded.presence_questions import SHOWN, read
from train.embedded.stage_3_cache import Stage3Cache
from train.embedded.vocabulary import NOWHERE, PLACE_FOLLOWS
from train.holdout import held_back_cases
from train.model_spec import open_model_spec

SHARD = "presence_head.safetensors"
PREFIX = "presence_head."
LAYERS = 4  # the last ones
WIDTH = 64
STEPS, BATCH, RATE, DECAY, DROPOUT = 3000, 512, 1e-3, 0.02, 0.2


def rule_of(tokenizer: PreTrainedTokenizerBase, layers: Sequence[int], width: int = WIDTH) -> PresenceRule:
    """The rule for a model that was trained on one sentence of each kind (`choices=1`)."""

    def ids(text: str) -> list[int]:
        return tokenizer(text, add_special_tokens=False).input_ids

    first = named("X").partition("X")[0].rstrip()  # how it begins, whatever it names
    seconds = [texts()["explanations"][kind][0].split(". ")[1] for kind in ("absent", "not_in_slice")]
    token = tokenizer.convert_tokens_to_ids
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
    )


def collect(
    folder: Path, data: Sequence[Path], features: Sequence[Path], held: bool, out: Path
) -> tuple[np.ndarray, list[str]]:
    """((N, layers, H) float16, (N,) kinds) of the questions about the training images, or about the `held`
    back ones; kept in the file `out`."""
    kinds_file = out.with_suffix(".json")
    if kinds_file.exists():
        return np.load(out), json.loads(kinds_file.read_text())
    spec = open_model_spec(str(folder))
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    maps = Stage3Cache(features)
    pictures = usable(data, maps, held)
    if not pictures:
        raise SystemExit(
            f"found no {'held-back ' if held else ''}training image whose maps are in the caches; "
            "run train.embedded.features on the sets first"
        )
    rows = read(model, spec.processor, spec.prompt, maps, pictures, held)
    states, kinds = [], []
    for _, asked, read_states in tqdm(rows, total=len(pictures), mininterval=20):
        states.append(read_states.half().numpy())
        kinds += [each.kind for each in asked]
    out.parent.mkdir(parents=True, exist_ok=True)
    np.save(out, np.concatenate(states))
    kinds_file.write_text(json.dumps(kinds))  # last, so that both are whole
    return np.concatenate(states), kinds


def usable(data: Sequence[Path], maps: Stage3Cache, held: bool) -> list[Picture]:
    """The training images with cached maps, without the held-back cases, or only these."""
    pictures = load_pictures(list(data))
    back = held_back_cases(picture.case for picture in pictures)
    chosen = [picture for picture in pictures if (picture.case in back) == held]
    cached = set(maps.index([picture.path for picture in chosen]))
    return [picture for picture in chosen if picture.path in cached]


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
    with torch.no_grad():  # the head reads the states as they are
        head.middle.weight /= scale
        head.middle.bias -= head.middle.weight @ mean
    return head


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
    config = json.loads(config_file.read_text()) | {"presence": asdict(head.rule)}
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
    parser.add_argument("--refused", type=float, default=0.04, help="share of answerable questions, 0..1")
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
    write(args.model, head)


if __name__ == "__main__":
    main()
