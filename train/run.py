"""What every training run opens: its samples, the model in the precision it is trained in, and a LoRA
adapter."""

from pathlib import Path

import torch
from peft import LoraConfig
from transformers import AutoModelForImageTextToText, PreTrainedModel, TrainingArguments

from medreasoner.data.load import load
from medreasoner.data.sample import Sample
from train.bf16 import rollout
from train.holdout import held_back_cases
from train.preflight import usable

# the language part's own linear layers, in every family: never the vision tower, whose layers may be called
# the same
LANGUAGE = (
    r"^(?!.*(vision|visual|multi_modal_projector|merger))"
    r".*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)$"
)


def open_samples(options: TrainingArguments) -> list[Sample]:
    """The samples of all sets that can be trained on, without the held-back ones if `hold_back` is set.

    Errors: DataError for a set that cannot be read at all, PreflightError for samples that cannot be used.
    """
    sets = [load(source, options.split) for source in options.data]
    samples = [sample for loaded in sets for sample in loaded]
    if options.hold_back:
        held = held_back_cases(sample.case for sample in samples)
        samples = [sample for sample in samples if sample.case not in held]
    samples = samples[: options.limit] if options.limit else samples
    return usable(samples, [str(row) for loaded in sets for row in loaded.skipped], options.skip_broken)


def open_model(options: TrainingArguments, folder: Path, checkpoint: Path | None) -> PreTrainedModel:
    """The model in the precision it is trained in, with the weights of `checkpoint` if one is given (see
    `newest_checkpoint`)."""
    init = {"dtype": torch.float32} | (options.model_init_kwargs or {})
    resumed = checkpoint is not None and not options.lora_rank
    model = AutoModelForImageTextToText.from_pretrained(checkpoint if resumed else folder, **init)
    if options.freeze_vision:
        tower = getattr(model.model, "vision_tower", None) or getattr(model.model, "visual", None)
        tower.requires_grad_(False)
    if options.use_cpu and options.bf16:
        model.generate = rollout(model)
    return model


def lora(options: TrainingArguments) -> LoraConfig | None:
    """The adapter to train on the language part, or None where all weights are trained."""
    if not options.lora_rank:
        return None
    return LoraConfig(
        r=options.lora_rank, lora_alpha=options.lora_alpha, target_modules=LANGUAGE, task_type="CAUSAL_LM"
    )
