"""SFT of the embedded CRM: TRL's SFTTrainer with the loss of `train/embedded/losses.py`, on cached features.

Is: the trainer, its batch and its rows, for `train/sft.py` where the recipe says `dense`. The heads exist in training only.
Is not: the recipe for a 7B model; that needs neither the cache nor the heads.
"""

import random
from pathlib import Path

import torch
from safetensors.torch import load_file
from trl import SFTTrainer

from medreasoner.data.taxonomy import categories
from medreasoner.text.places import HEIGHTS, SIDES, SIZES
from train.embedded.collator import Branches
from train.embedded.conversations import Item, load_items, make_rows, turn
from train.embedded.losses import DenseHeads, Vocabulary, completion_losses, word_weights
from train.model_spec import ModelSpec
from train.preflight import PreflightError

HEADS = "dense_heads."


class GroundingTrainer(SFTTrainer):
    """SFTTrainer with the loss of `train/embedded/losses.py`."""

    def __init__(self, *args, options, vocabulary: Vocabulary, **kwargs):
        super().__init__(*args, **kwargs)
        self.options, self.vocabulary = options, vocabulary
        self.data_collator = Branches(self.processing_class, vocabulary.numbers)
        self._sums: dict[str, list[float]] = {}

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        o, v, heads = self.options, self.vocabulary, model.dense_heads
        ids, row = inputs["input_ids"], inputs["row"]
        with torch.autocast(
            "cpu", torch.bfloat16, enabled=o.bf16
        ):  # the Trainer puts autocast on model.forward, which is not called here
            given = {name: inputs[name] for name in ("attention_mask", "position_ids", "pixel_values")}
            states = model.model(
                input_ids=ids, **given, output_hidden_states=True, use_cache=False
            ).hidden_states
        last = states[-1].float()
        rows, columns = (inputs["labels"][:, 1:] != -100).nonzero(as_tuple=True)
        label, place, about = (inputs[name][rows, columns + 1] for name in ("labels", "places", "branch"))
        text, coordinates = completion_losses(
            model.lm_head(last[rows, columns]), label, place, inputs["box01"][about], v, o.spread
        )
        picture = (ids == v.image).nonzero(as_tuple=True)
        at = {layer: states[layer].float() for layer in (heads.kind_layer, heads.point_layer)}
        tokens = {layer: state[picture].view(len(ids), -1, last.shape[-1]) for layer, state in at.items()}
        asked = at[heads.point_layer][row, inputs["asked"]]
        parts = {
            "text": text,
            "coordinates": coordinates * o.weight_coordinates,
            "kinds": heads.kind_loss(tokens[heads.kind_layer], inputs["kinds"]) * o.weight_kinds,
            "point": heads.point_loss(tokens[heads.point_layer][row], asked, inputs["cover"])
            * o.weight_point,
            "box": sum(
                heads.box_loss(last[row, inputs[read]], inputs["box01"]) for read in ("asked", "written")
            )
            * o.weight_box,
        }
        for name, value in parts.items():
            self._sums.setdefault(name, []).append(float(value.detach()))
        loss = sum(parts.values())
        return (loss, None) if return_outputs else loss

    def log(self, logs: dict, *args, **kwargs) -> None:
        logs |= {f"loss_{name}": round(sum(v) / len(v), 4) for name, v in self._sums.items()}
        self._sums.clear()
        super().log(logs, *args, **kwargs)


def add_heads(model, subject: ModelSpec, options, checkpoint: Path | None) -> Vocabulary:
    """Give `model` its heads, those of `checkpoint` if one is given; returns what the loss must know of the vocabulary."""
    tok, text = subject.processor.tokenizer, model.config.text_config
    ids = torch.tensor([tok.convert_tokens_to_ids(str(n)) for n in range(int(subject.frame.limit) + 1)])
    weights = word_weights(
        tok, text.vocab_size, [*SIDES, *HEIGHTS, *SIZES, "mid-height", *categories()], options.weight_facts
    )
    torch.manual_seed(options.seed)
    model.dense_heads = DenseHeads(
        text.hidden_size, len(categories()) + 1, text.num_hidden_layers // 3, text.num_hidden_layers * 2 // 3
    )
    if checkpoint is not None:
        state = load_file(checkpoint / "model.safetensors")
        model.dense_heads.load_state_dict(
            {k.removeprefix(HEADS): v for k, v in state.items() if k.startswith(HEADS)}
        )
    return Vocabulary(ids, tok.convert_tokens_to_ids("<image>"), weights)


def dense_rows(options, subject: ModelSpec, kept: set[str]):
    """Pictures and conversations of the samples whose ids are in `kept`, from sets that `medreasoner data build` wrote.

    Errors: PreflightError for a number of turns, or an evenness, that no rows can have.
    """
    if options.turns < 1 or not 0 <= options.even <= 1:
        given = f"turns {options.turns} and even {options.even}"
        raise PreflightError(
            f"expected at least one turn a picture (--turns) and --even from 0 to 1, got {given}; correct the recipe"
        )
    items = [
        item
        for item in load_items([Path(folder) for folder in options.data], options.split)
        if item.sample["id"] in kept
    ]

    def make(item: Item, rng: random.Random) -> dict:
        return turn(item, subject.prompt, subject.frame, rng, options.lost_words)

    return make_rows(items, options.wordings, options.turns, options.even, options.seed, make)
