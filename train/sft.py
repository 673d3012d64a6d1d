"""Supervised fine-tuning of a vision-language model with TRL's SFTTrainer, on the written reasoning and
answer of each sample.

Options are TRL's SFTConfig and a few more; a recipe holds overrides only, and the command line overrides the
recipe. A run that was killed goes on from its newest whole checkpoint.

    accelerate launch --config_file train/accelerate/zero3_8gpu.yaml -m train.sft \\
        --recipe train/recipes/lingshu7b_sft.yaml

The embedded model is trained by `train/embedded/sft.py`, with losses of its own.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datasets import Dataset
from PIL import Image
from trl import SFTConfig, SFTTrainer

from medreasoner.answer import Absence, Answer, render
from medreasoner.data.sample import Sample
from medreasoner.geometry import from_image
from medreasoner.prompts import messages
from train.checkpoints import Checkpoints, newest_checkpoint
from train.model_spec import ModelSpec, open_model_spec
from train.options import Shared, run
from train.preflight import check_length
from train.rows import draw, lazily, text_only
from train.run import lora, open_model, open_samples


@dataclass
class Options(Shared, SFTConfig):
    """TRL's options and ours. What differs from TRL's defaults says why."""

    command: str = field(default="train.sft", metadata={"help": "the command a recipe is for"})
    output_dir: str = field(default="runs/sft", metadata={"help": "checkpoints and at the end the model"})
    max_length: int | None = field(default=None, metadata={"help": "a cut would go through image tokens"})
    remove_unused_columns: bool | None = field(default=False)
    report_to: None | str | list[str] = field(
        default="trackio", metadata={"help": "trackio, tensorboard or none"}
    )
    dataset_kwargs: dict[str, Any] | None = field(
        default_factory=lambda: {"skip_prepare_dataset": True},
        metadata={"help": "images become tokens when a batch is made"},
    )


def rows(samples: Sequence[Sample], spec: ModelSpec, options: Options) -> Dataset:
    """Prompt and completion of each sample, `wordings` times, in random order; images are opened when a
    row is read."""

    def row(n: int, think: bool, question: str) -> dict:
        image = samples[n].load_image()
        resized = spec.resize(image)
        written = completion(samples[n], spec, image, resized, think)
        return {
            "prompt": text_only(messages(spec.prompt.text(question, think), spec.prompt.system)),
            "completion": [{"role": "assistant", "content": written}],
            "images": [resized],
        }

    return lazily(draw(samples, options.wordings, options.direct_share, options.seed), row)


def completion(
    sample: Sample, spec: ModelSpec, image: Image.Image, resized: Image.Image, think: bool = True
) -> str:
    """The answer to a sample as the model is to write it; `resized` is the image as it sees it."""
    reasoning = sample.think if think else None
    if sample.absent:
        return render(Absence(reasoning))
    written_in = spec.input_wh(resized) if spec.frame.limit is None else None
    bbox, points = from_image(sample.truth(), spec.frame, image.size, written_in)
    return render(Answer(_whole(bbox), tuple(map(_whole, points)), reasoning))


def lengths(samples: Sequence[Sample], spec: ModelSpec) -> Iterator[tuple[str, int]]:
    """The id of each sample and the tokens of its prompt with the image and of its answer."""
    for sample in samples:
        image = sample.load_image()
        resized = spec.resize(image)
        prompt = spec.inputs(resized, sample.question)["input_ids"].shape[-1]
        answer = spec.processor.tokenizer(completion(sample, spec, image, resized), add_special_tokens=False)
        yield sample.id, prompt + len(answer.input_ids)


def _whole(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(float(round(v)) for v in values)


def main(options: Options) -> Path:
    """Train; returns the folder with the model."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    spec = open_model_spec(options.model)
    samples = open_samples(options)
    check_length(options.max_length, lengths(samples, spec))
    newest = newest_checkpoint(Path(options.output_dir))
    saver = Checkpoints(spec.folder, samples, options)
    saver.trainer = SFTTrainer(
        model=open_model(options, spec.folder, newest),
        args=options,
        train_dataset=rows(samples, spec, options),
        processing_class=spec.processor,
        peft_config=lora(options),
        callbacks=[saver],
    )
    saver.trainer.train(resume_from_checkpoint=str(newest) if newest else None)
    return saver.finish()


if __name__ == "__main__":
    run(Options, main)
