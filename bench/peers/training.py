"""Parts of a GRPO step, and the step itself, beside stock parts."""

from dataclasses import replace
from tempfile import TemporaryDirectory

import numpy as np
import torch
from trl import GRPOTrainer

from bench.gpu.sizes import SIZES
from bench.gpu.step import prepared
from bench.peers.answers import pair, picture
from bench.peers.pairs import Way
from medreasoner.geometry import Grounding
from medreasoner.segmenters.base import SegmenterPrompt
from medreasoner.segmenters.sam2 import _prompt_tensors
from medreasoner.segmenters.sam2_model import decode
from train.mask_reward import MaskReward

GROUP = 16
STEP = replace(SIZES["tiny"], group=8, steps=1)


def mask_group() -> tuple[Way, Way]:
    """transformers' `Sam2Model` is given one prompt after the other, with as many passes."""
    image, segmenter = picture(), pair().segmenter
    reward = MaskReward(segmenter)
    places = [Grounding((300 - n, 200 - n, 600 + n, 500 + n), ((400, 300), (500, 400))) for n in range(GROUP)]
    encoded = segmenter.encode(image, pair().reasoner.encode(image).features)
    shares = torch.tensor([segmenter._side / side for side in image.size])
    prompts = [_prompt_tensors([SegmenterPrompt.of(place)], shares) for place in places]

    @torch.no_grad()
    def one_by_one() -> list[np.ndarray]:
        found = [decode(segmenter._model, encoded.maps, segmenter._passes, **prompt) for prompt in prompts]
        return [segmenter._mask(logits[0], image.size) for logits, _ in found]

    return lambda: reward([image] * GROUP, places, [image.size] * GROUP), one_by_one


def grpo_step(rewards: str = "mask") -> tuple[Way, Way]:
    """A group of eight answers about an image that the segmenter has not seen, scored by this set. The
    trainers live on."""
    folder = TemporaryDirectory()
    trainers = [prepared(STEP, "cpu", folder.name, each)[0] for each in (rewards, None)]

    def way(trainer: GRPOTrainer) -> Way:
        return lambda: (folder, trainer.train())

    return way(trainers[0]), way(trainers[1])
