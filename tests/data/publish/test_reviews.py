"""Decisions of reviewers survive a kill and a full stop in the middle of a line.

python -m pytest tests/data/publish/test_reviews.py
"""

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from medreasoner.data.load import DataError
from medreasoner.data.publish.reviews import ACCEPT, EDIT, REJECT, UNDO, Ledger, read_decisions
from tests.review_set import REASON, draw, samples

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path) -> Path:
    return draw(tmp_path / "set")


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
    assert read_decisions(folder / "reviews" / "anna.jsonl") == made


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
    assert [decision.decision for decision in read_decisions(book.path)] == [
        ACCEPT,
        ACCEPT,
        REJECT,
        UNDO,
        UNDO,
        UNDO,
    ]


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
    assert [decision.id for decision in read_decisions(book.path)] == ["s0", "s1"]


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
    kept = [decision.id for decision in read_decisions(folder / "reviews" / "anna.jsonl")]
    assert 20 <= len(told) < 400 and kept[: len(told)] == told and len(kept) <= len(told) + 1
