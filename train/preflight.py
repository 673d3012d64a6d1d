"""What would go wrong silently, refused before the first step, with the reason and the remedy.

Is: a look at every sample (can it be read, has it a mask, is its question of a sane length) and at the run's options (padding, image sizes,
image tokens, group size). Is not: a check of the answers' quality.
"""

import sys
from collections.abc import Sequence

from tqdm import tqdm

from medreasoner.data.sample import Sample, SampleError
from medreasoner.imaging import ImageError
from medreasoner.pipeline import refuse
from medreasoner.rewards import SETS

NAMED = 5  # so many broken samples are named, the rest counted


class PreflightError(ValueError):
    """The run would fail, or worse, go on and learn nothing; the message says why and what to do."""


def flaw(sample: Sample) -> str | None:
    """What keeps a sample from being trained on, or None."""
    if refusal := refuse(sample.question):
        return refusal
    try:
        size = sample.load_image().size
        if sample.mask is not None and sample.load_mask().shape != size[::-1]:
            return f"its mask is {sample.load_mask().shape[1]} x {sample.load_mask().shape[0]}, its image {size[0]} x {size[1]}"
        sample.truth()
    except (ImageError, SampleError, OSError) as error:
        return str(error)
    return None


def usable(samples: Sequence[Sample], unread: Sequence[str], skip: bool) -> list[Sample]:
    """The samples that can be trained on.

    Args:
        unread: rows of the sets that could not even be read, as "file, row: reason".
        skip: leave the others out and say how many; else the first ones are named and the run is refused.

    Errors: PreflightError.
    """
    looked = tqdm(samples, desc="looking at samples", mininterval=5)
    found = {n: f"{sample.id}: {why.rstrip('.')}" for n, sample in enumerate(looked) if (why := flaw(sample))}
    broken, total = [*unread, *found.values()], len(samples) + len(unread)
    if broken:
        more = f"; and {len(broken) - NAMED} more" if len(broken) > NAMED else ""
        named = "; ".join(broken[:NAMED]) + more
        if not skip:
            raise PreflightError(
                f"{len(broken)} of {total} samples cannot be trained on: {named}. Mend them, or leave them out with --skip_broken"
            )
        print(f"left out {len(broken)} of {total} samples: {named}", file=sys.stderr)
    kept = [sample for n, sample in enumerate(samples) if n not in found]
    if not kept:
        raise PreflightError("no sample is left to train on; check --data and --split")
    return kept


def check_run(options, subject, side: int | None, rows: int) -> None:
    """Refuse options that do not fit each other, the model or the number of rows. Errors: PreflightError."""
    check_groups(options, rows)
    if options.rewards not in SETS:
        raise PreflightError(f"there is no reward set {options.rewards!r}; expected one of {', '.join(SETS)}")
    if SETS[options.rewards].always_thinking and options.direct_share:
        raise PreflightError(
            f"{options.rewards} pays for a think block even where an answer without one was asked for, so the model would forget to answer "
            "directly. Set direct_share to 0, or take the rewards mask"
        )
    tokenizer = subject.processor.tokenizer
    if tokenizer.padding_side != "left":
        raise PreflightError(
            f"the tokenizer pads on the {tokenizer.padding_side}, which shifts image tokens in a batch without a word; "
            "set padding_side='left' in tokenizer_config.json"
        )
    if tokenizer.pad_token_id is None:
        raise PreflightError("the tokenizer has no padding token; set pad_token in tokenizer_config.json")
    if options.use_vllm and side is None:
        raise PreflightError(
            "images of mixed sizes corrupt prompts in vLLM (trl#6401): give the model a fixed size, "
            '"square": 840 for example, in its medreasoner.json'
        )
    check_tokens(options, subject, side)


def check_groups(options, rows: int) -> None:
    """There must be a prompt for each group of a step: TRL drops what is left over, and would train nothing without a word."""
    groups = options.generation_batch_size // options.num_generations
    if rows < groups:
        raise PreflightError(
            f"a step takes {groups} prompts and there are {rows}: nothing would be trained. "
            "Use more samples, more --wordings, or a smaller batch"
        )


def check_tokens(options, subject, side: int | None) -> None:
    """The image tokens of a prompt as the processor counts them, against what the rollout engine would count and has room for."""
    if side is None:
        return
    from PIL import Image

    from medreasoner.prompts import messages

    picture = Image.new("RGB", (side, side))
    chat = messages(subject.prompt.text("Where?"), subject.prompt.system)
    chat[-1]["content"][0]["image"] = picture
    inputs = subject.processor.apply_chat_template(
        chat,
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        processor_kwargs={"return_tensors": "pt"},
    )
    length = inputs["input_ids"].shape[-1]
    image_token = getattr(subject.processor, "image_token_id", None)
    tokens = int((inputs["input_ids"] == image_token).sum()) if image_token is not None else 0
    if "image_grid_thw" in inputs:
        images = subject.processor.image_processor
        unit = images.patch_size * images.merge_size
        if tokens != (side / unit) ** 2:
            raise PreflightError(
                f"the processor makes {tokens} image tokens of a {side} x {side} image, a rollout engine {(side / unit) ** 2:g}: prompts "
                f"would be corrupted without a word. Choose a multiple of {unit}, within the processor's size limits, as square in "
                "medreasoner.json"
            )
    if (
        options.use_vllm
        and options.vllm_max_model_length
        and length + options.max_completion_length > options.vllm_max_model_length
    ):
        raise PreflightError(
            f"a prompt has {length} tokens, {tokens} of them image, and a completion may have {options.max_completion_length}: more than "
            f"vllm_max_model_length {options.vllm_max_model_length}. Raise it, or make the image smaller"
        )
