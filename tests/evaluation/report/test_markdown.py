"""Whatever a set or a model calls itself, the Markdown of a report shows it as words."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from medreasoner.evaluation.report import sections, write
from medreasoner.evaluation.report.markdown import as_words
from medreasoner.evaluation.run import Source, evaluate
from tests.evaluation.fakes import BoxFiller, ColourFinder

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "![](https://elsewhere.example/seen.png)",
    "[here](javascript:alert(1))",
    "a | b | c",
    "`code`",
    "&lt;b&gt;",
    "one\n\n# two",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_is_words_on_one_line(text):
    assert not re.search(r"[<>|`\[\]\n]", as_words(text))
    assert as_words("three of 4, 5.0 %") == "three of 4, 5.0 %" and as_words(4) == 4


def test_every_text_of_the_page_goes_through_it():
    """Nothing that the template writes is left as it came, but numbers with their format."""
    source = (Path(sections.__file__).parent / "page.md.jinja").read_text(encoding="utf-8")
    written = re.findall(r"\{\{(.+?)\}\}", source)
    assert len(written) > 5
    for expression in written:
        assert "words" in expression or "format(" in expression or expression.strip() == "notice", expression


def test_names_of_60000_letters_are_cut(samples, place):
    long = [replace(sample, id="x" * 60_000 + sample.id, modality="y" * 60_000 + sample.modality, category="z" * 60_000)
            for sample in samples[:4]]  # fmt: skip
    evaluate(long, ColourFinder(), BoxFiller(), place / "long", source=Source("x"))
    written = write([place / "long"], place / "long.html", {})
    for file in (written.html, written.markdown):
        assert not re.search(r"x{300}|y{300}|z{300}", file.read_text()), file
