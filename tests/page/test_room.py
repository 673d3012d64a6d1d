"""The room around image and answer in a real browser: examples, keyboard, phone, line, what a reload keeps."""

import re

import pytest

from tests.recorded_page import BROKEN, ELSEWHERE, ENDLESS, NOWHERE, WHAT
from tests.visit import (
    ask,
    expect,
    finished,
    headline,
    open_example,
    opened,
    put,
    reasoning,
    serious,
    status,
)

pytestmark = pytest.mark.browser


def cards(page):
    return page.get_by_role("group", name="Examples")


def test_an_example_is_opened_and_asked_with_one_click(visit):
    page = visit(1440, 900)
    card = cards(page).get_by_role("button", name=f"Ultrasound: {WHAT}")
    expect(card).to_be_in_viewport(ratio=1)
    assert not serious(page)
    card.click()
    finished(page)
    expect(headline(page)).to_contain_text(WHAT)
    expect(cards(page)).to_be_hidden()
    page.get_by_role("button", name="Examples", exact=True).click()
    cards(page).get_by_role("button", name="X-ray").click()
    finished(page)
    expect(headline(page)).to_contain_text(ELSEWHERE)


def test_an_example_brings_its_image_its_question_and_its_source(visit):
    page = visit()
    page.get_by_role("group", name="Examples").get_by_role("button", name="Ultrasound").click()
    expect(page.get_by_text("Ultrasound, drawn for this test, CC0")).to_be_visible()
    expect(page.get_by_label("Question")).to_have_value(WHAT)
    ask(page).click()
    finished(page)


def test_what_the_model_is_worth_is_said_when_an_image_opens(visit, files):
    page = visit()
    open_example(page, "Ultrasound")
    expect(page.locator("#worth")).to_contain_text(
        "tests (recorded), on Ultrasound: never tested on this kind of image"
    )
    opened(page, files / "slice.dcm")
    expect(page.locator("#worth")).to_contain_text("on CT: never tested")


def test_on_a_phone_the_finding_is_seen_and_the_question_docks_with_one_button(visit, files):
    page = visit(390, 844, has_touch=True, is_mobile=True)
    opened(page, files / "scan.png")
    dock = page.locator("#question-form")
    assert dock.bounding_box()["height"] <= 60
    assert (dock.bounding_box()["x"], dock.bounding_box()["width"]) == (0, 390), "from edge to edge"
    text = dock.get_by_label("Question")
    height, line = text.evaluate("each => [each.clientHeight, parseFloat(getComputedStyle(each).lineHeight)]")
    assert abs(height - line) <= 1, "a longer question shows no half lines"
    put(page, ENDLESS)
    expect(page.get_by_role("button", name="Stop")).to_be_in_viewport(ratio=1)
    expect(ask(page)).to_be_hidden()
    page.get_by_role("button", name="Stop").click()
    put(page, WHAT)
    finished(page)
    page.evaluate("scrollTo(0, 0)")
    heading = headline(page).get_by_role("heading").bounding_box()
    assert heading["y"] + heading["height"] <= dock.bounding_box()["y"]
    expect(page.get_by_role("button", name="Stop")).to_be_hidden()


def test_on_a_phone_earlier_answers_are_read_in_full(visit, files):
    page = visit(390, 844, has_touch=True, is_mobile=True)
    opened(page, files / "scan.png")
    for question in (NOWHERE, WHAT, ELSEWHERE, WHAT):
        put(page, question)
        expect(headline(page)).to_contain_text(question)
        finished(page)
    lines = page.get_by_role("region", name="Earlier on this image")
    expect(lines.get_by_role("listitem")).to_have_count(4)
    cut = """part => [...part.querySelectorAll("ol, span, b")].filter(each =>
        each.scrollWidth > each.clientWidth + 1 || each.scrollHeight > each.clientHeight + 1)
        .map(each => each.outerHTML)"""
    assert lines.evaluate(cut) == []
    expect(lines.locator("[aria-current]")).to_have_count(1)
    put(page, BROKEN)
    expect(status(page)).to_have_text("The answer could not be used")
    expect(lines.locator("[aria-current]")).to_have_count(0)


def test_on_a_phone_nothing_of_a_small_target_at_the_edge_is_cut(visit, files):
    page = visit(390, 844, has_touch=True, is_mobile=True)
    opened(page, files / "scan.png")
    put(page, ELSEWHERE)
    finished(page)
    expect(headline(page).locator(".facts")).to_contain_text("px")
    assert "101\u00a0×\u00a061\u00a0px" in headline(page).locator(".facts").text_content(), "on one line"
    picture = page.locator("#viewer").bounding_box()
    discs = [disc.bounding_box() for disc in page.locator("#viewer .points button").all()]
    assert len(discs) == 2
    for disc in discs:
        assert disc["x"] >= picture["x"] and disc["x"] + disc["width"] <= picture["x"] + picture["width"]


def test_who_waits_is_told_the_place_in_line(visit, files):
    first, second = visit(), visit()
    opened(first, files / "scan.png")
    opened(second, files / "scan.png")
    put(first, ENDLESS)
    expect(reasoning(first)).to_contain_text("word9")
    put(second, ELSEWHERE)
    expect(status(second)).to_have_text(re.compile("Waiting for a free place: next in line"))
    first.get_by_role("button", name="Stop").click()
    finished(second)
