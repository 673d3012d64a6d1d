"""Who waits for the model."""

from medreasoner.page.line import Line


def test_a_place_in_line_counts_who_is_answered_and_who_waits_before():
    line = Line()
    with line.waiting("first"):
        assert line.sentence("first", None) == ""
        with line.running("first"), line.waiting("second"), line.waiting("third"):
            assert line.sentence("second", 4.2) == "Waiting for a free place: next in line, about 4 s"
            assert line.sentence("third", 4.2) == "Waiting for a free place: 2nd in line, about 8 s"
            assert line.sentence("third", None) == "Waiting for a free place: 2nd in line"
    assert line.sentence("fourth", 1) == ""
