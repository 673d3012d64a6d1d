"""Answers in a real browser: the headline, the folds, absence, the history of an image."""

import json
import re

import pytest

from tests.page.test_viewer import taken_home
from tests.recorded_page import ELSEWHERE, NOWHERE, SMALL, THOUGHT, WHAT
from tests.visit import (
    details,
    drawn,
    expect,
    finished,
    headline,
    opened,
    place,
    put,
    reasoning,
    serious,
    why,
)

pytestmark = pytest.mark.browser
SIZE = (640, 480)


@pytest.fixture
def scan(visit, files):
    page = visit()
    opened(page, files / "scan.png")
    return page


def history(page):
    return page.get_by_role("region", name="Earlier on this image")


def test_the_finding_comes_first_and_names_the_question_it_answers(scan):
    page = scan
    put(page, SMALL)
    finished(page)
    expect(headline(page).get_by_role("heading")).to_have_text("Kidney stone")
    expect(headline(page)).to_contain_text(SMALL)
    expect(headline(page)).to_contain_text(
        re.compile(r"in the upper left of the image, \d+\s×\s\d+\spx, confidence\snot\sknown", re.IGNORECASE)
    )
    page.get_by_label("Question").fill("Is it something else?")
    expect(headline(page)).to_contain_text(SMALL)
    expect(page.get_by_text("Overlap")).to_have_count(0)
    expect(details(page)).to_contain_text("no calibrated confidence")


def test_the_reasoning_is_open_while_it_comes_and_folds_then_as_the_reader_left_it(scan):
    page = scan
    fold = page.locator("#answer details.reasoning")
    page.evaluate("""() => {
        window.open = [];
        const fold = document.querySelector("#answer details.reasoning");
        const text = fold.querySelector(".reasoning-text");
        new MutationObserver(() => text.textContent && window.open.push(fold.open)).observe(text, {characterData: true, subtree: true});
    }""")
    put(page, WHAT)
    finished(page)
    expect(fold).not_to_have_attribute("open", re.compile(".*"))
    seen = page.evaluate("window.open")
    assert len(seen) > 2 and all(seen[:-1]), "only with the last words may it fold"
    why(page)
    expect(reasoning(page)).to_be_visible()
    put(page, ELSEWHERE)
    finished(page)
    expect(fold).to_have_attribute("open", "")
    expect(reasoning(page)).to_have_text("A short second thought.")


def test_an_absence_has_a_state_of_its_own(scan):
    page = scan
    put(page, WHAT)
    finished(page)
    put(page, NOWHERE)
    finished(page)
    expect(headline(page).get_by_role("heading")).to_have_text("Not seen in this image")
    expect(headline(page)).to_contain_text("does not see here")
    why(page)
    expect(reasoning(page)).to_contain_text("Nothing like it is to be seen.")
    expect(page.get_by_role("button", name="Box layer")).to_be_disabled()
    expect(page.locator("#viewer .box")).to_have_css("opacity", "0")
    expect(page.get_by_role("button", name="Include")).to_be_hidden()
    name, data = taken_home(page, "JSON")
    assert name == "scan-no-kidney-stone-grounding.json" and json.loads(data)["found"] is False
    assert not serious(page)


def test_earlier_answers_come_back_with_their_layers_and_can_be_compared(scan):
    page = scan
    put(page, WHAT)
    finished(page)
    expect(history(page)).to_be_hidden()
    put(page, ELSEWHERE)
    finished(page)
    history(page).get_by_role("button", name=re.compile(f"^{re.escape(WHAT)}")).click()
    expect(headline(page)).to_contain_text(WHAT)
    expect(reasoning(page)).to_have_text(THOUGHT)
    assert drawn(page, "#viewer .box .line") == pytest.approx(place(page, (160, 96, 400, 288), SIZE), abs=1)
    page.get_by_role("img", name="The opened image").hover()
    page.get_by_role("button", name="Box, top left corner").focus()
    page.keyboard.press("ArrowRight")
    expect(details(page)).to_contain_text("x 161 – 400")
    history(page).get_by_role("button", name=f"Compare with: {ELSEWHERE}").click()
    second = page.locator("#comparison")
    expect(second).to_contain_text(ELSEWHERE)
    assert drawn(page, "#viewer svg.comparison .line") == pytest.approx(
        place(page, (20, 30, 120, 90), SIZE), abs=1
    )
    page.get_by_role("button", name="Take the comparison away").click()
    expect(second.locator(".panel")).to_be_hidden()
    name, data = taken_home(page, "All answers")
    answers = json.loads(data)["answers"]
    assert name == "scan-answers.json"
    assert [(answer["question"], answer["corrected_by_hand"]) for answer in answers] == [
        (WHAT, True),
        (ELSEWHERE, False),
    ]
    assert not serious(page)
