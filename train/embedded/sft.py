"""Supervised fine-tuning of the embedded VLM: TRL's SFTTrainer with the dense losses of `train/embedded/losses.py`, on cached features.

    python -m train.embedded.sft --recipe train/recipes/embedded_sft.yaml

The data must be sets that `medreasoner data build` wrote (they hold the measured facts the reasoning is written from). The loss adds heads
to the model that exist in training only. A run that was killed goes on from its newest whole checkpoint.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

import torch
from datasets import Dataset
from safetensors.torch import load_file
from trl import SFTTrainer

from medreasoner.data.taxonomy import categories
from medreasoner.text.places import HEIGHTS, SIDES, SIZES
from train.checkpoints import Checkpoints, newest_checkpoint
from train.embedded.collator import SharedImageCollator
from train.embedded.conversations import Rows, load_pictures
from train.embedded.features import Stage3Cache
from train.embedded.losses import DenseHeads, Vocabulary, completion_losses, word_weights
from train.embedded.vocabulary import NOWHERE, PLACE_FOLLOWS
from train.holdout import is_dev
from train.model_spec import ModelSpec, open_model_spec
from train.options import run
from train.preflight import PreflightError
from train.run import open_model, open_samples
from train.sft import Options as SftOptions

HEADS = "dense_heads."  # names of the training-only weights in a checkpoint begin with it


@dataclass
class Options(SftOptions):
    """The options of `train/sft.py` and those of the dense losses."""

    command: str = field(default="train.embedded.sft", metadata={"help": "the command a recipe is for"})
    features: list[str] = field(
        default_factory=list, metadata={"help": "caches that train/embedded/features.py filled"}
    )
    turns: int = field(
        default=1, metadata={"help": "conversations about each image, which is computed once for all of them"}
    )
    even: float = field(
        default=0.0,
        metadata={"help": "0..1: at 0 every target is asked for equally often, at 1 every data set"},
    )
    encoder_rate: float = field(
        default=0.1, metadata={"help": "learning rate of the sentence encoder, as a share of the rest's"}
    )
    spread: float = field(
        default=0.13, metadata={"help": "of coordinate targets, as a share of the object's side"}
    )
    weight_facts: float = field(
        default=5.0, metadata={"help": "of words for place, size and name in the reasoning"}
    )
    weight_coordinates: float = field(default=1.0, metadata={"help": "of the loss of the coordinates"})
    weight_kinds: float = field(
        default=0.5, metadata={"help": "of the head that names the category at each image token"}
    )
    weight_point: float = field(
        default=0.5, metadata={"help": "of the head that finds the image tokens of the target"}
    )
    weight_box: float = field(default=0.5, metadata={"help": "of the head that gives the box"})


class GroundingTrainer(SFTTrainer):
    """SFTTrainer with the losses of `train/embedded/losses.py`; logs the mean of each as `loss_<name>`."""

    def __init__(self, *args, options: Options, vocabulary: Vocabulary, maps: Stage3Cache, **kwargs):
        super().__init__(*args, **kwargs)
        self.options, self.vocabulary = options, vocabulary
        self.data_collator = SharedImageCollator(self.processing_class, vocabulary.numbers, maps)
        self._logged: dict[str, list[float]] = {}

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        parts = self._losses(model, inputs)
        for name, value in parts.items():
            self._logged.setdefault(name, []).append(float(value.detach()))
        loss = sum(parts.values())
        return (loss, None) if return_outputs else loss

    def _losses(self, model, inputs) -> dict[str, torch.Tensor]:
        """The weighted losses of one batch of `SharedImageCollator`, by name."""
        o, vocabulary, heads = self.options, self.vocabulary, model.dense_heads
        ids, row, box01 = inputs["input_ids"], inputs["row"], inputs["box01"]
        given = {name: inputs[name] for name in ("attention_mask", "position_ids", "stage_3", "questions")}
        # the Trainer puts its autocast on model.forward, which is not called here
        with torch.autocast("cpu", torch.bfloat16, enabled=o.bf16):
            output = model.model(input_ids=ids, **given, output_hidden_states=True, use_cache=False)
        states = output.hidden_states
        last = states[-1].float()
        rows, columns = (inputs["labels"][:, 1:] != -100).nonzero(as_tuple=True)
        label, coordinate, about = (
            inputs[name][rows, columns + 1] for name in ("labels", "coordinates", "conversation")
        )
        text, coordinates = completion_losses(
            model.lm_head(last[rows, columns]), label, coordinate, box01[about], vocabulary, o.spread
        )
        image = (ids == vocabulary.image).nonzero(as_tuple=True)
        layers = {layer: states[layer].float() for layer in (heads.kind_layer, heads.point_layer)}
        tokens = {layer: state[image].view(len(ids), -1, last.shape[-1]) for layer, state in layers.items()}
        question = layers[heads.point_layer][row, inputs["question_end"]]
        there = inputs["present"]  # (N,) conversations with a target
        losses = {
            "text": text,
            "coordinates": coordinates * o.weight_coordinates,
            "kinds": heads.kind_loss(tokens[heads.kind_layer], inputs["kinds"]) * o.weight_kinds,
        }
        if not there.any():  # means over no target would be nan
            return losses
        point = heads.point_loss(
            tokens[heads.point_layer][row[there]], question[there], inputs["coverage"][there]
        )
        box = sum(
            heads.box_loss(last[row[there], inputs[at][there]], box01[there])
            for at in ("question_end", "answer_start")
        )
        return losses | {"point": point * o.weight_point, "box": box * o.weight_box}

    def create_optimizer(self, *args, **kwargs):
        """AdamW; the pretrained sentence encoder learns `encoder_rate` times as fast as the rest."""
        o, groups = self.options, {1.0: [], self.options.encoder_rate: []}
        for name, parameter in self.model.named_parameters():
            if parameter.requires_grad:
                groups[o.encoder_rate if "question_encoder" in name else 1.0].append(parameter)
        self.optimizer = torch.optim.AdamW(
            [{"params": params, "lr": o.learning_rate * rate} for rate, params in groups.items()],
            lr=o.learning_rate,
            betas=(o.adam_beta1, o.adam_beta2),
            weight_decay=o.weight_decay,
        )
        return self.optimizer

    def log(self, logs: dict, *args, **kwargs) -> None:
        logs |= {f"loss_{name}": round(sum(v) / len(v), 4) for name, v in self._logged.items()}
        self._logged.clear()
        super().log(logs, *args, **kwargs)


def add_heads(model, spec: ModelSpec, options: Options, checkpoint: Path | None) -> Vocabulary:
    """Give `model` its training-only heads, those of `checkpoint` if one is given; returns what the losses must know of the vocabulary."""
    tokenizer, text = spec.processor.tokenizer, model.config.text_config
    ids = torch.tensor([tokenizer.convert_tokens_to_ids(str(n)) for n in range(int(spec.frame.limit) + 1)])
    facts = [*SIDES, *HEIGHTS, *SIZES, "mid-height", *categories()]
    weights = word_weights(tokenizer, text.vocab_size, facts, options.weight_facts)
    for token in (PLACE_FOLLOWS, NOWHERE):  # whether there is anything to mark is decided by one token
        weights[tokenizer.convert_tokens_to_ids(token)] = options.weight_facts
    torch.manual_seed(options.seed)
    model.dense_heads = DenseHeads(
        text.hidden_size, len(categories()) + 1, text.num_hidden_layers // 3, text.num_hidden_layers * 2 // 3
    )
    if checkpoint is not None:
        state = load_file(checkpoint / "model.safetensors")
        model.dense_heads.load_state_dict(
            {k.removeprefix(HEADS): v for k, v in state.items() if k.startswith(HEADS)}
        )
    return Vocabulary(ids, tokenizer.convert_tokens_to_ids("<image>"), weights)


def open_rows(options: Options, spec: ModelSpec, maps: Stage3Cache) -> Rows:
    """The endless rows of the training images whose maps are cached.

    Errors: PreflightError for `turns` below 1, `even` outside 0..1, or no image with a cached map.
    """
    if options.turns < 1 or not 0 <= options.even <= 1:
        given = f"turns {options.turns} and even {options.even}"
        raise PreflightError(
            f"expected at least one conversation an image (--turns) and --even from 0 to 1, got {given}; correct the recipe"
        )
    pictures = load_pictures([Path(folder) for folder in options.data], options.split)
    pictures = [each for each in pictures if not (options.hold_back and is_dev(each.case))]
    cached = set(maps.index([each.path for each in pictures]))
    usable = [each for each in pictures if each.path in cached]
    if not usable:
        raise PreflightError(
            f"none of {len(pictures)} images is in the caches {options.features}; run train.embedded.features first"
        )
    print(f"{len(usable)} of {len(pictures)} images have cached features")
    fixed = {
        "turns": options.turns,
        "even": options.even,
        "direct_share": options.direct_share,
        "seed": options.seed,
    }
    return Rows(usable, spec.prompt, spec.frame, **fixed)


def as_dataset(rows: Rows, count: int) -> Dataset:
    """The first `count` rows, each made when it is read."""

    def read(batch: dict) -> dict:
        made = [rows[n] for n in batch["n"]]
        return {key: [each[key] for each in made] for key in made[0]}

    return Dataset.from_dict({"n": list(range(count))}).with_transform(read)


def main(options: Options) -> Path:
    """Train; returns the folder with the model."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    spec = open_model_spec(options.model)
    newest = newest_checkpoint(Path(options.output_dir))
    maps = Stage3Cache(options.features)
    rows = open_rows(options, spec, maps)
    model = open_model(options, spec.folder, newest)
    vocabulary = add_heads(model, spec, options, newest)
    saver = Checkpoints(spec.folder, open_samples(options), options)
    count = options.max_steps * options.per_device_train_batch_size * options.gradient_accumulation_steps
    saver.trainer = GroundingTrainer(
        model,
        args=options,
        train_dataset=as_dataset(rows, count),
        processing_class=spec.processor,
        callbacks=[saver],
        options=options,
        vocabulary=vocabulary,
        maps=maps,
    )
    saver.trainer.train(resume_from_checkpoint=str(newest) if newest else None)
    del model.dense_heads
    return saver.finish()


if __name__ == "__main__":
    run(Options, main)
