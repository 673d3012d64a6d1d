"""The parts of transformers' `Sam2Model` one by one: preprocessing, the decoder's maps, and one or more
passes of the decoder.

Training goes through these; the segmenter draws the same masks by `sam2_decoder.py` where it can (a test).
"""

from collections.abc import Sequence

import torch
from PIL import Image
from transformers import CLIPImageProcessor, Sam2Model

CLIPPED_LOGITS = 32.0  # of a mask that is given to the decoder again, as in the `sam2` package


def image_processor(side: int) -> CLIPImageProcessor:
    """SAM 2's own preprocessing: a square of `side` pixels, bilinear, ImageNet statistics.

    A stock class stands in for Sam2ImageProcessor, whose `original_sizes` `generate` refuses inside
    GRPOTrainer.
    """
    return CLIPImageProcessor(
        size={"height": side, "width": side},
        do_center_crop=False,
        resample=Image.Resampling.BILINEAR,
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    )


def mask_inputs(model: Sam2Model, features: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """The three maps `Sam2Model.forward(image_embeddings=…)` takes, from its encoder's FPN maps, finest
    first.
    """
    fine, middle, coarse = features
    return [
        model.mask_decoder.conv_s0(fine),
        model.mask_decoder.conv_s1(middle),
        coarse + model.no_memory_embedding.reshape(1, -1, 1, 1),
    ]


def decode(
    model: Sam2Model,
    maps: list[torch.Tensor],
    passes: int = 1,
    multimask: bool = False,
    mask: torch.Tensor | None = None,
    **prompts: torch.Tensor | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mask logits (N, 1, S, S) and predicted IoU (N,) of one target in each of N images.

    With more than one of `passes` the mask of each pass is a further prompt of the next (Kirillov et al.
    2023, arXiv 2304.02643, appendix A), and the mean over all passes is returned.

    Args:
        maps: what the mask decoder reads, (N, C, H, W) each, see `mask_inputs`.
        multimask: choose the mask of highest predicted IoU out of three, or take the single one.
        mask: logits (N, 1, S, S) that the first pass is given as a prompt.
        prompts: `input_boxes` (N, 1, 4), `input_points` (N, 1, P, 2), `input_labels` (N, 1, P), in pixels of
            the model's input.
    """
    logits, scores, previous = [], [], mask
    for _ in range(passes):
        out = model(image_embeddings=maps, input_masks=previous, multimask_output=multimask, **prompts)
        best = out.iou_scores[:, 0].argmax(-1)
        each = torch.arange(len(best), device=best.device)
        logits.append(out.pred_masks[each, 0, best][:, None])
        scores.append(out.iou_scores[each, 0, best])
        previous = logits[-1].detach().clamp(-CLIPPED_LOGITS, CLIPPED_LOGITS)
    return torch.stack(logits).mean(0), torch.stack(scores).mean(0)
