"""The states of an answer in a real browser with the real embedded model: what `test_answers.py` and
`test_corrections.py` check on recorded answers, whose places are known, holds for what the model says too.
"""

import json
import re
from collections.abc import Iterator

import pytest

from medreasoner.page.examples import load_examples
from medreasoner.page.page import Page
from tests.page.test_viewer import taken_home
from tests.recorded_page import serving
from tests.visit import (
    ask,
    details,
    expect,
    finished,
    headline,
    open_example,
    opened,
    put,
    reasoning,
    serious,
    status,
    why,
)

pytestmark = pytest.mark.browser
EXAMPLE = next(each for each in load_examples() if each.modality == "Ultrasound")
CHEST = next(each for each in load_examples() if each.modality == "X-ray")
OFF_TOPIC = "What is the capital of France?"  # of this it says that it is not there, of most not
SURE = re.compile(r"confidence\s(low|medium|high)")


@pytest.fixture(scope="module")
def address(embedded) -> Iterator[str]:
    for served in serving(Page(embedded, [EXAMPLE, CHEST])):
        yield served.demo.local_url


@pytest.fixture
def answered(visit):
    """The page after the question of the first ultrasound example."""
    page = visit()
    open_example(page, EXAMPLE.modality)
    put(page, EXAMPLE.question)
    finished(page)
    return page


def mask(page):
    return page.locator("#viewer .mask path")


def history(page):
    return page.get_by_role("region", name="Earlier on this image")


def test_what_the_model_is_worth_on_this_kind_of_image_is_said_when_the_image_opens(visit):
    page = visit()
    open_example(page, EXAMPLE.modality)
    expect(
        page.get_by_text(re.compile(r"on Ultrasound: box overlap 0\.\d\d in \d+ questions"))
    ).to_be_visible()


def test_the_finding_is_named_placed_measured_and_as_sure_as_the_model_is(answered):
    page = answered
    expect(headline(page).get_by_role("heading")).to_have_text("Breast mass")
    expect(headline(page)).to_contain_text(EXAMPLE.question)
    expect(headline(page)).to_contain_text(SURE)
    expect(headline(page)).to_contain_text(re.compile(r"\d+\s×\s\d+\s(px|mm)"))
    expect(page.locator("#answer details.reasoning")).not_to_have_attribute("open", re.compile(".*"))
    why(page)
    expect(reasoning(page)).to_contain_text("breast")
    expect(details(page)).to_contain_text(re.compile(r"Confidence\s*\d+%"))
    expect(mask(page)).to_have_attribute("d", re.compile("^M"))
    assert not serious(page)


def test_what_is_no_question_about_the_image_is_not_seen_and_the_earlier_answer_stays(visit):
    page = visit()
    open_example(page, CHEST.modality)
    put(page, CHEST.question)
    finished(page)
    outline = mask(page).get_attribute("d")
    put(page, OFF_TOPIC)
    finished(page)
    expect(headline(page).get_by_role("heading")).to_have_text("Not seen in this image")
    expect(page.locator("#viewer .box")).to_have_css("opacity", "0")
    expect(page.get_by_role("button", name="Include")).to_be_hidden()
    history(page).get_by_role("button", name=re.compile(f"^{re.escape(CHEST.question)}")).click()
    expect(mask(page)).to_have_attribute("d", outline)
    _, data = taken_home(page, "All answers")
    assert [each["found"] for each in json.loads(data)["answers"]] == [True, False]


def test_a_corrected_box_is_outlined_again_and_undo_brings_the_models_own_back(answered):
    page = answered
    before = mask(page).get_attribute("d")
    page.get_by_role("img", name="The opened image").hover()
    corner = page.get_by_role("button", name="Box, top left corner")
    corner.focus()
    for _ in range(3):
        page.keyboard.press("Shift+ArrowRight")
    expect(status(page)).to_contain_text("Outlined again in")
    expect(page.locator("#viewer .mask.stale")).to_have_count(0)
    expect(mask(page)).not_to_have_attribute("d", before)
    undo = page.get_by_role("button", name="Undo")
    while undo.is_enabled():
        undo.click()
    expect(mask(page)).to_have_attribute("d", before)


def test_a_stopped_run_leaves_the_page_ready_for_the_next(visit):
    page = visit()
    open_example(page, EXAMPLE.modality)
    put(page, EXAMPLE.question)
    expect(reasoning(page)).not_to_be_empty()
    page.get_by_role("button", name="Stop").click()
    expect(status(page)).to_contain_text("Stopped")
    ask(page).click()
    finished(page)
    expect(mask(page)).to_have_attribute("d", re.compile("^M"))


def test_what_the_model_is_worth_is_said_of_the_kind_that_a_files_header_names(visit, files):
    page = visit()
    opened(page, files / "slice.dcm")
    expect(page.get_by_text(re.compile(r"on CT: box overlap 0\.\d\d"))).to_be_visible()
