"""Accessibility in a real browser: keys for the layers, a phone's screen, and contrast in light and in dark."""

import pytest

from tests.recorded_page import ELSEWHERE, WHAT, WHERE
from tests.visit import ask, drawn, expect, finished, opened, place, put

pytestmark = pytest.mark.browser


def test_a_key_hides_and_shows_each_layer_but_not_while_typing(visit, files):
    page = visit()
    opened(page, files / "scan.png")
    put(page, ELSEWHERE)
    finished(page)
    for key, name in (("b", "Box"), ("p", "Points"), ("m", "Mask")):
        button = page.get_by_role("group", name="Layers").get_by_role("button", name=name)
        shape = page.locator(f"#viewer .layer.{name.lower()}")
        expect(shape).to_be_visible()
        page.get_by_label("Question").press(key)
        expect(button).to_have_attribute("aria-pressed", "true")
        page.get_by_text("Done").click()
        page.keyboard.press(key)
        expect(button).to_have_attribute("aria-pressed", "false")
        expect(shape).to_be_hidden()
        button.click()
        expect(shape).to_be_visible()


def test_a_phone_shows_everything_without_scrolling_sideways_and_the_question_at_the_bottom(visit, files):
    page = visit(390, 844)
    opened(page, files / "scan.png")
    put(page, WHAT)
    finished(page)
    sticking_out = """() => [...document.querySelectorAll('#workspace *, header *')].filter(e =>
        !e.closest('#history') && e.getBoundingClientRect().right > innerWidth + 0.5)
        .map(e => e.outerHTML.slice(0, 80))"""
    assert page.evaluate(sticking_out) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    expect(ask(page)).to_be_in_viewport(ratio=1)
    expect(page.get_by_text("Research use only. Not for diagnosis.")).to_be_in_viewport(ratio=1)
    assert drawn(page, "#viewer .box .line") == pytest.approx(place(page, WHERE.bbox, (640, 480)), abs=1)


CONTRAST = """selectors => {
  const parts = color => color.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const linear = value => value <= 10 ? value / 255 / 12.92 : ((value / 255 + .055) / 1.055) ** 2.4;
  const light = color => {
    const [r, g, b] = parts(color).map(linear);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const ground = light(getComputedStyle(document.body).backgroundColor);
  return selectors.map(s => { const ink = light(getComputedStyle(document.querySelector(s)).color);
    return (Math.max(ink, ground) + .05) / (Math.min(ink, ground) + .05) });
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_the_page_in_light_and_in_dark(visit, scheme):
    page = visit(color_scheme=scheme)
    paper = {"light": "rgb(233, 230, 223)", "dark": "rgb(26, 25, 23)"}[scheme]
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == paper
    ratios = page.evaluate(CONTRAST, ["#answer .reasoning-text", "#notice p", "header p", "#status p"])
    assert min(ratios) >= 4.5
