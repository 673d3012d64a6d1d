"""Reinforcement learning of a CRM with TRL's GRPOTrainer, unmodified, and the rewards of `medreasoner.rewards`.

Is: one command from a model and a set of samples to a better model; killed, it goes on from its newest whole checkpoint. Its options are
TRL's own GRPOConfig and a few more; a recipe holds overrides only, the command line overrides the recipe.
Is not: a trainer. What would go wrong without a word is refused by `train/preflight.py` before the first step.

    python -m train.grpo --recipe train/recipes/embedded_grpo.yaml
    accelerate launch --config_file train/accelerate/zero3.yaml -m train.grpo --recipe train/recipes/qwen25vl7b_mask_zero3_vllm.yaml
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

from trl import GRPOConfig, GRPOTrainer

from medreasoner.rewards import SETS, reward_functions
from medreasoner.segmenters.registry import load_segmenter
from train.completion_sheets import CompletionSheets
from train.embedded.features import FeatureCache
from train.mask_reward import MAPS, MaskReward
from train.model_spec import ModelSpec, open_model_spec
from train.options import Shared, run
from train.preflight import PreflightError, check_run
from train.rows import fixed_frame, prompt_rows
from train.run import Checkpoints, finish, lora, newest_checkpoint, open_model, open_samples


@dataclass
class Options(Shared, GRPOConfig):
    """TRL's options and ours. What differs from TRL's defaults says why."""

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


def rewards_of(options: Options, subject: ModelSpec, side: int | None) -> tuple[list, list[float]]:
    """(reward functions, weights). Errors: PreflightError, SegmenterError."""
    paint = None
    if SETS[options.rewards].painted:
        if not options.segmenter:
            raise PreflightError(
                f"the reward set {options.rewards!r} scores masks: name a --segmenter, or choose another set"
            )
        maps = FeatureCache(Path(options.output_dir) / f"maps-{options.process_index}", MAPS)
        cached = [FeatureCache(cache) for cache in options.features]
        paint = MaskReward(
            load_segmenter(options.segmenter),
            [c for c in cached if (c.folder / f"{MAPS[0]}.f16").exists()] + [maps],
        )
    functions, weights = reward_functions(options.rewards, subject.frame, side and (side, side), paint)
    given = dict(zip((f.__name__ for f in functions), weights, strict=True))
    return functions, list(weighed(given, options.weigh).values())


def weighed(weights: dict[str, float], asked: str) -> dict[str, float]:
    """`weights` with those of "term=weight,…" put in. Errors: PreflightError for a term that is not there or a weight that is no number."""
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


def main(options: Options) -> Path:
    """Train; returns the folder with the model."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    subject = open_model_spec(options.model)
    resize, side = fixed_frame(subject.processor, subject.square)
    samples = open_samples(options)
    check_run(options, subject, side, len(samples) * options.wordings)
    functions, options.reward_weights = rewards_of(options, subject, side)
    album = CompletionSheets(
        Path(options.output_dir) / "completions", options.draw_every, subject.frame, side and (side, side)
    )
    newest = newest_checkpoint(Path(options.output_dir))
    saver = Checkpoints(subject.folder, samples, options.hub_model_id, options.hub_private_repo is not False)
    trainer = GRPOTrainer(
        model=open_model(options, subject.folder, newest),
        reward_funcs=[album.watch(functions[0]), *functions[1:]],
        args=options,
        train_dataset=prompt_rows(
            samples, subject.prompt, resize, options.wordings, options.direct_share, options.seed
        ),
        processing_class=subject.processor,
        peft_config=lora(options) if options.lora_rank else None,
        callbacks=[saver],
    )
    saver.trainer = trainer
    trainer.train(resume_from_checkpoint=str(newest) if newest else None)
    return finish(trainer, saver, options)


if __name__ == "__main__":
    run(Options, main)
