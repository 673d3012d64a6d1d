"""A checkpoint is run with the prompt, the frame and the image size it was trained with, or not at all."""

import json
import shutil
from pathlib import Path

import pytest

from medreasoner.geometry import INPUT_PIXELS, THOUSAND
from medreasoner.prompts import Prompt, prompt_for
from medreasoner.reasoners.base import ReasonerError
from medreasoner.reasoners.registry import load_reasoner
from tests import tiny, upstream
from tests.reasoners.small_models import picture


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> Path:
    return tiny.embedded(tmp_path_factory.mktemp("models") / "pair", script=tiny.SCRIPT)


@pytest.fixture(scope="module")
def qwen(tmp_path_factory) -> Path:
    return upstream.lingshu(tmp_path_factory.mktemp("models") / "lingshu", script=tiny.SCRIPT)


@pytest.fixture
def copy(tmp_path):
    """A folder to spoil."""
    return lambda folder: Path(shutil.copytree(folder, tmp_path / "copy"))


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
        assert load_reasoner(mine, device="cpu").encode(picture()).input_wh == (side, side)
    manifest(mine, square=850)
    with pytest.raises(
        ReasonerError, match=r"sees 850 x 850 pixels, but its image processor makes that 840 x 840"
    ):
        load_reasoner(mine, device="cpu")
