"""Reinforcement learning of a vision-language model with TRL's GRPOTrainer, unmodified, and the rewards of
`medreasoner.rewards`.

Options are TRL's GRPOConfig and a few more; a recipe holds overrides only, and the command line overrides the
recipe. What would go wrong silently is refused by `train/preflight.py` before the first step. A run that was
killed goes on from its newest whole checkpoint.

    python -m train.grpo --recipe train/recipes/qwen25vl7b_mask_lora_24gb.yaml
    accelerate launch --config_file train/accelerate/zero3_8gpu.yaml -m train.grpo \\
        --recipe train/recipes/qwen25vl7b_mask_8gpu_colocate.yaml

The embedded model is trained by `train/embedded/grpo.py`, from cached features.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

from trl import GRPOConfig, GRPOTrainer

from medreasoner.rewards import SETS, reward_functions
from medreasoner.segmenters.registry import load_segmenter
from train.checkpoints import Checkpoints, newest_checkpoint
from train.completion_sheets import CompletionSheets
from train.image_features import ImageFeatures
from train.mask_reward import MaskReward
from train.model_spec import ModelSpec, open_model_spec
from train.options import Shared, run
from train.preflight import PreflightError, check_run
from train.rows import prompt_rows
from train.run import lora, open_model, open_samples


@dataclass
class Options(Shared, GRPOConfig):
    """TRL's options and ours. What differs from TRL's defaults says why."""

    command: str = field(default="train.grpo", metadata={"help": "the command a recipe is for"})
    rewards: str = field(default="mask", metadata={"help": f"reward set: {', '.join(SETS)}"})
    weigh: str = field(default="", metadata={"help": "term=weight,… instead of the set's own weights"})
    segmenter: str = field(
        default="", metadata={"help": "frozen segmenter of the set 'mask': folder or Hub id"}
    )
    draw_every: int = field(
        default=25, metadata={"help": "steps between two sheets of completions drawn on their images"}
    )

    output_dir: str = field(
        default="runs/grpo", metadata={"help": "checkpoints, sheets, logs and at the end the model"}
    )
    max_completion_length: int = field(
        default=1024, metadata={"help": "tokens; TRL's 512 cut off a reasoning and its JSON"}
    )
    save_steps: float = field(default=50)
    save_total_limit: int | None = field(default=2)
    logging_steps: float = field(default=1)
    remove_unused_columns: bool | None = field(
        default=False, metadata={"help": "the rewards read the columns"}
    )
    report_to: None | str | list[str] = field(
        default="trackio", metadata={"help": "trackio, tensorboard or none"}
    )


def rewards_of(
    options: Options, spec: ModelSpec, features: ImageFeatures | None = None
) -> tuple[list, list[float]]:
    """(reward functions, weights). Errors: PreflightError, SegmenterError."""
    paint = None
    if SETS[options.rewards].with_masks:
        if not options.segmenter:
            raise PreflightError(
                f"the reward set {options.rewards!r} scores masks: name a --segmenter, or choose another set"
            )
        segmenter = load_segmenter(options.segmenter, options.device.type)
        paint = MaskReward(segmenter, features and features.encode)
    functions, weights = reward_functions(options.rewards, spec.frame, fixed_wh(spec), paint)
    by_name = dict(zip((f.__name__ for f in functions), weights, strict=True))
    return functions, list(weighed(by_name, options.weigh).values())


def fixed_wh(spec: ModelSpec) -> tuple[int, int] | None:
    """(width, height) of the one size in which every image enters the model, or None."""
    return None if spec.side is None else (spec.side, spec.side)


def weighed(weights: dict[str, float], asked: str) -> dict[str, float]:
    """`weights` with those of "term=weight,…" put in. Errors: PreflightError for a term that is not there
    or a weight that is no number."""
    for pair in filter(None, asked.split(",")):
        name, _, value = pair.partition("=")
        try:
            weights = weights | {name.strip(): float(value)} if name.strip() in weights else {}
        except ValueError:
            weights = {}
        if not weights:
            raise PreflightError(
                f"--weigh {pair!r} is not understood; expected term=number with a term of the set"
            )
    return weights


def main(options: Options, features: ImageFeatures | None = None) -> Path:
    """Train; returns the folder with the model."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    spec = open_model_spec(options.model)
    # a model whose prompt does not tell it that it may abstain would be paid for guessing so
    samples = [sample for sample in open_samples(options) if spec.absence or not sample.absent]
    check_run(options, spec, len(samples) * options.wordings)
    functions, options.reward_weights = rewards_of(options, spec, features)
    sheets = CompletionSheets(
        Path(options.output_dir) / "completions", options.draw_every, spec.frame, fixed_wh(spec)
    )
    newest = newest_checkpoint(Path(options.output_dir))
    model = open_model(options, spec.folder, newest)
    if features is not None:
        features.attach(model)
    saver = Checkpoints(spec.folder, samples, options)
    saver.trainer = GRPOTrainer(
        model=model,
        reward_funcs=[sheets.watch(functions[0]), *functions[1:]],
        args=options,
        train_dataset=prompt_rows(samples, spec, options.wordings, options.direct_share, options.seed),
        processing_class=spec.processor,
        peft_config=lora(options),
        callbacks=[saver],
    )
    saver.trainer.train(resume_from_checkpoint=str(newest) if newest else None)
    return saver.finish()


if __name__ == "__main__":
    run(Options, main)
