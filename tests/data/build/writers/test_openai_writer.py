"""The writer that asks a model, against a server on this machine that writes as told, and the command that
uses it.

python -m pytest tests/data/build/writers/test_openai_writer.py
"""

import io
import json
import re
import threading
from base64 import b64decode

import pytest
from PIL import Image

from medreasoner.cli import main
from medreasoner.data.build.builder import Builder, count_targets
from medreasoner.data.build.source_files import Options
from medreasoner.data.build.sources import open_source
from medreasoner.data.build.writers.budget import estimate_tokens
from medreasoner.data.build.writers.chat_client import ChatClient
from medreasoner.data.build.writers.openai_writer import OpenAIWriter, read_object
from tests.data.build.test_builder import lines, source

ROWS = [(name, "own", "liver", "train", (45 + 25 * i, 60), 18 + 3 * i) for i, name in enumerate("abcde")]


def write(body: dict) -> str:
    """What a model that does as it is told would write."""
    text = body["messages"][-1]["content"]
    text = text if isinstance(text, str) else text[-1]["text"]
    if '"short_description"' in text:
        return json.dumps(
            {"short_description": "A bright organ.", "long_description": "A bright organ among darker ones."}
        )
    if "gaps in angle brackets" in text:
        return json.dumps({"question": "Which organ <does what>?", "think": "It is <name>."})
    place, size = re.search(
        r'words: "(.*) of the image", with its size as the one word "(.*)"\.', text
    ).groups()
    question = (
        "Which organ makes bile?"
        if "Earlier tries were refused" in text or "hello" in text
        else "Which organ makes bile for us?"
    )
    think = f"The liver makes bile. It lies {place} of the image, {size}."
    return "```json\n" + json.dumps({"question": question, "think": think}) + "\n```"


@pytest.fixture
def served(served):
    served.written = write
    return served


def client(url, tmp_path) -> ChatClient:
    return ChatClient(url, "small-vlm", tmp_path / "requests")


def builder(folder, out, client, workers=1) -> Builder:
    return Builder(
        open_source(folder, out, Options(modality="CT")), out, writer=OpenAIWriter(client), workers=workers
    )


def ct(folder, rows=ROWS) -> None:
    source(folder, rows)
    text = (folder / "manifest.jsonl").read_text()
    (folder / "manifest.jsonl").write_text(text.replace('"Endoscopy"', '"CT"'))


def test_an_endpoint_writes_a_set_and_a_rerun_asks_nothing(served, url, tmp_path):
    ct(tmp_path / "src")
    report = builder(tmp_path / "src", tmp_path / "out", client(url, tmp_path)).run()
    assert report["samples"] == {"train": 5} and report["rejected"] == {}
    assert {row["question"] for row in lines(tmp_path / "out/samples.jsonl")} == {
        "Which organ makes bile for us?"
    }
    (said, *_) = lines(tmp_path / "out/stages/2_descriptions.jsonl")
    assert (
        said["short_description"] == "A bright organ."
        and said["formats"]["abdomen anatomies"]["question"] == "Which organ <does what>?"
    )
    asked = len(served.bodies)
    assert asked == 5 + 1 + 5  # a description an image, a format a super-category, a question a target
    builder(tmp_path / "src", tmp_path / "again", client(url, tmp_path)).run()
    assert len(served.bodies) == asked
    assert (tmp_path / "again/samples.jsonl").read_bytes() == (tmp_path / "out/samples.jsonl").read_bytes()


def test_several_at_once_give_the_same_bytes(served, url, tmp_path):
    ct(tmp_path / "src")
    builder(tmp_path / "src", tmp_path / "one", client(url, tmp_path / "a")).run()
    together = threading.Barrier(3, timeout=600)

    def meet(body: dict) -> str:  # answers only when three are there
        if "short_description" in str(body["messages"][-1]["content"][-1]) and len(met) < 3:
            met.append(1)
            together.wait()
        return write(body)

    met: list[int] = []
    served.written = meet
    builder(tmp_path / "src", tmp_path / "many", client(url, tmp_path / "b"), workers=4).run()
    assert served.most_at_once >= 3
    for name in ("samples.jsonl", "stages/2_descriptions.jsonl", "stages/3_questions.jsonl"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "many" / name).read_bytes()


def test_the_model_sees_the_image_the_outline_and_the_facts(served, url, tmp_path):
    ct(tmp_path / "src", ROWS[:1])
    builder(tmp_path / "src", tmp_path / "out", client(url, tmp_path)).run()
    plain, marked, text = served.bodies[-1]["messages"][-1]["content"]
    pictures = [
        Image.open(io.BytesIO(b64decode(part["image_url"]["url"].partition(",")[2])))
        for part in (plain, marked)
    ]
    assert pictures[0].size == (200, 150) and pictures[0].tobytes() != pictures[1].tobytes()
    assert (
        "do not use the target's name\nor any word that begins with one of: liver, liver, hepat"
        in text["text"]
    )
    assert (
        '"in the upper left of the image", with its size as the one word "small"' not in text["text"]
    )  # it is at mid-height
    assert '"at mid-height on the left of the image", with its size as the one word "small"' in text["text"]
    assert served.bodies[-1]["model"] == "small-vlm" and served.bodies[-1]["response_format"] == {
        "type": "json_object"
    }


