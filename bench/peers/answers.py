"""Answers of the embedded weights through the library, beside transformers' `generate` to its end followed by
`SAM2ImagePredictor`, in the order of the published system (arXiv 2508.08177)."""

import threading
from functools import cache

import torch
from PIL import Image

from bench.latency import QUESTION, plain_seconds, streamed_seconds
from bench.peers.pairs import Way
from medreasoner import MedReasoner
from medreasoner.answer import parse
from medreasoner.answer_in_pixels import in_pixels
from medreasoner.events import Done, Thinking
from medreasoner.image_cache import ImageCache
from medreasoner.manifest import EMBEDDED_FOLDER
from medreasoner.reasoners.base import EncodedImage
from medreasoner.segmenters.base import SegmenterPrompt
from medreasoner.segmenters.sam2_package import PackageSegmenter, build
from train.model_spec import ModelSpec, open_model_spec

IMAGE = EMBEDDED_FOLDER.parent / "examples" / "busi_benign__157.jpg"


@cache
def pair() -> MedReasoner:
    return MedReasoner.from_pretrained(device="cpu")


@cache
def package() -> PackageSegmenter:
    """SAM 2 hiera-tiny of the `sam2` package at 512 px, random weights: `set_image` and `predict` of its
    `SAM2ImagePredictor`, nothing else."""
    torch.manual_seed(0)
    return PackageSegmenter(build("2"), "sam2 package")


@cache
def spec() -> ModelSpec:
    return open_model_spec(EMBEDDED_FOLDER)


@cache
def picture() -> Image.Image:
    """The image of every row, 1024 x 768."""
    return Image.open(IMAGE).convert("RGB").resize((1024, 768))


def generated() -> str:
    """What transformers' `generate` writes, once it has ended."""
    inputs = spec().inputs(spec().resize(picture()), QUESTION)
    with torch.no_grad():
        tokens = pair().reasoner._model.generate(**inputs)
    return spec().processor.tokenizer.decode(tokens[0, inputs["input_ids"].shape[1] :])


def published_order() -> None:
    """The whole text, then the numbers in it, then the segmenter's encoder, then its mask."""
    parsed = parse(generated())
    resized = spec().resize(picture())
    encoded = EncodedImage(resized, spec().input_wh(resized))
    grounding, _ = in_pixels(parsed.answer, encoded, spec().frame, picture().size)
    package().segment(package().encode(picture()), SegmenterPrompt.of(grounding))


def click_to_mask() -> tuple[Way, Way]:
    def ours() -> None:
        *_, last = pair().stream(picture(), QUESTION)
        if not isinstance(last, Done):
            raise ValueError(f"the run was to end with a mask, and ended with {last}")

    return ours, published_order


def first_word() -> tuple[Way, Way]:
    cached = ImageCache()
    pair().prepare(picture(), cached)

    def ours() -> None:
        events = pair().stream(picture(), QUESTION, stop=threading.Event(), cache=cached)
        next(event for event in events if isinstance(event, Thinking) and event.text)
        events.close()

    return ours, generated


def tokens() -> tuple[Way, Way]:
    encoded = pair().reasoner.encode(picture())
    return lambda: streamed_seconds(pair(), encoded), lambda: plain_seconds(pair(), encoded)


def encode() -> tuple[Way, Way]:
    """The maps that a mask is drawn from, both ways."""
    return lambda: pair().segmenter.encode(picture()), lambda: package().encode(picture())


def encode_for_both() -> tuple[Way, Way]:
    """Ours gives the reasoner's image tokens too, for which the last stage runs twice."""

    def ours() -> None:
        encoded = pair().reasoner.encode(picture())
        pair().segmenter.encode(picture(), encoded.features)

    return ours, lambda: package().encode(picture())
