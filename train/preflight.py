"""Checks before the first training step: what would otherwise fail late, or silently train nothing, is
refused with a reason and a remedy.

Looks at every sample (readable, mask of the image's size, question of a sane length), at where curves go, at
the length of SFT's rows and at the options of a GRPO run (groups, reward set, padding, image size and
tokens). The quality of the written answers is not checked.
"""

import sys
from collections.abc import Iterable, Sequence

from PIL import Image
from tqdm import tqdm
from transformers import TrainingArguments
from transformers.integrations import get_available_reporting_integrations
from trl import GRPOConfig

from medreasoner.data.sample import Sample, SampleError
from medreasoner.imaging.read import ImageError
from medreasoner.question import refuse
from medreasoner.rewards import SETS
from train.model_spec import ModelSpec

NAMED = 5  # so many unusable samples are named, the rest counted


class PreflightError(ValueError):
    """The run would fail, or go on and learn nothing; the message says why and what to do."""


def problem(sample: Sample) -> str | None:
    """What keeps a sample from being trained on, or None."""
    if refusal := refuse(sample.question):
        return refusal
    try:
        size = sample.load_image().size
        if sample.mask is not None and sample.load_mask().shape != size[::-1]:
            height, width = sample.load_mask().shape
            return f"its mask is {width} x {height}, its image {size[0]} x {size[1]}"
        if not sample.absent:
            sample.truth()
    except (ImageError, SampleError, OSError) as error:
        return str(error)
    return None


def usable(samples: Sequence[Sample], unread: Sequence[str], skip: bool) -> list[Sample]:
    """The samples that can be trained on.

    Args:
        unread: rows of the sets that could not even be read, as "file, row: reason".
        skip: leave the unusable ones out and say how many; else the run is refused and the first ones are
        named.

    Errors: PreflightError.
    """
    bar = tqdm(samples, desc="checking samples", mininterval=5)
    found = {n: f"{sample.id}: {why.rstrip('.')}" for n, sample in enumerate(bar) if (why := problem(sample))}
    broken, total = [*unread, *found.values()], len(samples) + len(unread)
    if broken:
        more = f"; and {len(broken) - NAMED} more" if len(broken) > NAMED else ""
        named = "; ".join(broken[:NAMED]) + more
        if not skip:
            raise PreflightError(
                f"{len(broken)} of {total} samples cannot be trained on: {named}. "
                "Mend them, or leave them out with --skip_broken"
            )
        print(f"left out {len(broken)} of {total} samples: {named}", file=sys.stderr)
    left = [sample for n, sample in enumerate(samples) if n not in found]
    if not left:
        raise PreflightError("no sample is left to train on; check --data and --split")
    return left


def check_reports(options: TrainingArguments) -> None:
    """Where the curves go must be installed. Errors: PreflightError."""
    known = {*get_available_reporting_integrations(), "none", "all"}
    wanted = [options.report_to] if isinstance(options.report_to, str) else options.report_to or []
    if missing := [name for name in wanted if name not in known]:
        raise PreflightError(
            f"--report_to {missing[0]} needs a package that is not installed: install {missing[0]}, or take "
            f"one of {', '.join(sorted(known - {'all'}))}"
        )


def check_length(max_length: int | None, lengths: Iterable[tuple[str, int]]) -> None:
    """No answer may be cut away, or nothing would be trained. Errors: PreflightError.

    Args:
        lengths: id of a sample, and tokens of its prompt with the image and its answer; read only where there
            is a limit.
    """
    if max_length is None:
        return
    name, longest = max(lengths, key=lambda each: each[1])
    if longest > max_length:
        raise PreflightError(
            f"{name} takes {longest} tokens with its image and its answer, and max_length {max_length} would "
            f"cut the answer. Leave --max_length out, or set it to {longest} or more"
        )


def check_run(options: GRPOConfig, spec: ModelSpec, rows: int) -> None:
    """Refuse options of a GRPO run that do not fit each other, the model or the number of rows. Errors:
    PreflightError."""
    check_groups(options, rows)
    check_rewards(options)
    if spec.processor.tokenizer.pad_token_id is None:
        raise PreflightError("the tokenizer has no padding token; set pad_token in tokenizer_config.json")
    check_size(options, spec)
    if spec.side is not None:
        check_tokens(options, spec)


def check_groups(options: GRPOConfig, rows: int) -> None:
    """There must be a prompt for each group of a step: TRL drops what is left over, and would silently
    train nothing."""
    groups = options.generation_batch_size // options.num_generations
    if rows < groups:
        raise PreflightError(
            f"a step takes {groups} prompts and there are {rows}: nothing would be trained. "
            "Use more samples, more --wordings, or a smaller batch"
        )


def check_rewards(options: GRPOConfig) -> None:
    """The reward set must exist and must not punish answers that were asked for."""
    if options.rewards not in SETS:
        raise PreflightError(f"there is no reward set {options.rewards!r}; expected one of {', '.join(SETS)}")
    if SETS[options.rewards].always_thinking and options.direct_share:
        raise PreflightError(
            f"{options.rewards} rewards a think block even where an answer without one was asked for, so the "
            "model would forget to answer directly. Set direct_share to 0, or take the rewards mask"
        )


def check_size(options: GRPOConfig, spec: ModelSpec) -> None:
    """Where images keep varying sizes, neither vLLM nor coordinates in pixels of the input can be used."""
    if spec.side is not None:
        return
    remedy = 'give the model a fixed size, "square": 840 for example, in its medreasoner.json'
    if options.use_vllm:
        raise PreflightError(f"images of mixed sizes corrupt prompts in vLLM (trl#6401): {remedy}")
    if spec.frame.limit is None:
        raise PreflightError(
            "the model writes coordinates in pixels of the image as it sees it, and images enter it in "
            f"varying sizes, which the rewards do not know: {remedy}"
        )


def check_tokens(options: GRPOConfig, spec: ModelSpec) -> None:
    """The tokens of a prompt as the processor counts them, against what the rollout engine would count and
    has room for."""
    inputs = spec.inputs(Image.new("RGB", (spec.side, spec.side)), "Where?")
    length = inputs["input_ids"].shape[-1]
    image_token = getattr(spec.processor, "image_token_id", None)
    tokens = int((inputs["input_ids"] == image_token).sum()) if image_token is not None else 0
    if "image_grid_thw" in inputs:
        images = spec.processor.image_processor
        unit = images.patch_size * images.merge_size
        expected = (spec.side / unit) ** 2
        if tokens != expected:
            raise PreflightError(
                f"the processor makes {tokens} image tokens of a {spec.side} x {spec.side} image, a rollout "
                f"engine {expected:g}: prompts would be silently corrupted. Choose a multiple of {unit}, "
                "within the processor's size limits, as square in medreasoner.json"
            )
    room = options.vllm_max_model_length if options.use_vllm else None
    if room and length + options.max_completion_length > room:
        raise PreflightError(
            f"a prompt has {length} tokens, {tokens} of them image, and a completion may have "
            f"{options.max_completion_length}: more than vllm_max_model_length {room}. Raise it, or make the "
            "image smaller"
        )