def test_words_that_leak_are_asked_for_again_with_the_reason(served, url, tmp_path):
    def blurt(body: dict) -> str:
        text = str(body["messages"][-1]["content"])
        return (
            write(body).replace("organ makes bile for us", "part of the liver is meant")
            if "refused" not in text
            else write(body)
        )

    served.written = blurt
    ct(tmp_path / "src", ROWS[:1])
    report = builder(tmp_path / "src", tmp_path / "out", client(url, tmp_path)).run()
    assert (
        report["samples"] == {"train": 1}
        and lines(tmp_path / "out/samples.jsonl")[0]["question"] == "Which organ makes bile?"
    )
    assert "question names the target (liver)" in served.bodies[-1]["messages"][-1]["content"][-1]["text"]


def test_words_that_contradict_the_mask_to_the_end_are_kept_as_rejects(served, url, tmp_path):
    served.written = lambda body: write(body).replace("at mid-height on the left", "in the lower right")
    ct(tmp_path / "src", ROWS[:1])
    report = builder(tmp_path / "src", tmp_path / "out", client(url, tmp_path)).run()
    assert report["samples"] == {} and report["rejected"] == {"words contradict the mask: place": 1}
    (reject,) = lines(tmp_path / "out/rejects.jsonl")
    assert "lower right" in reject["think"] and len(served.bodies) == 2 + 3


def test_a_model_that_writes_no_json_is_a_reject_and_its_answers_are_paid_for_once(served, url, tmp_path):
    served.written = lambda body: "I cannot help with that." if "gaps in angle" in str(body) else write(body)
    ct(tmp_path / "src", ROWS[:2])
    for out in ("one", "two"):
        report = builder(tmp_path / "src", tmp_path / out, client(url, tmp_path)).run()
        assert report["rejected"] == {"the writer gave no JSON object with question and think in 3 tries": 2}
    assert len(served.bodies) == 2 + 3


@pytest.mark.parametrize(
    "answer,texts",
    [
        ('{"a": "x", "b": " y "}', ["x", "y"]),
        ('Sure:\n```json\n{"a": "x", "b": "y", "c": 1}\n```', ["x", "y"]),
        ('{"a": "x"}', None),
        ('{"a": "x", "b": ""}', None),
        ('{"a": "x", "b": 3}', None),
        ('{"a": "x", "b": "y"', None),
        ("", None),
    ],
)
def test_an_answer_is_read_or_not(answer, texts):
    assert read_object(answer, ("a", "b")) == texts


# --- the command ---


def command(folder, out, url, *more: str) -> int:
    writer = ("--writer", url, "--writer-model", "small-vlm", "--concurrency", "2")
    return main(["data", "build", str(folder), "--out", str(out), *writer, *more])


def test_the_command_wants_a_budget_stops_at_it_and_goes_on(served, url, tmp_path, capsys):
    ct(tmp_path / "src")
    paid = ("--price-in", "10", "--price-out", "100")
    assert command(tmp_path / "src", tmp_path / "out", url, *paid) == 2
    said = capsys.readouterr().err
    assert "About 11 requests" in said and "give --budget" in said and served.bodies == []
    assert command(tmp_path / "src", tmp_path / "out", url, *paid, "--budget", "0.15") == 1
    said, asked = capsys.readouterr().err, len(served.bodies)
    assert "Stopped: $0." in said and "of the budget of $0.15 is spent" in said and 0 < asked < 11
    assert not (tmp_path / "out/samples.jsonl").exists()
    assert command(tmp_path / "src", tmp_path / "out", url, *paid, "--budget", "5") == 0
    assert len(served.bodies) == 11  # nothing was asked twice
    assert "5 train samples of 5 images" in capsys.readouterr().out


def test_a_server_of_ones_own_needs_no_budget(served, url, tmp_path, monkeypatch):
    monkeypatch.setenv("OWN_KEY", "secret")
    ct(tmp_path / "src", ROWS[:1])
    assert (
        command(
            tmp_path / "src",
            tmp_path / "out",
            url,
            "--price-in",
            "0",
            "--price-out",
            "0",
            "--key-env",
            "OWN_KEY",
        )
        == 0
    )
    assert set(served.keys) == {"Bearer secret"}


def test_the_command_wants_to_know_the_model_and_the_prices(tmp_path, capsys):
    assert (
        main(
            [
                "data",
                "build",
                str(tmp_path),
                "--out",
                str(tmp_path / "out"),
                "--writer",
                "http://localhost:1/v1",
            ]
        )
        == 2
    )
    assert "--writer needs --writer-model, --price-in and --price-out" in capsys.readouterr().err


def test_the_estimate_is_not_under_what_is_sent(served, url, tmp_path):
    ct(tmp_path / "src")
    asked = client(url, tmp_path)
    builder(tmp_path / "src", tmp_path / "out", asked).run()
    estimate = OpenAIWriter(asked).estimate(*count_targets(tmp_path / "out"))
    assert estimate.requests == len(served.bodies) == 11
    assert 0.9 <= estimate.sent / sum(estimate_tokens(body["messages"]) for body in served.bodies) <= 1.5
