"""Reviewing a set: decisions that survive a kill, what they come to, and the page in a real browser.

python -m pytest tests/review/test_review.py
"""

import json
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medreasoner.cli import main
from medreasoner.data.load import DataError, load
from medreasoner.data.publish.reviews import (
    ACCEPT,
    EDIT,
    REASONS,
    REJECT,
    UNDO,
    Ledger,
    agreement,
    kappa,
    ledgers,
    read,
    settle,
)
from medreasoner.data.sample import Sample
from medreasoner.review.desk import Desk
from medreasoner.review.page import Page, launch

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect
expect.set_options(timeout=20_000)  # a patience, not a wait: on a busy machine a page is slow
ROOT = Path(__file__).parents[2]
QUESTIONS = ("What would you take out here?", "What shines here?", "What casts a shadow?", "What grows here?")
THINK = "It lies in the upper left of the image."
REASON = REASONS[2]


def draw(folder: Path, count: int = 4) -> Path:
    """A set of `count` images with one target each, in the upper left."""
    folder.mkdir(exist_ok=True)
    lines = []
    for number in range(count):
        mask = np.zeros((64, 96), np.uint8)
        mask[8:20, 8 : 24 + number] = 255
        Image.fromarray(mask).save(folder / f"{number}_mask.png")
        Image.fromarray(mask // 2 + 60).convert("RGB").save(folder / f"{number}.png")
        line = {
            "id": f"s{number}",
            "image": f"{number}.png",
            "mask": f"{number}_mask.png",
            "case": f"case {number}",
        }
        line |= {"question": QUESTIONS[number % 4], "think": THINK, "modality": "Endoscopy"}
        lines.append(line | {"category": "colorectal polyp", "supercategory": "neoplasm"})
    (folder / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


@pytest.fixture
def folder(tmp_path) -> Path:
    return draw(tmp_path / "set")


def samples(folder: Path) -> list[Sample]:
    return list(load(folder))


# --- decisions on the disk ---


def test_decisions_are_read_back_as_they_were_made(folder):
    one, two, three, four = samples(folder)
    book = Ledger(folder, "anna")
    made = [
        book.record(one, ACCEPT),
        book.record(two, EDIT, question=" Why? ", think="So."),
        book.record(three, REJECT, reason=REASON),
    ]
    again = Ledger(folder, "anna")
    assert [again.verdict(sample) for sample in (one, two, three, four)] == [*made, None]
    assert (made[1].question, made[1].think, made[2].reason) == ("Why?", "So.", REASON)
    assert read(folder / "reviews" / "anna.jsonl") == made


def test_undo_takes_back_one_decision_after_the_other_even_in_another_session(folder):
    one, two, *_ = samples(folder)
    book = Ledger(folder, "anna")
    for sample, decision in ((one, ACCEPT), (two, ACCEPT), (one, REJECT)):
        book.record(sample, decision)
    by_id = {sample.id: sample for sample in (one, two)}
    assert book.undo(by_id) == one and book.verdict(one).decision == ACCEPT
    book = Ledger(folder, "anna")
    assert book.undo(by_id) == two and book.verdict(two) is None
    assert book.undo(by_id) == one and book.verdict(one) is None
    assert book.undo(by_id) is None
    assert [decision.decision for decision in read(book.path)] == [ACCEPT, ACCEPT, REJECT, UNDO, UNDO, UNDO]


@pytest.mark.parametrize(
    "change", [{"question": "Another?"}, {"think": "Other."}, {"box": (1.0, 2.0, 3.0, 4.0)}]
)
def test_a_decision_about_a_text_that_has_changed_does_not_count(folder, change):
    one, *_ = samples(folder)
    book = Ledger(folder, "anna")
    book.record(one, ACCEPT)
    assert book.verdict(one) and book.verdict(replace(one, **change)) is None


def test_a_line_that_was_cut_short_is_no_decision_and_makes_room_for_the_next(folder):
    one, two, *_ = samples(folder)
    book = Ledger(folder, "anna")
    book.record(one, ACCEPT)
    with book.path.open("ab") as file:
        file.write(b'{"id": "s1", "decision": "rej')
    book = Ledger(folder, "anna")
    assert book.verdict(one) and book.verdict(two) is None
    book.record(two, ACCEPT)
    assert [decision.id for decision in read(book.path)] == ["s0", "s1"]


@pytest.mark.parametrize(
    "line", ["no JSON", '{"id": "s0"}', "[]", '{"id": "s0", "decision": "perhaps", "of": "", "time": ""}']
)
def test_a_file_that_holds_something_else_is_named_with_the_line(folder, line):
    book = Ledger(folder, "anna")
    book.record(samples(folder)[0], ACCEPT)
    with book.path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(DataError, match=r"anna\.jsonl, line 2"):
        Ledger(folder, "anna")


@pytest.mark.parametrize("name", ["", "../anna", "a/b", ".hidden", "x" * 65])
def test_a_name_that_cannot_name_a_file_is_refused(folder, name):
    with pytest.raises(DataError, match="reviewer's name"):
        Ledger(folder, name)


def test_an_edit_must_change_something_and_leave_a_question(folder):
    one, *_ = samples(folder)
    book = Ledger(folder, "anna")
    for words in ({"question": one.question, "think": one.think}, {"question": " ", "think": "x"}):
        with pytest.raises(ValueError):
            book.record(one, EDIT, **words)
    assert not book.path.exists()


RECORDER = """
import sys
from pathlib import Path
from medreasoner.data.load import load
from medreasoner.data.publish.reviews import ACCEPT, Ledger
book = Ledger(Path(sys.argv[1]), "anna")
for sample in load(sys.argv[1]):
    book.record(sample, ACCEPT)
    print(sample.id, flush=True)
"""


def test_a_kill_in_the_middle_loses_no_decision_that_was_confirmed(tmp_path):
    folder = draw(tmp_path / "set", 400)
    with subprocess.Popen(
        [sys.executable, "-c", RECORDER, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        told = [process.stdout.readline().strip() for _ in range(20)]
        process.send_signal(signal.SIGKILL)
        told += process.stdout.read().split()
    assert process.returncode == -signal.SIGKILL
    kept = [decision.id for decision in read(folder / "reviews" / "anna.jsonl")]
    assert 20 <= len(told) < 400 and kept[: len(told)] == told and len(kept) <= len(told) + 1


# --- what decisions come to ---


def test_kappa_of_a_known_table():
    first = ["yes"] * 25 + [
        "no"
    ] * 25  # 20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no: observed 0.7, by chance 0.5
    second = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    assert kappa(first, second) == pytest.approx(0.4) == kappa(second, first)
    assert kappa(["a", "b"], ["a", "b"]) == 1 and kappa(["a", "b"], ["b", "a"]) == -1


def test_kappa_is_not_defined_without_labels_or_with_one_label():
    assert kappa([], []) is None and kappa(["a", "a"], ["a", "a"]) is None


def test_agreement_is_over_what_both_have_decided(folder):
    one, two, three, _ = samples(folder)
    anna, ben = Ledger(folder, "anna"), Ledger(folder, "ben")
    for sample, first, second in ((one, ACCEPT, ACCEPT), (two, REJECT, REJECT), (three, ACCEPT, None)):
        anna.record(sample, first)
        if second:
            ben.record(sample, second)
    assert agreement(anna, ben, samples(folder)) == (1.0, 2)


def test_one_rejection_is_enough_and_the_latest_edit_holds(folder):
    one, two, three, four = samples(folder)
    anna, ben = Ledger(folder, "anna"), Ledger(folder, "ben")
    anna.record(one, ACCEPT)
    ben.record(one, REJECT, reason=REASON)
    anna.record(two, EDIT, question="Later?", think="b", time=datetime(2026, 2, 2, tzinfo=UTC))
    ben.record(two, EDIT, question="Earlier?", think="a", time=datetime(2026, 1, 1, tzinfo=UTC))
    ben.record(three, ACCEPT)
    books = ledgers(folder)
    assert [book.reviewer for book in books] == ["anna", "ben"]
    assert settle(one, books) == (None, "rejected")
    assert settle(two, books) == (replace(two, question="Later?", think="b"), "edited")
    assert settle(three, books) == (three, "accepted")
    assert settle(four, books) == (None, "not reviewed")


# --- the desk ---


def test_an_edit_that_gives_the_target_away_is_not_saved(folder):
    desk = Desk(folder, samples(folder), "anna")
    for question, said in (
        ("Where is the polyp?", "gives the target away"),
        ("What is on the right side of the image?", "side"),
    ):
        view = desk.decide("s0", EDIT, True, question, THINK)
        assert view["id"] == "s0" and said in view["problem"] and "Not saved" in view["problem"]
    assert not desk.ledger.path.exists()


def test_a_text_that_fails_the_checks_is_shown_with_what_is_wrong(folder):
    listing = folder / "samples.jsonl"
    listing.write_text(listing.read_text().replace(QUESTIONS[0], "Which polyp?"))
    desk = Desk(folder, samples(folder), "anna")
    assert "gives the target away" in desk.begin()["remark"]
    assert desk.go("s0", 1, True)["remark"] == ""


def test_a_set_without_reasoning_can_be_edited(folder):
    listing = folder / "samples.jsonl"
    listing.write_text(listing.read_text().replace(THINK, ""))
    desk = Desk(folder, samples(folder), "anna")
    assert desk.begin()["remark"] == ""
    assert desk.decide("s0", EDIT, True, "What would you snare?", "")["problem"] == ""
    assert desk.decide("s1", EDIT, True, " ", "")["problem"].startswith("Not saved: the question is empty")


def test_a_sample_without_a_readable_picture_can_still_be_rejected(folder):
    (folder / "0.png").write_bytes(b"no picture")
    desk = Desk(folder, samples(folder), "anna")
    view = desk.begin()
    assert view["picture"] is None and view["remark"]
    assert desk.decide("s0", REJECT, True, reason=REASONS[4])["id"] == "s1"


def test_a_full_disk_is_told_and_the_sample_stays(folder):
    desk = Desk(folder, samples(folder), "anna")
    desk.decide("s0", ACCEPT, True)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (desk.ledger.path.stat().st_size + 10, before[1]))
    try:
        view = desk.decide("s1", ACCEPT, True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert view["id"] == "s1" and view["decision"] == "" and "Not saved" in view["problem"]
    assert desk.decide("s1", ACCEPT, True)["problem"] == ""
    assert [decision.id for decision in read(desk.ledger.path)] == ["s0", "s1"]


def test_the_walk_goes_around_and_keeps_to_the_undecided(folder):
    desk = Desk(folder, samples(folder), "anna")
    assert desk.go("s0", -1, undecided=False)["id"] == "s3"
    assert desk.decide("s0", ACCEPT, True)["id"] == "s1"
    assert desk.decide("s2", ACCEPT, True)["id"] == "s3"
    assert desk.go("s1", 1, undecided=True)["id"] == "s3" and desk.go("s1", 1, undecided=False)["id"] == "s2"
    assert desk.undo("s1")["id"] == "s2"
    for id in ("s1", "s2", "s3"):
        view = desk.decide(id, ACCEPT, True)
    assert view["tally"][ACCEPT] == 4 and desk.begin()["id"] == "s0"


def test_unknown_decisions_from_the_browser_are_not_kept(folder):
    desk = Desk(folder, samples(folder), "anna")
    for decision, reason in ((UNDO, ""), ("delete", ""), (REJECT, "because")):
        assert "Not saved" in desk.decide("s0", decision, True, reason=reason)["problem"]
    with pytest.raises(KeyError):
        desk.decide("nobody", ACCEPT, True)


@pytest.mark.parametrize("arguments", [["no-such-folder"], [".", "--reviewer", "a"]])
def test_the_command_wants_a_set(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["data", "review", *arguments]) == 2
    assert "samples.jsonl" in capsys.readouterr().err


# --- the page ---


@pytest.fixture
def visit(browser) -> Iterator[Callable[[str], "sync_api.Page"]]:
    """Open a review as its reviewer; whatever the browser complains of, or asks of another machine, fails the test."""
    contexts, complaints = [], []

    def come(address: str) -> "sync_api.Page":
        context = browser.new_context(viewport={"width": 1280, "height": 820})
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
    page = Page(Desk(folder, samples(folder), "anna"))
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
    assert [line.decision for line in read(folder / "reviews" / "anna.jsonl")] == [ACCEPT]

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
        for line in read(folder / "reviews" / "anna.jsonl")
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
    assert [(line.id, line.decision) for line in read(folder / "reviews" / "anna.jsonl")] == [
        ("s0", ACCEPT),
        ("s1", REJECT),
    ]
    view = Desk(folder, samples(folder), "anna").begin()
    assert view["id"] == "s2" and view["tally"] == {ACCEPT: 1, EDIT: 0, REJECT: 1}
