"""`medreasoner demo`, and `app.py`, which hands its options on: what ends them before anything is served, and
the port."""

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import app
import medreasoner
from medreasoner.cli import main
from medreasoner.page import serve
from medreasoner.page.page import Page
from tests import tiny
from tests.page.test_run_handlers import Endless


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A model folder."""
    return tiny.embedded(tmp_path_factory.mktemp("model"), script=tiny.SCRIPT)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def test_a_wrong_model_ends_with_one_sentence_and_exit_code_2(tmp_path, capsys):
    assert main(["demo", "--model", str(tmp_path / "nowhere")]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and str(tmp_path) in said[0]


def test_a_wrong_second_model_does_too(folder, tmp_path, monkeypatch, capsys):
    typed = ["app.py", "--model", str(folder), "--compare", str(tmp_path / "nowhere"), "--device", "cpu"]
    monkeypatch.setattr(sys, "argv", typed)
    assert app.main() == 2
    assert capsys.readouterr().err.strip().splitlines()[-1].startswith(f"there is no folder '{tmp_path}")


@pytest.mark.parametrize(
    "variables, options",
    [
        ({"MEDREASONER_MODEL": "owner/a"}, ["--model", "owner/a"]),
        ({"MEDREASONER_MODEL": "owner/a, my models/b,"}, ["--model", "owner/a", "--model", "my models/b"]),
        ({"MEDREASONER_SEGMENTER": "s,t"}, ["--segmenter", "s", "--segmenter", "t"]),
        ({"MEDREASONER_MODEL": " ", "MEDREASONER_COMPARE": "a,b"}, ["--compare", "a,b"]),
    ],
)
def test_a_variable_of_the_environment_names_one_model_or_several(variables, options, monkeypatch):
    for name in app.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert app.from_environment() == options
    assert app.from_environment([options[0], "typed"]) == []


def test_a_port_that_was_named_and_is_taken_ends_it_with_one_sentence(folder, taken, capsys):
    assert main(["demo", "--model", str(folder), "--device", "cpu", "--port", str(taken)]) == 2
    assert f"port {taken} is taken" in capsys.readouterr().err


def test_a_port_named_in_the_environment_is_never_another(taken, monkeypatch):
    monkeypatch.setenv("GRADIO_SERVER_PORT", str(taken))
    with pytest.raises(serve.PortTaken, match=f"port {taken} is taken"):
        serve.launch(Page(Endless(), []))


def test_another_port_than_the_usual_one_is_said(taken, monkeypatch):
    monkeypatch.delenv("GRADIO_SERVER_PORT", raising=False)
    monkeypatch.setattr("medreasoner.page.serve.FIRST_PORT", taken)
    monkeypatch.setattr("gradio.http_server.INITIAL_PORT_VALUE", taken)
    page, told = Page(Endless(), []), []
    address = serve.launch(page, tell=told.append)
    page.demo.close(verbose=False)
    assert told == [
        f"Port {taken} is taken; the page is on port {address.rstrip('/').rpartition(':')[2]} instead."
    ]


def test_without_gradio_it_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "gradio", None)
    # the package is imported anew here, and must afterwards be the one that the modules put back belong to
    monkeypatch.setattr(medreasoner, "page", getattr(medreasoner, "page", None), raising=False)
    for name in [name for name in sys.modules if name.startswith("medreasoner.page")]:
        monkeypatch.delitem(sys.modules, name)
    assert main(["demo"]) == 2
    assert "run: pip install 'medreasoner[page]'" in capsys.readouterr().err
