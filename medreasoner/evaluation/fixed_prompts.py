"""What the segmenter alone is worth: masks from the true box and points, from the true box, and from fixed
boxes."""

from medreasoner.evaluation.adapters import CachingSegmenter, draws_from
from medreasoner.evaluation.answer_scores import Scores
from medreasoner.evaluation.controls import centre_box, whole_box
from medreasoner.evaluation.opened_sample import OpenedSample
from medreasoner.evaluation.scoring import mask_scores
from medreasoner.segmenters.base import Segmenter, SegmenterError, SegmenterPrompt


def masks_without_model(opened: OpenedSample, segmenter: Segmenter) -> dict[str, Scores]:
    """Scores of the masks by the control's name (`columns.CONTROLS`), of the prompts that this segmenter can
    draw from; {} where there is no true mask or no segmenter. The image has been encoded by now, so each
    costs one decode."""
    if opened.mask is None or opened.truth is None or not isinstance(segmenter, CachingSegmenter):
        return {}
    size, possible = opened.image.size, draws_from(segmenter.segmenter)
    prompts = {
        "oracle": ("both", SegmenterPrompt.of(opened.truth)),
        "oracle_box": ("box", SegmenterPrompt(opened.truth.box)),
        "whole_image": ("box", SegmenterPrompt(whole_box(size))),
        "centre_box": ("box", SegmenterPrompt(centre_box(size))),
    }
    return {
        name: _scores(opened, segmenter, prompt)
        for name, (kind, prompt) in prompts.items()
        if kind in possible
    }


def _scores(opened: OpenedSample, segmenter: CachingSegmenter, prompt: SegmenterPrompt) -> Scores:
    try:
        mask, _ = segmenter.segmenter.segment(segmenter.encode(opened.image), prompt)
    except SegmenterError:
        mask = None
    return Scores(**mask_scores(opened, mask))
