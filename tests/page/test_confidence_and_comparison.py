"""What a visitor may ask for beyond the answer, in a real browser with the real embedded model: how far
its samples agree, and the same question to a second model.

The second model is a tiny one of the same classes that always says the same (tiny.py), so that it is known
where its answer must lie.
"""

import re
from collections.abc import Iterator

import pytest

from medreasoner.geometry import Grounding
from medreasoner.imaging import load_image
from medreasoner.model import MedReasoner
from medreasoner.page.examples import load_examples
from medreasoner.page.page import Page
from tests import tiny
from tests.recorded_page import serving
from tests.visit import ask, details, drawn, expect, finished, open_example, place, reasoning, serious, status

pytestmark = pytest.mark.browser
EXAMPLE = load_examples()[0]
SIZE = load_image(EXAMPLE.image).image.size
SECOND = Grounding(
    tuple(side / 255 * v for side, v in zip(SIZE * 2, (64, 32, 192, 128), strict=True)), ()
)  # of tiny.SCRIPT


@pytest.fixture(scope="module")
def served(tmp_path_factory, embedded) -> Iterator[Page]:
    """The page with two models, served from this process."""
    second = tiny.embedded(tmp_path_factory.mktemp("models") / "scripted", script=tiny.SCRIPT)
    yield from serving(Page(embedded, [EXAMPLE], compare=MedReasoner.from_pretrained(second, device="cpu")))


@pytest.fixture(scope="module")
def address(served) -> str:
    return served.demo.local_url


def opened(page) -> None:
    open_example(page, EXAMPLE.modality)


def test_the_answer_tells_how_far_samples_agree(visit):
    page = visit()
    sure, lines = page.get_by_role("region", name="How sure it is"), page.locator("#viewer .layer.samples")
    expect(page.get_by_role("button", name="How sure?")).to_be_hidden()
    opened(page)
    ask(page).click()
    finished(page)
    expect(details(page)).to_contain_text("Confidence")
    expect(details(page)).not_to_be_visible()
    expect(page.get_by_role("region", name="The second model's answer")).to_be_hidden()
    expect(lines).to_have_css("opacity", "0")

    page.get_by_role("button", name="How sure?").click()
    expect(sure).to_contain_text(
        re.compile(r"Agreement\s*[0-5] of 5 samples with the model's answer, box IoU at least 0\.5")
    )
    expect(sure).to_contain_text(
        re.compile(r"Pairs\s*[01]\.\d\d mean box IoU of the samples among themselves")
    )
    expect(sure).to_contain_text("drawn at temperature 1")
    finished(page)
    unread = re.search(r"(\d) could not be read", sure.inner_text())
    assert lines.locator(".line").get_attribute("d").count("M") == 5 - (int(unread[1]) if unread else 0)
    expect(lines).to_have_css("opacity", "1")
    assert not serious(page)
    page.get_by_role("button", name="How sure?").click()
    expect(lines).to_have_css("opacity", "0")
    expect(sure.get_by_text("Agreement", exact=True)).to_be_hidden()
    page.get_by_role("button", name="How sure?").click()  # what is known is not asked for again
    expect(sure.get_by_text("Agreement", exact=True)).to_be_visible()
    expect(status(page)).to_have_text("Done")


def test_two_models_answer_one_after_the_other_each_with_its_name_its_layers_and_its_times(visit):
    page = visit()
    opened(page)
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(status(page)).to_have_text(re.compile(r"scripted"))
    finished(page)
    first, second = details(page), page.get_by_role("region", name="The second model's answer")
    second.locator("summary", has_text="Details").click()
    expect(page.get_by_role("heading", name="embedded")).to_be_visible()
    expect(second.locator(".model")).to_have_text(re.compile("/scripted$"))
    expect(second.locator(".reasoning-text")).to_have_text(tiny.THOUGHT)
    expect(reasoning(page)).not_to_have_text(tiny.THOUGHT)
    for answer in (first, second):
        expect(answer).to_contain_text(
            re.compile(r"First word \d+\.\d\d s, box \d+\.\d\d s, mask \d+\.\d\d s later, total \d+\.\d\d s")
        )
        expect(answer.get_by_text("Expert outline", exact=True)).to_be_hidden()
    assert drawn(page, "#viewer svg.comparison .line") == pytest.approx(place(page, SECOND.box, SIZE), abs=1)
    colours = page.evaluate(
        """['.box', 'svg.comparison'].map(
            layer => getComputedStyle(document.querySelector(`#viewer ${layer} .line`)).stroke)"""
    )
    assert colours == ["rgb(240, 228, 66)", "rgb(0, 158, 115)"]
    expect(page.locator("#viewer .marks b")).to_have_text(["1", "2"])

    page.get_by_role("button", name="Expert outline").click()
    for answer in (first, second):
        expect(answer.get_by_text(re.compile(r"Dice \d\.\d\d, IoU \d\.\d\d"))).to_be_visible()
    toggle, lines = page.get_by_role("button", name="On the image"), page.locator("#viewer svg.comparison")
    expect(lines).to_have_css("visibility", "visible")
    page.keyboard.press("s")
    expect(toggle).to_have_attribute("aria-pressed", "false")
    expect(lines).to_have_css("visibility", "hidden")
    toggle.click()
    expect(lines).to_have_css("visibility", "visible")

    ask(page).click()  # one model again: nothing of the comparison is left
    expect(second).to_be_hidden()
    finished(page)
    expect(page.get_by_role("heading", name="embedded")).to_be_hidden()
    expect(lines).to_have_css("opacity", "0")


def test_a_phone_has_room_for_both(visit):
    page = visit(390, 844)
    opened(page)
    page.get_by_role("button", name="Compare", exact=True).click()
    finished(page)
    sticking_out = """() => [...document.querySelectorAll('#workspace *')].filter(e =>
        !e.closest('#history') && e.getBoundingClientRect().right > innerWidth + 0.5)
        .map(e => e.outerHTML.slice(0, 80))"""
    assert page.evaluate(sticking_out) == []
    boxes = [
        page.get_by_role("button", name=name, exact=True).bounding_box()
        for name in ("Ask", "Compare", "How sure?")
    ]
    assert min(box["height"] for box in boxes) >= 44
    over = """selectors => {
        const [p, q] = selectors.map(each => document.querySelector(each).getBoundingClientRect());
        return p.right > q.left && p.bottom > q.top && q.bottom > p.top; }"""
    assert not page.evaluate(over, ["#comparison .model", "#comparison .toggle"])
    assert not serious(page)
