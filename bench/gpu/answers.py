"""Answers of the big model through the library: one streamed with its mask, and a batch; and
those of the embedded pair."""

import statistics

from PIL import Image

from bench.gpu.clock import forget_peak, now, peak_gib
from bench.gpu.models import build_qwen, reasoner_of, segmenter_of
from bench.gpu.sizes import Size
from medreasoner import MedReasoner
from medreasoner.events import Done
from medreasoner.manifest import EMBEDDED_FOLDER

IMAGE = EMBEDDED_FOLDER.parent / "examples" / "busi_benign__157.jpg"
QUESTION = "Which part of this breast scan would you put the biopsy needle into?"


def picture() -> Image.Image:
    """The image that every part is asked about, 1024 x 768."""
    return Image.open(IMAGE).convert("RGB").resize((1024, 768))


def streamed(pair: MedReasoner, runs: int) -> dict[str, float]:
    """Medians of `runs` streamed answers, after one that is not counted."""
    done = [[*pair.stream(picture(), QUESTION)][-1] for _ in range(runs + 1)][1:]
    failed = [each for each in done if not isinstance(each, Done)]
    if failed:
        raise ValueError(f"the run was to end with a mask, and ended with {failed[0]}")
    middle = statistics.median
    return {
        "image read, s": middle(each.timings_s["read"] for each in done),
        "first token, s": middle(each.timings_s["first_token"] for each in done),
        "tokens a second": middle(each.tokens_per_s for each in done),
        "mask after the last token, s": middle(each.timings_s["mask_after_last_token"] for each in done),
        "whole run, s": middle(each.timings_s["total"] for each in done),
    }


def one_answer(size: Size, device: str, attention: str) -> dict[str, float | None]:
    """One answer streamed through `VlmReasoner` with a mask, by torch's fused attention ("sdpa") or by plain
    products ("eager")."""
    forget_peak(device)
    started = now(device)
    model, processor = build_qwen(size, device, attention)
    built = now(device) - started
    pair = MedReasoner(reasoner_of(model, processor, size), segmenter_of(device))
    found = streamed(pair, size.runs)
    return {"model built, s": built, **found, "peak memory, GiB": peak_gib(device)}


def batch(size: Size, device: str) -> dict[str, float | None]:
    """`size.batch` answers in one `generate`."""
    forget_peak(device)
    reasoner = reasoner_of(*build_qwen(size, device), size)
    images = [reasoner.encode(picture())] * size.batch
    seconds, written = [], 0
    for _ in range(size.runs + 1):
        started = now(device)
        answers = [*reasoner.answer_batch(images, [QUESTION] * size.batch, at_once=size.batch)]
        seconds.append(now(device) - started)
        written = sum(each.tokens_out for each in answers)
    middle = statistics.median(seconds[1:])
    return {
        "answers at once": size.batch,
        "tokens of a prompt": answers[0].tokens_in,
        "tokens a second, all together": written / middle,
        "answers a minute": 60 * size.batch / middle,
        "peak memory, GiB": peak_gib(device),
    }


def embedded(size: Size, device: str) -> dict[str, float | None]:
    """The embedded pair: its encoder, and an answer."""
    forget_peak(device)
    pair, image, seconds = MedReasoner.from_pretrained(device=device), picture(), []
    for _ in range(size.runs + 1):
        started = now(device)
        pair.reasoner.encode(image)
        seconds.append(now(device) - started)
    found = streamed(pair, size.runs)
    return {"encode, s": statistics.median(seconds[1:]), **found, "peak memory, GiB": peak_gib(device)}
