"""One LoRA step of GRPO by TRL's trainer: with our rows, rewards and masks, and as TRL's example script
`grpo_vlm` sets the trainer up, with the same model, images, prompts and options."""

import io
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from datasets import Dataset
from PIL import Image, ImageDraw
from transformers import TrainerCallback
from trl import GRPOConfig, GRPOTrainer
from trl.rewards import think_format_reward

from bench.gpu.answers import IMAGE, QUESTION, picture
from bench.gpu.clock import forget_peak, now, peak_gib
from bench.gpu.models import FAMILY, PROMPT, build_qwen, segmenter_of
from bench.gpu.sizes import Size
from medreasoner.data.sample import Sample
from medreasoner.reasoners.image_size import InputSize
from medreasoner.rewards import reward_functions
from train.grpo import Options, fixed_wh
from train.mask_reward import MaskReward
from train.model_spec import ModelSpec
from train.options import read_recipe
from train.rows import prompt_rows
from train.run import lora

RECIPE = Path("train/recipes/qwen25vl7b_mask_lora_24gb.yaml")
OF_FILES = ("command", "model", "data", "segmenter", "rewards", "model_init_kwargs")  # not of the step


class NewImages(MaskReward):
    """Encodes the image in every step, as if it were another one, which it is in training."""

    def __call__(self, *given: object) -> list[np.ndarray]:
        self._memory.clear()
        return super().__call__(*given)


class StepTimes(TrainerCallback):
    """Seconds of each optimiser step, and of the rollouts and rewards within it."""

    def __init__(self, device: str) -> None:
        self.device, self.steps = device, []

    def on_step_begin(self, *_: object, **__: object) -> None:
        self.steps.append({"rollout": 0.0, "reward": 0.0, "begun": now(self.device)})

    def on_step_end(self, *_: object, **__: object) -> None:
        self.steps[-1]["whole"] = now(self.device) - self.steps[-1].pop("begun")

    def timed(self, part: str, work: Callable) -> Callable:
        """`work`, whose seconds are added to `part` of the step under way."""

        def run(*given: object, **named: object) -> object:
            started = now(self.device)
            result = work(*given, **named)
            self.steps[-1][part] += now(self.device) - started
            return result

        return run


def sample() -> Sample:
    """The question about the image, with a mask in its middle."""
    width, height = Image.open(IMAGE).size
    mask, data = Image.new("L", (width, height)), io.BytesIO()
    ImageDraw.Draw(mask).ellipse((width // 4, height // 4, width // 2, height // 2), fill=255)
    mask.save(data, "PNG")
    return Sample("0", IMAGE, data.getvalue(), QUESTION, "ultrasound", "lesion", "0")


def options_of(size: Size, device: str, folder: str) -> Options:
    """The recipe's options, for one group a step of `size`."""
    recipe = {key: value for key, value in read_recipe(RECIPE).items() if key not in OF_FILES}
    on_cpu = device == "cpu"
    step = {
        "num_generations": size.group,
        "gradient_accumulation_steps": size.group,
        "max_completion_length": size.room,
        "max_steps": size.steps,
        "output_dir": folder,
        "save_strategy": "no",
        "report_to": "none",
        "use_cpu": on_cpu,
        "bf16": not on_cpu,
        "disable_tqdm": True,
    }
    return Options(**recipe | step)


def ours(spec: ModelSpec, options: GRPOConfig, device: str, rewards: str) -> dict:
    """What `train.grpo` gives the trainer: the reward functions of the set `rewards`, and rows."""
    functions, options.reward_weights = reward_functions(
        rewards, spec.frame, fixed_wh(spec), NewImages(segmenter_of(device))
    )
    return {"reward_funcs": functions, "train_dataset": prompt_rows([sample()] * 4, spec)}


def stock(spec: ModelSpec) -> dict:
    """What TRL's example gives it: its own reward for the form of the reasoning, rows of prompt and image."""
    row = prompt_rows([sample()], spec)[0]
    rows = {"prompt": [row["prompt"]] * 4, "image": [spec.resize(picture())] * 4}
    return {"reward_funcs": [think_format_reward], "train_dataset": Dataset.from_dict(rows)}


def prepared(size: Size, device: str, folder: str, rewards: str | None) -> tuple[GRPOTrainer, StepTimes]:
    """A trainer that is ready for its steps, and what will say how long they took.

    Args:
        rewards: a set of ours; None for what TRL's example has.
    """
    model, processor = build_qwen(size, device)
    spec = ModelSpec(Path(), processor, PROMPT, FAMILY.frame, InputSize(square=size.side))
    times, options = StepTimes(device), options_of(size, device, folder)
    parts = ours(spec, options, device, rewards) if rewards else stock(spec)
    trainer = GRPOTrainer(
        model=model,
        args=options,
        processing_class=processor,
        peft_config=lora(options),
        callbacks=[times],
        **parts,
    )
    trainer._generate = times.timed("rollout", trainer._generate)
    trainer._calculate_rewards = times.timed("reward", trainer._calculate_rewards)
    return trainer, times


def step(size: Size, device: str, rewards: str | None) -> dict[str, float | None]:
    """Seconds of the last step and its parts; the rest after rollout and reward is the update."""
    forget_peak(device)
    with TemporaryDirectory() as folder:
        trainer, times = prepared(size, device, folder, rewards)
        trainer.train()
    log, last = trainer.state.log_history[0], times.steps[-1]
    update = last["whole"] - last["rollout"] - last["reward"]
    shares = {"rollout": last["rollout"], "reward": last["reward"], "update": update}
    return {
        "step, s": last["whole"],
        **{f"{name}, share": seconds / last["whole"] for name, seconds in shares.items()},
        "tokens of a completion": log["completions/mean_length"],
        "completions cut off, share": log["completions/clipped_ratio"],
        "peak memory, GiB": peak_gib(device),
    }
