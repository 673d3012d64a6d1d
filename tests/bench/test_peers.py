"""Pairs are interleaved, ratios are of pairs, and a row of the table is replaced or added where it belongs."""

from bench.peers.__main__ import HEAD, PAGE, ROWS, line, replaced
from bench.peers.pairs import Measured, measure


def test_both_ways_are_called_in_turn_and_who_begins_changes():
    calls = []
    found = measure((lambda: calls.append("a"), lambda: calls.append("b")), 3)
    assert "".join(calls) == "ab" + "ab" + "ba" + "ab"
    assert found.ours > 0 and found.other > 0 and found.ratio > 0


def test_the_ratio_is_the_median_over_pairs(monkeypatch):
    # ours 1, other 2; other 4, ours 2; ours 9, other 3
    clock = iter([0, 1, 0, 2, 0, 4, 0, 2, 0, 9, 0, 3])
    monkeypatch.setattr("bench.peers.pairs.time.perf_counter", lambda: next(clock))
    monkeypatch.setattr("bench.peers.pairs.time.process_time", iter(range(99)).__next__)
    found = measure((lambda: None, lambda: None), 3)
    assert (found.ours, found.other, found.ratio) == (2, 3, 0.5)
    assert found.ratio_of_processor == 1


def test_a_row_is_replaced_or_added_below_the_last_one():
    page = f"text\n\n{HEAD}\n\nmore\n"
    first, second = list(ROWS)[:2]
    page = replaced(page, first, f"| `{first}` | 1 |")
    page = replaced(page, second, f"| `{second}` | 2 |")
    page = replaced(page, first, f"| `{first}` | 3 |")
    assert page == f"text\n\n{HEAD}\n| `{first}` | 3 |\n| `{second}` | 2 |\n\nmore\n"


def test_the_page_has_the_table_and_a_row_has_its_columns():
    assert HEAD in PAGE.read_text(encoding="utf-8")
    for name, row in ROWS.items():
        written = line(name, row, Measured(1.0, 2.0, 0.5, 0.5))
        assert written.count("|") == HEAD.splitlines()[0].count("|")


def test_what_is_compared_does_the_same_work():
    from bench.latency import QUESTION
    from bench.peers.answers import generated, pair, picture, published_order

    text = pair().ground(picture(), QUESTION).answer_text
    assert generated().startswith(text)
    published_order()
