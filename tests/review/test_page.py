"""The review page in a real browser.

python -m pytest tests/review/test_page.py
"""

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from medreasoner.data.publish.reviews import ACCEPT, EDIT, REJECT, UNDO, Ledger, read_decisions
from medreasoner.review.page import ReviewPage, launch
from medreasoner.review.session import ReviewSession
from tests.review_set import QUESTIONS, REASON, draw, samples
from tests.visit import expect, new_context, sync_api

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path) -> Path:
    return draw(tmp_path / "set")


@pytest.fixture
def visit(browser) -> Iterator[Callable[[str], "sync_api.Page"]]:
    """Open a review as its reviewer; complaints of the browser and requests elsewhere fail the test."""
    contexts, complaints = [], []

    def come(address: str) -> "sync_api.Page":
        context = new_context(browser, viewport={"width": 1280, "height": 820})
        contexts.append(context)
        page = context.new_page()
        page.on(
            "console", lambda message: complaints.append(message.text) if message.type == "error" else None
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((address, "data:", "blob:"))
                else complaints.append(request.url)
            ),
        )
        page.goto(address)
        expect(decision(page)).not_to_be_empty()
        return page

    yield come
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def address(folder) -> Iterator[str]:
    page = ReviewPage(ReviewSession(folder, samples(folder), "anna"))
    yield launch(page)
    page.demo.close(verbose=False)


def decision(page) -> "sync_api.Locator":
    return page.get_by_role("status", name="Decision")


def at(page, number: int, told: str = "") -> None:
    expect(page.get_by_role("status", name="Progress")).to_have_text(
        re.compile(rf"^Sample {number} of 4 .*{told}")
    )


def question(page) -> "sync_api.Locator":
    return page.get_by_label("Question", exact=True)


@pytest.mark.browser
def test_a_set_is_judged_with_the_keyboard_alone(visit, address, folder):
    page = visit(address)
    at(page, 1, "0 accepted")
    expect(question(page)).to_have_value(QUESTIONS[0])
    page.keyboard.press("a")
    at(page, 2, "1 accepted")
    assert [line.decision for line in read_decisions(folder / "reviews" / "anna.jsonl")] == [ACCEPT]

    page.keyboard.press("e")
    expect(question(page)).to_be_focused()
    question(page).fill("Where is the polyp?")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("alert")).to_contain_text("gives the target away")
    expect(question(page)).to_have_value("Where is the polyp?")
    question(page).fill("What would you snare?")
    page.keyboard.press("Control+Enter")
    at(page, 3, "1 edited")

    page.keyboard.press("r")
    page.keyboard.press("3")
    at(page, 4, "1 rejected")
    page.keyboard.press("u")
    at(page, 3, "0 rejected")
    page.keyboard.press("r")
    page.keyboard.press("Escape")
    expect(decision(page)).to_have_text("Undecided")
    kept = [
        (line.id, line.decision, line.question, line.reason)
        for line in read_decisions(folder / "reviews" / "anna.jsonl")
    ]
    assert kept == [
        ("s0", ACCEPT, "", ""),
        ("s1", EDIT, "What would you snare?", ""),
        ("s2", REJECT, "", REASON),
        ("s2", UNDO, "", ""),
    ]


@pytest.mark.browser
def test_decided_samples_show_what_was_decided_and_layers_can_be_hidden(visit, address):
    page = visit(address)
    at(page, 1)
    page.keyboard.press("a")
    at(page, 2)
    page.keyboard.press("f")
    expect(page.get_by_label("Undecided only")).not_to_be_checked()
    page.keyboard.press("ArrowLeft")
    at(page, 1)
    expect(decision(page)).to_have_text("Accepted")
    frame = page.get_by_role("img", name="Image of sample s0").bounding_box()
    scale = frame["width"] / 96
    box = page.locator(".box .line").evaluate(
        "r => { const b = r.getBoundingClientRect(); return [b.x, b.y, b.width, b.height]; }"
    )
    assert box == pytest.approx(
        [frame["x"] + 8 * scale, frame["y"] + 8 * scale, 16 * scale, 12 * scale], abs=3
    )
    expect(page.locator(".layer.mask")).to_be_visible()
    page.keyboard.press("m")
    expect(page.locator(".layer.mask")).to_be_hidden()
    page.keyboard.press("ArrowRight")
    at(page, 2)
    expect(page.locator(".layer.mask")).to_be_hidden()


@pytest.mark.browser
def test_a_second_reviewer_sees_the_agreement_but_not_the_other_decisions(visit, address, folder):
    ben = Ledger(folder, "ben")
    for sample, verdict in zip(samples(folder), (ACCEPT, REJECT), strict=False):
        ben.record(sample, verdict)
    page = visit(address)
    expect(decision(page)).to_have_text("Undecided")
    page.keyboard.press("a")
    at(page, 2)
    expect(page.get_by_text("Agreement with ben, samples in common 1:")).to_contain_text("not defined")
    page.keyboard.press("r")
    page.keyboard.press("1")
    at(page, 3)
    expect(page.get_by_text("Agreement with ben, samples in common 2:")).to_contain_text("1.00")


@pytest.mark.browser
def test_a_killed_review_goes_on_at_the_first_undecided_sample(visit, folder):
    command = [sys.executable, "-m", "medreasoner", "data", "review", str(folder), "--reviewer", "anna"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        page = visit(process.stdout.readline().strip())
        page.keyboard.press("a")
        at(page, 2)
        page.keyboard.press("r")
        page.keyboard.press("1")
        at(page, 3)  # shown: so both are on the disk
        page.goto("about:blank")  # else the browser would complain of the connection that is lost now
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert [(line.id, line.decision) for line in read_decisions(folder / "reviews" / "anna.jsonl")] == [
        ("s0", ACCEPT),
        ("s1", REJECT),
    ]
    view = ReviewSession(folder, samples(folder), "anna").begin()
    assert view["id"] == "s2" and view["tally"] == {ACCEPT: 1, EDIT: 0, REJECT: 1}
