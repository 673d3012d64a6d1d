"""What the review page shows and what each key does, without a browser.

python -m pytest tests/review/test_session.py
"""

import json
import resource
from pathlib import Path

import pytest

from medreasoner.cli import main
from medreasoner.data.publish.reviews import ACCEPT, EDIT, REASONS, REJECT, UNDO, read_decisions
from medreasoner.review.session import ReviewSession
from tests.review_set import QUESTIONS, THINK, draw, samples


@pytest.fixture
def folder(tmp_path) -> Path:
    return draw(tmp_path / "set")


def test_an_edit_that_gives_the_target_away_is_not_saved(folder):
    session = ReviewSession(folder, samples(folder), "anna")
    for question, said in (
        ("Where is the polyp?", "gives the target away"),
        ("What is on the right side of the image?", "side"),
    ):
        view = session.decide("s0", EDIT, True, question=question, think=THINK)
        assert view["id"] == "s0" and said in view["problem"] and "Not saved" in view["problem"]
    assert not session.ledger.path.exists()


def test_a_text_that_fails_the_checks_is_shown_with_what_is_wrong(folder):
    listing = folder / "samples.jsonl"
    listing.write_text(listing.read_text().replace(QUESTIONS[0], "Which polyp?"))
    session = ReviewSession(folder, samples(folder), "anna")
    assert "gives the target away" in session.begin()["remark"]
    assert session.go("s0", 1, True)["remark"] == ""


def test_a_set_without_reasoning_can_be_edited(folder):
    listing = folder / "samples.jsonl"
    listing.write_text(listing.read_text().replace(THINK, ""))
    session = ReviewSession(folder, samples(folder), "anna")
    assert session.begin()["remark"] == ""
    assert session.decide("s0", EDIT, True, question="What would you snare?")["problem"] == ""
    assert session.decide("s1", EDIT, True, question=" ")["problem"].startswith(
        "Not saved: the question is empty"
    )


def test_a_sample_without_a_readable_picture_can_still_be_rejected(folder):
    (folder / "0.png").write_bytes(b"no picture")
    session = ReviewSession(folder, samples(folder), "anna")
    view = session.begin()
    assert view["picture"] is None and view["remark"]
    assert session.decide("s0", REJECT, True, reason=REASONS[4])["id"] == "s1"


def test_a_full_disk_is_told_and_the_sample_stays(folder):
    session = ReviewSession(folder, samples(folder), "anna")
    session.decide("s0", ACCEPT, True)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (session.ledger.path.stat().st_size + 10, before[1]))
    try:
        view = session.decide("s1", ACCEPT, True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert view["id"] == "s1" and view["decision"] == "" and "Not saved" in view["problem"]
    assert session.decide("s1", ACCEPT, True)["problem"] == ""
    assert [decision.id for decision in read_decisions(session.ledger.path)] == ["s0", "s1"]


def test_the_walk_goes_around_and_keeps_to_the_undecided(folder):
    session = ReviewSession(folder, samples(folder), "anna")
    assert session.go("s0", -1, undecided=False)["id"] == "s3"
    assert session.decide("s0", ACCEPT, True)["id"] == "s1"
    assert session.decide("s2", ACCEPT, True)["id"] == "s3"
    assert (
        session.go("s1", 1, undecided=True)["id"] == "s3"
        and session.go("s1", 1, undecided=False)["id"] == "s2"
    )
    assert session.undo("s1")["id"] == "s2"
    for id in ("s1", "s2", "s3"):
        view = session.decide(id, ACCEPT, True)
    assert view["tally"][ACCEPT] == 4 and session.begin()["id"] == "s0"


def test_unknown_decisions_from_the_browser_are_not_kept(folder):
    session = ReviewSession(folder, samples(folder), "anna")
    for decision, reason in ((UNDO, ""), ("delete", ""), (REJECT, "because")):
        assert "Not saved" in session.decide("s0", decision, True, reason=reason)["problem"]
    with pytest.raises(KeyError):
        session.decide("nobody", ACCEPT, True)


@pytest.mark.parametrize("arguments", [["no-such-folder"], [".", "--reviewer", "a"]])
def test_the_command_wants_a_set(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["data", "review", *arguments]) == 2
    assert "samples.jsonl" in capsys.readouterr().err


def test_a_question_about_what_is_not_there_is_shown_without_a_place_and_judged_by_its_words(folder):
    listing = folder / "samples.jsonl"
    first = json.loads(listing.read_text().splitlines()[0])
    absent = {key: first[key] for key in ("image", "case", "modality", "supercategory")} | {
        "id": "s0_absent",
        "absent": True,
        "category": "polyp",
        "question": "Is there a polyp on the right side of the image?",
        "think": "No.",
    }
    listing.write_text(json.dumps(absent) + "\n" + listing.read_text())
    session = ReviewSession(folder, samples(folder), "anna")
    view = session.begin()
    assert view["id"] == "s0_absent" and view["remark"] == "" and "nothing to be marked" in view["facts"]
    assert (view["picture"]["box"], view["picture"]["points"], view["picture"]["mask"]) == (None, [], "")
    again = session.decide("s0_absent", EDIT, True, question=QUESTIONS[0], think="No.")
    assert "says the same" in again["problem"], "the image has this question already"
    assert session.decide("s0_absent", EDIT, True, question="Is it here?", think="No.")["id"] == "s0"
    assert read_decisions(session.ledger.path)[0].question == "Is it here?"
