"""Supervised fine-tuning of a CRM with TRL's SFTTrainer: the written reasoning and answer of each sample.

Is: one command from a model and a set of samples to a trained model; killed, it goes on from its newest whole checkpoint. Its options are
TRL's own SFTConfig and a few more; a recipe holds overrides only, the command line overrides the recipe. With `dense`, the loss of the
embedded CRM (`train/embedded/sft.py`).
Is not: a trainer.

    python -m train.sft --recipe train/recipes/embedded_sft.yaml
    accelerate launch --config_file train/accelerate/zero3_8gpu.yaml -m train.sft --recipe train/recipes/lingshu7b_sft.yaml
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from datasets import Dataset
from trl import SFTConfig, SFTTrainer

from medreasoner.answer import Answer, render
from medreasoner.data.sample import Sample
from medreasoner.geometry import from_image
from medreasoner.prompts import messages
from train.embedded.sft import GroundingTrainer, add_heads, dense_rows
from train.model_spec import ModelSpec, open_model_spec
from train.options import Shared, run
from train.rows import draw, fixed_frame, lazily, text_only
from train.run import Checkpoints, finish, lora, newest_checkpoint, open_model, open_samples


@dataclass
class Options(Shared, SFTConfig):
    """TRL's options and ours. What differs from TRL's defaults says why."""

    dense: bool = field(
        default=False,
        metadata={"help": "the embedded CRM's loss: smoothed coordinates and training-only heads"},
    )
    turns: int = field(
        default=1,
        metadata={"help": "dense: conversations about each picture, which is computed once for all of them"},
    )
    even: float = field(
        default=0.0,
        metadata={"help": "dense: 0..1, how far sets rather than targets are asked for equally often"},
    )
    lost_words: float = field(
        default=0.0, metadata={"help": "dense: share of a question's words that every other row goes without"}
    )
    spread: float = field(
        default=0.13, metadata={"help": "dense: of coordinate targets, as a share of the object's side"}
    )
    weight_facts: float = field(
        default=5.0, metadata={"help": "dense: of words for place, size and name in the reasoning"}
    )
    weight_coordinates: float = field(default=1.0, metadata={"help": "dense: of the coordinates' loss"})
    weight_kinds: float = field(
        default=0.5, metadata={"help": "dense: of the head that names what covers each image token"}
    )
    weight_point: float = field(
        default=0.5, metadata={"help": "dense: of the head that finds the tokens that are meant"}
    )
    weight_box: float = field(default=0.5, metadata={"help": "dense: of the head that gives the box"})

    output_dir: str = field(default="runs/sft", metadata={"help": "checkpoints and at the end the model"})
    max_length: int | None = field(default=None, metadata={"help": "a cut would go through image tokens"})
    remove_unused_columns: bool | None = field(default=False)
    report_to: None | str | list[str] = field(
        default="trackio", metadata={"help": "trackio, tensorboard or none"}
    )


def rows(samples: Sequence[Sample], subject: ModelSpec, options: Options) -> Dataset:
    """Prompt and completion of each sample, `wordings` times, in random order; pictures are opened when a row is drawn."""
    resize, _ = fixed_frame(subject.processor, subject.square)

    def row(n: int, think: bool, question: str) -> dict:
        sample = samples[n]
        image = sample.load_image()
        seen = resize(image)
        bbox, points = from_image(sample.truth(), subject.frame, image.size, seen.size)
        answer = Answer(_whole(bbox), tuple(map(_whole, points)), sample.think if think else None)
        return {
            "prompt": text_only(messages(subject.prompt.text(question, think), subject.prompt.system)),
            "completion": [{"role": "assistant", "content": render(answer)}],
            "images": [seen],
        }

    return lazily(draw(samples, options.wordings, options.direct_share, options.seed), row)


def _whole(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(float(round(v)) for v in values)


def main(options: Options) -> Path:
    """Train; returns the folder with the model."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    subject = open_model_spec(options.model)
    samples = open_samples(options)
    newest = newest_checkpoint(Path(options.output_dir))
    model = open_model(options, subject.folder, newest)
    saver = Checkpoints(subject.folder, samples, options.hub_model_id, options.hub_private_repo is not False)
    options.dataset_kwargs = {"skip_prepare_dataset": True}  # pictures become tokens when a batch is made
    given = {"args": options, "processing_class": subject.processor, "callbacks": [saver]}
    if options.dense:
        vocabulary = add_heads(model, subject, options, newest)
        data = dense_rows(options, subject, {sample.id for sample in samples})
        trainer = GroundingTrainer(model, train_dataset=data, options=options, vocabulary=vocabulary, **given)
    else:
        adapter = lora(options) if options.lora_rank else None
        trainer = SFTTrainer(
            model, train_dataset=rows(samples, subject, options), peft_config=adapter, **given
        )
    saver.trainer = trainer
    trainer.train(resume_from_checkpoint=str(newest) if newest else None)
    if options.dense:
        del model.dense_heads
    return finish(trainer, saver, options)


if __name__ == "__main__":
    run(Options, main)
