"""One pass of SAM 2's encoder serves reasoner and segmenter, in both architectures of the embedded pair."""

from pathlib import Path

import pytest
import torch
from transformers import AutoConfig

from medreasoner.geometry import EMBEDDED
from medreasoner.model import MedReasoner
from medreasoner.reasoners.registry import load_reasoner
from medreasoner.reasoners.shared_tower import shares_vision_tower
from medreasoner.segmenters.base import SegmenterPrompt
from tests import tiny, tiny_families, tiny_medreasoner
from tests.reasoners.small_models import QUESTION, picture

SHARING = {"llava": tiny.embedded, "medreasoner": tiny_medreasoner.folder}


@pytest.fixture(scope="module", params=SHARING)
def folder(request, tmp_path_factory) -> Path:
    return SHARING[request.param](tmp_path_factory.mktemp("shared") / request.param, max_new_tokens=12)


@pytest.fixture(scope="module")
def pair(folder) -> MedReasoner:
    return MedReasoner.from_pretrained(folder, device="cpu")


@pytest.fixture
def passes(pair):
    """How often the tower ran, one entry a pass."""
    seen = []
    tower = pair.reasoner._model.model.vision_tower
    hook = tower.get_input_embeddings().register_forward_hook(lambda *_: seen.append(1))
    yield seen
    hook.remove()


def test_the_segmenters_encoder_is_the_reasoners_tower_in_full_precision(pair):
    tower = pair.reasoner._model.model.vision_tower
    assert pair.segmenter._model.vision_encoder is tower
    assert {parameter.dtype for parameter in tower.parameters()} == {torch.float32}
    assert pair.reasoner.frame == EMBEDDED


def test_one_pass_serves_the_answer_and_the_mask(pair, passes):
    encoded = pair.reasoner.encode(picture())
    assert len(passes) == 1
    list(pair.reasoner.stream(encoded, QUESTION))
    maps = pair.segmenter.encode(picture(), encoded.features)
    mask, _ = pair.segmenter.segment(maps, SegmenterPrompt((20, 30, 150, 160), ((60, 80), (100, 120))))
    assert len(passes) == 1 and mask.shape == (200, 300)
    pair.segmenter.encode(picture())  # nothing to adopt
    assert len(passes) == 2


@pytest.mark.parametrize("size", [(300, 200), (2000, 1500)])
def test_shared_maps_draw_the_mask_that_the_segmenters_own_encoding_draws(pair, size):
    """Also of a photograph larger than most models are given."""
    image = picture(*size)
    shared = pair.segmenter.encode(image, pair.reasoner.encode(image).features)
    own = pair.segmenter.encode(image)
    for one, other in zip(shared.maps, own.maps, strict=True):
        assert torch.allclose(one, other, atol=1e-4)
    prompt = SegmenterPrompt((20, 30, 150, 160), ((60, 80), (100, 120)))
    masks = [pair.segmenter.segment(encoded, prompt)[0] for encoded in (shared, own)]
    assert (masks[0] == masks[1]).mean() > 0.999 and masks[0].shape == size[::-1]


def test_a_shared_encoding_writes_what_the_pixels_would(pair):
    reasoner = pair.reasoner
    encoded = reasoner.encode(picture())
    inputs = reasoner._inputs(encoded, QUESTION, think=True)
    assert "pixel_values" not in inputs
    pixels = reasoner._processor.image_processor(images=[picture()], return_tensors="pt")
    plain = {key: value for key, value in inputs.items() if key != "mm_encoder_outputs"}
    written = reasoner._model.generate(**inputs)
    assert torch.equal(written, reasoner._model.generate(**plain, **pixels))
    assert written.shape[1] > inputs["input_ids"].shape[1] + 3


def test_batches_say_what_each_question_would_get_alone(pair):
    asked = [
        (pair.reasoner.encode(picture(300, 200, seed)), question)
        for seed, question in ((1, "Which?"), (2, "Where is the kidney, on the left or on the right?"))
    ]
    alone = ["".join(pair.reasoner.stream(*one)) for one in asked]
    together = pair.reasoner.answer_batch(*zip(*asked, strict=True), at_once=2)
    assert [completion.text for completion in together] == alone


def test_another_tower_is_not_shared(tmp_path, folder):
    assert shares_vision_tower(AutoConfig.from_pretrained(folder))
    for build in (tiny_families.llava, tiny.qwen3_vl):
        other = build(tmp_path / build.__name__)
        assert not shares_vision_tower(AutoConfig.from_pretrained(other)), build
        assert load_reasoner(other, device="cpu").encode(picture()).features is None
