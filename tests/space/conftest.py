"""`python -m space.deploy` and a Hub of ours on loopback with the real clients, on which every Space answers as the
real page does; a recorded answer stands in for its model."""

import re
import socket
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pytest
import yaml
from huggingface_hub import HfApi
from PIL import Image

from medreasoner.answer import Answer, render
from medreasoner.imaging import load_image
from medreasoner.model import MedReasoner
from medreasoner.page.examples import load_examples
from medreasoner.page.page import Page
from medreasoner.page.serve import launch
from medreasoner.reasoners.replay import ReplayReasoner, image_key
from medreasoner.segmenters.base import SegmenterPrompt
from space import deploy
from tests import hub_server, hub_store
from tests.hub_server import USER, Hub

NAME, MODEL = f"{USER}/space", f"{USER}/model"
EXAMPLES = load_examples()
FIRST = EXAMPLES[0]
WRITES = r"^(POST|PUT|DELETE) (?!/api/validate-yaml)"


def head(text: str) -> dict:
    """The front matter of a card."""
    return yaml.safe_load(re.match(r"---\n(.*?)\n---\n", text, re.S)[1])


# --- the folder ---


class Everywhere:
    """A segmenter for which the whole image is the target."""

    name, revision = "everywhere", None

    def encode(self, image: Image.Image, features: object = None) -> tuple[int, int]:
        return image.size

    def segment(self, encoded: tuple[int, int], prompt: SegmenterPrompt) -> tuple[np.ndarray, float]:
        return np.ones(encoded[::-1], bool), 0.5


@pytest.fixture(scope="module")
def page() -> Iterator[str]:
    """The address of the real page, with a recorded answer to the first example."""
    image = load_image(FIRST.image).image
    answer = render(Answer((1, 2, 9, 8), ((3, 4), (5, 6)), think="Here."))
    run = {"image_sha256": image_key(image), "question": FIRST.question, "think": True, "pieces": [answer]}
    reasoner = ReplayReasoner(
        [{**run, "model": "recorded", "frame": "input pixels", "input_wh": list(image.size)}]
    )
    served = Page(MedReasoner(reasoner, Everywhere()), EXAMPLES)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launch(served, port)
    yield f"http://127.0.0.1:{port}/"
    served.demo.close(verbose=False)


@pytest.fixture
def hub(monkeypatch, tmp_path, page) -> Iterator[Hub]:
    """A Hub on which new Spaces answer at `page`, and on which there is a model."""
    monkeypatch.setattr(hub_server, "Space", partial(hub_store.Space, host=page))
    with Hub() as served:
        served.connect(monkeypatch, tmp_path)
        api = HfApi()
        api.create_repo(MODEL)
        api.upload_file(path_or_fileobj=b"{}", path_in_repo="config.json", repo_id=MODEL)
        served.requests.clear()
        yield served


@pytest.fixture
def run(hub, capsys) -> Callable[..., tuple[int, str]]:
    """Run the command; returns exit code and all that it printed."""

    def command(*arguments: str, name: str = NAME) -> tuple[int, str]:
        capsys.readouterr()
        code = deploy.main([name, *arguments], between=0)
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return command
