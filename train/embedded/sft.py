"""Supervised fine-tuning of the embedded VLM: TRL's SFTTrainer with the dense losses of
`train/embedded/losses.py`, on cached features.

    python -m train.embedded.sft --recipe train/recipes/embedded_sft.yaml
    OMP_NUM_THREADS=1 torchrun --nproc-per-node 2 -m train.embedded.sft --recipe …  # a process a core

The data must be sets that `medreasoner data build` wrote (they hold the measured facts the reasoning is
written from). The loss adds heads to the model that exist in training only. A run that was killed goes on
from its newest whole checkpoint.
"""

import os
from collections.abc import Collection, Sequence
from pathlib import Path

import torch
from datasets import Dataset
from safetensors.torch import load_file
from transformers import PreTrainedModel

from medreasoner.data.taxonomy import categories
from medreasoner.text.places import HEIGHTS, SIDES, SIZES
from train.checkpoints import Checkpoints, newest_checkpoint
from train.embedded.endless_rows import Rows
from train.embedded.fixed_views import FixedViewRows, LastMaps
from train.embedded.losses import DenseHeads, Vocabulary, word_weights
from train.embedded.pictures import load_pictures
from train.embedded.sft_options import Options
from train.embedded.stage_3_cache import Stage3Cache
from train.embedded.trainer import GroundingTrainer
from train.embedded.vocabulary import NOWHERE, PLACE_FOLLOWS
from train.holdout import held_back_cases
from train.model_spec import ModelSpec, open_model_spec
from train.options import run
from train.preflight import PreflightError
from train.run import open_model, open_samples

HEADS = "dense_heads."  # names of the training-only weights in a checkpoint begin with it


def add_heads(
    model: PreTrainedModel, spec: ModelSpec, options: Options, checkpoint: Path | None
) -> Vocabulary:
    """Give `model` its training-only heads, those of `checkpoint` if one is given; returns what the losses
    must know of the vocabulary."""
    tokenizer, text = spec.processor.tokenizer, model.config.text_config
    ids = torch.tensor([tokenizer.convert_tokens_to_ids(str(n)) for n in range(int(spec.frame.limit) + 1)])
    facts = [*SIDES, *HEIGHTS, *SIZES, "mid-height", *categories()]
    weights = word_weights(tokenizer, text.vocab_size, facts, options.weight_facts)
    for token in (PLACE_FOLLOWS, NOWHERE):  # whether there is anything to mark is decided by one token
        weights[tokenizer.convert_tokens_to_ids(token)] = options.weight_presence
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
    if options.fixed_views and not options.freeze_last_stage:
        raise PreflightError(
            "expected --freeze_last_stage where --fixed_views is given: the maps after the last stage are "
            "computed once; add it to the recipe"
        )
    if options.turns < 1 or not 0 <= options.even <= 1:
        given = f"turns {options.turns} and even {options.even}"
        raise PreflightError(
            f"expected at least one conversation an image (--turns) and --even from 0 to 1, got {given}; "
            "correct the recipe"
        )
    pictures = load_pictures([Path(folder) for folder in options.data], options.split)
    if options.hold_back:
        held = held_back_cases(each.case for each in pictures)
        pictures = [each for each in pictures if each.case not in held]
    cached = set(maps.index([each.path for each in pictures]))
    usable = [each for each in pictures if each.path in cached]
    if not usable:
        raise PreflightError(
            f"none of {len(pictures)} images is in the caches {options.features}; "
            "run train.embedded.features first"
        )
    print(f"{len(usable)} of {len(pictures)} images have cached features")
    given = {
        "turns": options.turns,
        "even": options.even,
        "direct_share": options.direct_share,
        "absent_share": options.absent_share,
        "choices": options.sentences or None,
        "oftener": factors(options.oftener, {picture.dataset for picture in usable}),
        "seed": options.seed,
    }
    if not options.fixed_views:
        return Rows(usable, spec.prompt, spec.frame, **given)
    share = usable[options.process_index :: options.world_size]  # each process computes the maps of its own
    return FixedViewRows(share, spec.prompt, spec.frame, count=options.fixed_views, **given)


def factors(given: Sequence[str], known: Collection[str]) -> dict[str, float]:
    """`--oftener` by data set. Errors: PreflightError for one that is not SET=FACTOR, or for a set that is
    not trained on."""
    found = {}
    for each in given:
        name, _, factor = each.rpartition("=")
        try:
            found[name] = float(factor)
        except ValueError:
            raise PreflightError(f"--oftener: expected SET=FACTOR, got {each!r}") from None
        if name not in known or not 0 < found[name] < float("inf"):
            expected = f"one of {', '.join(sorted(known))}, and a number above 0"
            raise PreflightError(f"--oftener: expected {expected}; got {each!r}")
    return found


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
    # words that no training question holds keep their pretrained place among the others
    model.model.question_encoder.embeddings.word_embeddings.requires_grad_(False)
    if options.freeze_last_stage:
        projector = model.model.multi_modal_projector
        projector.up.requires_grad_(False)
        projector.down.requires_grad_(False)
    last = None
    if options.fixed_views:
        last = LastMaps(model.model, maps, rows.pictures, options.fixed_views)
    vocabulary = add_heads(model, spec, options, newest)
    saver = Checkpoints(spec.folder, open_samples(options), options)
    count = options.max_steps * options.train_batch_size * options.gradient_accumulation_steps
    count *= options.world_size
    saver.trainer = GroundingTrainer(
        model,
        args=options,
        train_dataset=as_dataset(rows, count),
        processing_class=spec.processor,
        callbacks=[saver],
        options=options,
        vocabulary=vocabulary,
        maps=maps,
        last=last,
    )
    saver.trainer.train(resume_from_checkpoint=str(newest) if newest else None)
    del model.dense_heads
    return saver.finish()


if __name__ == "__main__":
    run(Options, main)
