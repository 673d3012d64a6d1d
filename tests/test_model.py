"""A model by its Hub id: one repository, two, or an adapter on its base; pinned, verified, offline; and refused where parts do not fit."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText

from medreasoner.events import Done
from medreasoner.geometry import INPUT_PIXELS, THOUSAND
from medreasoner.hub.push import push_folder
from medreasoner.manifest import Manifest
from medreasoner.model import MedReasoner
from medreasoner.prompts import Prompt, prompt_for
from medreasoner.reasoners.base import ReasonerError
from medreasoner.reasoners.registry import load_reasoner
from medreasoner.segmenters import registry as segmenter_registry
from medreasoner.segmenters.base import MEDSAM2, SegmenterError, SegmenterPrompt
from medreasoner.segmenters.registry import PICKLED, load_segmenter
from tests import tiny, upstream
from tests.hub_server import USER, Hub

PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8))
QUESTION = "What on this image explains the cough?"


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> Path:
    return tiny.embedded(tmp_path_factory.mktemp("models") / "pair", script=tiny.SCRIPT)


@pytest.fixture(scope="module")
def qwen(tmp_path_factory) -> Path:
    return upstream.lingshu(tmp_path_factory.mktemp("models") / "lingshu", script=tiny.SCRIPT)


@pytest.fixture(scope="module")
def medsam2(tmp_path_factory) -> Path:
    return upstream.medsam2(tmp_path_factory.mktemp("models") / "MedSAM2_latest.pt")


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with Hub(redirect=True) as hub:
        hub.connect(monkeypatch, tmp_path / "home")
        yield hub


@pytest.fixture
def copy(tmp_path):
    """A folder to spoil."""
    return lambda folder: Path(shutil.copytree(folder, tmp_path / "copy"))


def said(folder: Path | str) -> str:
    reasoner = load_reasoner(folder, device="cpu")
    return "".join(reasoner.stream(reasoner.encode(PICTURE), QUESTION))


def test_reasoner_and_segmenter_of_one_repository_load_by_its_id(hub, pair):
    commit = push_folder(pair, f"{USER}/pair").commit
    model = MedReasoner.from_pretrained(f"{USER}/pair", device="cpu")
    done = model.ground(PICTURE, QUESTION)
    assert (done.model, done.segmenter) == (f"{USER}/pair", f"{USER}/pair/segmenter")
    assert (model.revision, model.segmenter_revision) == (commit, commit)
    assert (
        done.grounding == MedReasoner.from_pretrained(pair, device="cpu").ground(PICTURE, QUESTION).grounding
    )


def test_a_commit_pins_the_model_and_it_runs_without_a_network(hub, pair, copy, monkeypatch):
    first = push_folder(pair, f"{USER}/pair").commit
    changed = copy(pair)
    (changed / "prompt.json").write_text(
        json.dumps({"think": "Otherwise: {question}", "direct": "{question}"})
    )
    second = push_folder(changed, f"{USER}/pair").commit
    assert MedReasoner.from_pretrained(f"{USER}/pair", device="cpu").revision == second != first
    pinned = MedReasoner.from_pretrained(f"{USER}/pair", device="cpu", revision=first)
    assert pinned.revision == first and pinned.reasoner.prompt == Prompt.load(pair / "prompt.json")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    again = MedReasoner.from_pretrained(f"{USER}/pair", device="cpu", revision=first)
    assert again.revision == first and isinstance(again.ground(PICTURE, QUESTION), Done)


def test_a_folder_of_ones_own_has_no_revision(pair):
    model = MedReasoner.from_pretrained(pair, device="cpu")
    assert model.revision is None and model.segmenter_revision is None and model.folder == pair


def test_two_repositories_make_a_pair_and_a_model_can_name_its_segmenter(hub, qwen, copy, tmp_path):
    push_folder(qwen, f"{USER}/reasoner")
    masks = push_folder(tiny.segmenter(tmp_path / "segmenter"), f"{USER}/segmenter").commit
    model = MedReasoner.from_pretrained(f"{USER}/reasoner", segmenter=f"{USER}/segmenter", device="cpu")
    assert (
        model.segmenter_revision == masks and model.ground(PICTURE, QUESTION).segmenter == f"{USER}/segmenter"
    )
    named = copy(qwen)
    (named / "medreasoner.json").write_text(json.dumps({"format": 1, "segmenter": f"{USER}/segmenter"}))
    assert MedReasoner.from_pretrained(named, device="cpu").segmenter.name == f"{USER}/segmenter"
    shutil.copytree(tmp_path / "segmenter", named / "own")
    (named / "medreasoner.json").write_text(json.dumps({"format": 1, "segmenter": "own"}))
    assert MedReasoner.from_pretrained(named, device="cpu").segmenter.name == f"{named}/own"


@pytest.mark.slow
def test_lingshu_and_medsam2_as_published_ground_an_image_by_their_ids(
    hub, qwen, medsam2, monkeypatch, tmp_path
):
    """The published layouts from end to end, with nothing of ours beside them; the pickle is opened once, then never again."""
    hub.namespaces += ["lingshu-medical-mllm", "wanglab"]
    push_folder(qwen, "lingshu-medical-mllm/Lingshu-7B")
    commit = push_folder(medsam2.parent, "wanglab/MedSAM2", files=[medsam2.name]).commit
    with monkeypatch.context() as first:
        first.setattr(
            "medreasoner.segmenters.pickled.read_pickle",
            lambda path: pytest.fail("a pickle that nobody knows was opened"),
        )
        with pytest.raises(
            SegmenterError,
            match="MedSAM2_latest.pt is not the file that is known .* expected the SHA-256 c92743b99f00…",
        ):
            MedReasoner.from_pretrained("lingshu-medical-mllm/Lingshu-7B", device="cpu")
    monkeypatch.setitem(PICKLED, MEDSAM2, (medsam2.name, hashlib.sha256(medsam2.read_bytes()).hexdigest()))
    model = MedReasoner.from_pretrained("lingshu-medical-mllm/Lingshu-7B", device="cpu")
    done = model.ground(PICTURE, QUESTION)
    assert (done.model, done.segmenter, model.segmenter_revision) == (
        "lingshu-medical-mllm/Lingshu-7B",
        "wanglab/MedSAM2",
        commit,
    )
    assert model.reasoner._model.dtype == torch.bfloat16 and model.reasoner.frame == INPUT_PIXELS
    assert model.reasoner.encode(PICTURE).input_wh == (840, 840)
    # 64..192 of 840 pixels, in an image of 128 x 96
    assert done.grounding.box == pytest.approx(
        (64 * 128 / 840, 32 * 96 / 840, 192 * 128 / 840, 128 * 96 / 840), abs=0.01
    )
    assert done.mask.shape == (96, 128) and done.mask.dtype == bool
    (kept,) = (tmp_path / "home" / "medreasoner" / "segmenters").iterdir()
    original = torch.load(medsam2, weights_only=True)["model"]
    assert all(torch.equal(value, original[key]) for key, value in load_file(kept).items()) and len(
        load_file(kept)
    ) == len(original)
    monkeypatch.setattr(
        "medreasoner.segmenters.pickled.read_pickle", lambda path: pytest.fail("the pickle was opened again")
    )
    monkeypatch.setattr(
        "medreasoner.segmenters.sam2_package.read_pickle",
        lambda path: pytest.fail("the pickle was opened again"),
    )
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    encoded = (again := load_segmenter("wanglab/MedSAM2", device="cpu")).encode(PICTURE)
    assert (again.segment(encoded, SegmenterPrompt.of(done.grounding))[0] == done.mask).all()
    monkeypatch.setitem(PICKLED, MEDSAM2, (medsam2.name, "of another file"))
    with pytest.raises(SegmenterError, match="is not the file that is known"):
        load_segmenter("wanglab/MedSAM2", device="cpu")
    asked = {"segmenter": "wanglab/MedSAM2", "segmenter_revision": commit, "allow_pickle": True}
    assert (
        MedReasoner.from_pretrained(
            "lingshu-medical-mllm/Lingshu-7B", device="cpu", **asked
        ).segmenter_revision
        == commit
    )


def test_a_pickle_one_names_needs_leave(pair, tmp_path):
    (tmp_path / "own.pt").write_bytes(b"x")
    with pytest.raises(SegmenterError, match="allow_pickle"):
        MedReasoner.from_pretrained(pair, segmenter=tmp_path / "own.pt", device="cpu")
    with pytest.raises(SegmenterError, match="more than tensors"):
        MedReasoner.from_pretrained(pair, segmenter=tmp_path / "own.pt", device="cpu", allow_pickle=True)


@pytest.fixture(scope="module")
def adapter(tmp_path_factory, qwen) -> Path:
    """A LoRA adapter on `qwen` with weights that change what it writes, in the folder PEFT saves."""
    torch.manual_seed(0)
    base = AutoModelForImageTextToText.from_pretrained(qwen, dtype=torch.float32)
    adapted = get_peft_model(base, LoraConfig(r=4, target_modules=["q_proj", "lm_head"]))
    for name, value in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(value, std=0.5)
    folder = tmp_path_factory.mktemp("models") / "adapter"
    adapted.save_pretrained(folder)
    return folder


def based_on(adapter: Path, base: str, **more: object) -> Path:
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(
        json.dumps({**config, "base_model_name_or_path": base, **more})
    )
    return adapter


def test_an_adapter_loads_on_its_base_and_says_what_peft_says(hub, qwen, adapter, copy):
    from peft import PeftModel

    base = push_folder(qwen, f"{USER}/base").commit
    mine = based_on(copy(adapter), f"{USER}/base", revision=base)
    commit = push_folder(mine, f"{USER}/adapter").commit
    reasoner = load_reasoner(f"{USER}/adapter", device="cpu")
    assert reasoner.revision == commit and reasoner.name == f"{USER}/adapter"
    plain = AutoModelForImageTextToText.from_pretrained(qwen, dtype=torch.bfloat16)
    expected = PeftModel.from_pretrained(plain, str(mine)).merge_and_unload().state_dict()
    loaded = reasoner._model.state_dict()
    assert loaded.keys() == expected.keys() and all(torch.equal(loaded[key], expected[key]) for key in loaded)
    assert not torch.equal(
        loaded["lm_head.weight"], load_reasoner(qwen, device="cpu")._model.state_dict()["lm_head.weight"]
    )


def test_an_adapters_own_prompt_goes_before_its_bases(qwen, adapter, copy):
    mine = based_on(copy(adapter), str(qwen))
    (mine / "prompt.json").write_text(json.dumps(tiny.PROMPT))
    (mine / "medreasoner.json").write_text(
        Manifest(square=112, prompt_sha256=Prompt.load(mine / "prompt.json").sha256).dumps()
    )
    reasoner = load_reasoner(mine, device="cpu")
    assert reasoner.prompt.think == tiny.PROMPT["think"] and reasoner.encode(PICTURE).input_wh == (112, 112)


def other_shape(folder: Path) -> None:
    state = load_file(folder / "adapter_model.safetensors")
    save_file(
        {key: value[:2] if "lora_A" in key else value for key, value in state.items()},
        folder / "adapter_model.safetensors",
    )


def without_half(folder: Path) -> None:
    state = load_file(folder / "adapter_model.safetensors")
    save_file(
        {key: value for key, value in state.items() if "lora_B" not in key},
        folder / "adapter_model.safetensors",
    )


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda f: based_on(f, "nobody/base"), "adapter .* stands on nobody/base: .*no repository"),
        (lambda f: based_on(f, ""), "base_model_name_or_path"),
        (lambda f: (f / "adapter_model.safetensors").unlink(), "no adapter_model.safetensors"),
        (
            lambda f: (f / "adapter_model.safetensors").write_bytes(b"x" * 40),
            "does not fit its base model: .*[Hh]eader",
        ),
        (other_shape, "does not fit its base model: "),
        (without_half, "tensors missing"),
    ],
)
def test_an_adapter_that_does_not_fit_is_refused_in_one_sentence(hub, qwen, adapter, copy, spoil, says):
    mine = based_on(copy(adapter), str(qwen))
    spoil(mine)
    with pytest.raises(ReasonerError, match=says) as refusal:
        load_reasoner(mine, device="cpu")
    assert "\n" not in str(refusal.value)


def manifest(folder: Path, **values: object) -> None:
    path = folder / "medreasoner.json"
    before = json.loads(path.read_text()) if path.exists() else {"format": 1}
    path.write_text(json.dumps({**before, **values}))


def test_a_model_is_not_run_with_another_prompt_than_its_own(pair, copy):
    mine = copy(pair)
    manifest(mine, prompt_sha256=Prompt.load(mine / "prompt.json").sha256)
    assert load_reasoner(mine, device="cpu").prompt == Prompt.load(mine / "prompt.json")
    (mine / "prompt.json").write_text(json.dumps({**tiny.PROMPT, "think": "Think first. {question}"}))
    with pytest.raises(ReasonerError, match=r"was trained with the prompt .*prompt.json is .*--prompt"):
        load_reasoner(mine, device="cpu")
    (mine / "prompt.json").unlink()
    with pytest.raises(ReasonerError, match="this version's own prompt"):
        load_reasoner(mine, device="cpu")
    assert (
        load_reasoner(mine, device="cpu", prompt=Prompt("{question}", "{question}")).prompt.think
        == "{question}"
    )


def test_a_model_without_a_prompt_of_its_own_knows_the_projects_by_its_hash(qwen, copy):
    mine = copy(qwen)
    manifest(mine, prompt_sha256=prompt_for(INPUT_PIXELS).sha256)
    assert load_reasoner(mine, device="cpu").prompt == prompt_for(INPUT_PIXELS)
    manifest(mine, frame="0..1000")
    with pytest.raises(ReasonerError, match="was trained with the prompt"):
        load_reasoner(mine, device="cpu")


def test_a_prompt_that_speaks_of_another_frame_is_refused(qwen, copy):
    mine = copy(qwen)
    wrong = prompt_for(THOUSAND)
    (mine / "prompt.json").write_text(json.dumps({"think": wrong.think, "direct": wrong.direct}))
    with pytest.raises(ReasonerError, match=r"coordinates in .*0\.\.1000.*input pixels.*correct frame"):
        load_reasoner(mine, device="cpu")
    manifest(mine, frame="0..1000")
    assert load_reasoner(mine, device="cpu").frame == THOUSAND
    with pytest.raises(ReasonerError, match="input pixels"):
        load_reasoner(mine, device="cpu", prompt=prompt_for(INPUT_PIXELS))


def test_a_size_that_the_processor_would_change_is_refused(qwen, copy):
    mine = copy(qwen)
    for side in (112, 840):
        manifest(mine, square=side)
        assert load_reasoner(mine, device="cpu").encode(PICTURE).input_wh == (side, side)
    manifest(mine, square=850)
    with pytest.raises(
        ReasonerError, match=r"sees 850 x 850 pixels, but its image processor makes that 840 x 840"
    ):
        load_reasoner(mine, device="cpu")


def test_a_hub_that_cannot_be_reached_gives_way_to_the_embedded_segmenter_and_one_that_refuses_does_not(
    hub, qwen, monkeypatch, pair
):
    monkeypatch.setattr(segmenter_registry, "EMBEDDED_SEGMENTER", pair / "segmenter")
    with pytest.raises(SegmenterError, match="no repository of that name"):
        MedReasoner.from_pretrained(qwen, device="cpu")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert MedReasoner.from_pretrained(qwen, device="cpu").segmenter.name == "embedded/segmenter"
