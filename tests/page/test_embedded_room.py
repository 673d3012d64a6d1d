"""The room around image and answer in a real browser with the real embedded model: one click on an example,
links, a phone, a line of visitors, a page that is loaded again."""

import re
from collections.abc import Iterator

import pytest

from medreasoner.manifest import EMBEDDED_NAME
from medreasoner.page.examples import load_examples
from medreasoner.page.page import Page
from medreasoner.page.recordings import load_recordings
from tests.recorded_page import serving
from tests.visit import (
    ask,
    details,
    drawn,
    expect,
    finished,
    headline,
    open_example,
    opened,
    put,
    reasoning,
    status,
)

pytestmark = pytest.mark.browser
EXAMPLES = load_examples()
ULTRASOUND, CHEST = (
    next(each for each in EXAMPLES if each.modality == kind) for kind in ("Ultrasound", "X-ray")
)


@pytest.fixture(scope="module")
def address(embedded) -> Iterator[str]:
    for served in serving(Page(embedded, [ULTRASOUND, CHEST], load_recordings())):
        yield served.demo.local_url


def test_an_example_is_opened_and_asked_with_one_click(visit):
    page = visit(1440, 900)
    card = page.get_by_role("group", name="Examples").get_by_role("button", name=ULTRASOUND.question)
    expect(card).to_be_in_viewport(ratio=1)
    card.click()
    finished(page)
    expect(headline(page)).to_contain_text(ULTRASOUND.question)
    expect(page.locator("#viewer .mask path")).to_have_attribute("d", re.compile("^M"))
    truth = page.get_by_role("button", name="Expert outline")
    truth.click()
    details(page)
    expect(page.get_by_role("region", name="Answer", exact=True)).to_contain_text(
        re.compile(r"Dice \d\.\d\d, IoU \d\.\d\d")
    )


def test_a_link_to_its_answer_plays_the_recording_and_its_own_answer_is_the_same(visit):
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    open_example(page, ULTRASOUND.modality)
    ask(page).click()
    finished(page)
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Link copied")).to_be_visible()
    again = visit(link=page.url)
    finished(again)
    expect(again.locator("#answer")).to_contain_text(f"a recorded run of {EMBEDDED_NAME}")
    expect(headline(again)).to_contain_text(ULTRASOUND.question)
    # the recording was made on another machine, whose last decimals may differ
    assert drawn(again, "#viewer .box .line") == pytest.approx(drawn(page, "#viewer .box .line"), abs=8)


def test_on_a_phone_the_finding_is_seen_at_once_and_the_question_becomes_stop(visit):
    page = visit(390, 844, has_touch=True, is_mobile=True)
    opened(page, ULTRASOUND.image)
    put(page, ULTRASOUND.question)
    expect(page.get_by_role("button", name="Stop")).to_be_in_viewport(ratio=1)
    finished(page)
    expect(headline(page).get_by_role("heading")).to_be_in_viewport(ratio=1)
    expect(page.get_by_role("button", name="Stop")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_who_waits_is_told_the_place_and_is_answered_next(visit):
    first, second = visit(), visit()
    for page in (first, second):
        open_example(page, CHEST.modality)
    put(first, CHEST.question)
    expect(reasoning(first)).not_to_be_empty()
    put(second, CHEST.question)
    finished(second)
    finished(first)
    assert drawn(second, "#viewer .box .line") == drawn(first, "#viewer .box .line")


def test_a_page_that_was_loaded_again_has_the_example_again_and_can_be_asked(visit):
    page = visit()
    open_example(page, CHEST.modality)
    put(page, CHEST.question)
    finished(page)
    visit.again(page)
    expect(status(page)).to_contain_text("the example is open again")
    put(page, CHEST.question)
    finished(page)
    expect(headline(page)).to_contain_text(CHEST.question)


def test_a_link_to_an_own_image_says_that_images_are_not_stored(visit):
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    opened(page, CHEST.image)
    put(page, CHEST.question)
    finished(page)
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="images are never stored")).to_be_visible()
