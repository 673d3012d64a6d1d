"""How a question is put, in a real browser with the real embedded model: reason first or answer at once, and
which of the offered models it is put to.

The second model is a tiny one that always says the same (tiny.py); the second segmenter is the embedded one
as a folder of its own.
"""

import re
from collections.abc import Iterator

import pytest

from medreasoner.commands.base import UsageError
from medreasoner.commands.demo import Demo
from medreasoner.manifest import EMBEDDED_NAME
from medreasoner.page.examples import load_examples
from medreasoner.page.offered_models import Choice, OfferedModels
from medreasoner.page.page import Page
from medreasoner.reasoners.base import ReasonerError
from tests import tiny, upstream
from tests.recorded_page import serving
from tests.visit import ask, details, expect, finished, open_example, opened, reasoning, serious, status

EXAMPLE = load_examples()[0]


@pytest.fixture(scope="module")
def offered(tmp_path_factory) -> OfferedModels:
    """As `medreasoner demo --model embedded --model .../scripted --segmenter embedded --segmenter .../small`
    offers them; and a model that is gone when it is first asked."""
    folder = tmp_path_factory.mktemp("models")
    scripted = tiny.embedded(folder / "scripted", script=tiny.SCRIPT)
    gone = tiny.embedded(folder / "gone")
    names = [EMBEDDED_NAME, str(scripted), str(gone)]
    small = str(upstream.medsam2(folder / "small.pt"))
    offered = Demo(model=names, segmenter=[EMBEDDED_NAME, small], device="cpu", allow_pickle=True).offered()
    (gone / "config.json").unlink()
    return offered


@pytest.fixture(scope="module")
def served(offered) -> Iterator[Page]:
    yield from serving(Page(offered, [EXAMPLE]))


@pytest.fixture(scope="module")
def address(served) -> str:
    return served.demo.local_url


def choose(page, label: str, name: str) -> None:
    page.get_by_label(label, exact=True).click()
    page.get_by_role("option", name=re.compile(name)).click()


@pytest.mark.browser
def test_it_answers_at_once_when_it_is_told_to(visit):
    page = visit()
    open_example(page, EXAMPLE.modality)
    switch = page.get_by_label("Reason first")
    expect(switch).to_be_checked()
    ask(page).click()
    finished(page)
    expect(reasoning(page)).not_to_be_empty()
    switch.uncheck()
    ask(page).click()
    finished(page)
    expect(reasoning(page)).to_be_empty()
    expect(page.locator("#answer summary", has_text="Why")).to_be_hidden()
    expect(page.locator("#viewer .layer.box.drawn")).to_be_visible()
    expect(page.locator("#viewer .mask path")).to_have_attribute("d", re.compile("^M"))
    assert not serious(page)
    page.get_by_role("region", name="Earlier on this image").get_by_role("button").last.click()
    switch.check()
    ask(page).click()
    finished(page)
    expect(reasoning(page)).not_to_be_empty()


@pytest.mark.browser
def test_a_chosen_model_is_loaded_when_it_is_first_asked_and_says_what_it_takes(visit, offered):
    page = visit()
    open_example(page, EXAMPLE.modality)
    worth = page.locator("#worth")
    expect(worth).to_contain_text(re.compile(r"embedded, on .*; \d+ MB in memory"))
    choose(page, "Model", "scripted")
    expect(worth).to_contain_text(re.compile(r"scripted, loaded when it is first asked; .* take \d+ MB"))
    assert sum(choice.model.endswith("scripted") for choice in offered.pairs_in_memory) == 0
    ask(page).click()
    finished(page)
    expect(reasoning(page)).to_have_text(tiny.THOUGHT)
    expect(details(page)).to_contain_text("scripted")
    expect(worth).to_contain_text(re.compile(r"scripted, on .*: never tested .*; \d+ MB in memory"))

    choose(page, "Segmenter", "small")
    ask(page).click()
    finished(page)
    expect(page.get_by_role("region", name="Answer", exact=True)).to_contain_text("small")
    reasoners = {id(offered.calls(pair).model.reasoner) for pair in offered.pairs_in_memory}
    assert len(reasoners) == 2, "the segmenter was exchanged, the reasoner is the same"

    choose(page, "Model", "embedded")  # the other model's answers stay
    lines = page.get_by_role("region", name="Earlier on this image").get_by_role("listitem")
    expect(lines).to_have_count(2)
    page.get_by_role("button", name="Box, bottom right corner").focus()
    page.keyboard.press("Shift+ArrowRight")
    expect(status(page)).to_have_text(re.compile("Outlined again"))
    expect(page.get_by_role("region", name="Answer", exact=True)).to_contain_text("small")


@pytest.mark.browser
def test_a_model_that_cannot_be_loaded_leaves_the_answer(visit):
    page = visit(390, 844)
    open_example(page, EXAMPLE.modality)
    ask(page).click()
    finished(page)
    said = reasoning(page).text_content()
    choose(page, "Model", "gone")
    ask(page).click()
    expect(status(page)).to_have_text(re.compile(r"gone.* cannot be loaded, choose another: "))
    assert reasoning(page).text_content() == said
    expect(ask(page)).to_be_enabled()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.browser
def test_a_whole_volume_is_put_to_the_chosen_model(visit, files):
    page = visit(1440, 900)
    opened(page, files / "volume.nii")
    choose(page, "Model", "scripted")
    page.get_by_label("Question").fill("What passes sound?")
    page.get_by_role("button", name="Whole volume").click()
    finished(page)
    expect(page.locator("#volume .cells")).to_have_attribute(
        "aria-label", re.compile("3 slices; 3 looked at")
    )
    expect(details(page)).to_contain_text("scripted")
    expect(reasoning(page)).to_have_text(tiny.THOUGHT)


def test_what_the_browser_says_was_chosen_is_looked_up(offered):
    start = offered.first.key
    assert offered.chosen({}) == offered.chosen({"model": "../secret", "segmenter": ["x"]}) == start
    assert offered.chosen({"model": start.model, "segmenter": start.segmenter}) == start
    other = next(pair for pair in offered.pairs if pair != start and pair.segmenter == start.segmenter)
    assert offered.chosen({"model": other.model}) == other, "the segmenter was not touched"
    with pytest.raises(ReasonerError):
        offered.calls(next(Choice(*pair) for pair in offered.pairs if "gone" in pair[0]))


@pytest.mark.parametrize(
    "options, said",
    [
        ({"model": ["embedded", "embedded"]}, "twice"),
        ({"model": ["embedded", "./nowhere"]}, "no folder './nowhere'"),
        ({"model": ["embedded", "a/b"], "revision": "main"}, "one revision"),
        ({"segmenter": ["embedded", "a/b"], "segmenter_revision": "main"}, "one revision"),
    ],
)
def test_what_only_a_visitor_would_find_out_is_refused_at_the_start(options, said):
    with pytest.raises(UsageError, match=re.escape(said)):
        Demo(**options).offered()
