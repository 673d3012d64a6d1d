"""Messages that visitors see: short, and without the folders of the server."""

import pytest

from medreasoner.messages import cut, first_line, short, without_paths


def test_a_message_is_one_short_line():
    assert first_line(ValueError("one: \ntwo")) == "one"
    assert len(first_line(ValueError("x " * 60_000))) <= 200
    assert first_line(ValueError("x" * 60_000)).startswith("xxx") and len(cut("x" * 60_000)) == 200
    assert len(short("x" * 60_000)) <= 61 and short(3) == "3"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/srv/models/pair stopped with an error", "pair stopped with an error"),
        ("the weights in '/home/me/a b/c' lack x", "the weights in 'a b/c' lack x"),
        ("see https://huggingface.co/owner/name", "see https://huggingface.co/owner/name"),
        ("1/2 of 3 / 4, owner/name, and/or", "1/2 of 3 / 4, owner/name, and/or"),
        ("/tmp/gradio/abc/scan.dcm", "scan.dcm"),
    ],
)
def test_folders_of_the_server_are_left_out(text, shown):
    assert without_paths(text) == shown
