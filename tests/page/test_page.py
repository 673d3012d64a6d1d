"""The page in a real browser: opening an image, asking, watching the answer come, stopping, and asking anew.
What goes wrong is in test_error_messages.py, several visitors in test_visitors.py, keys, small screens and
contrast in test_accessibility.py, corrections in test_corrections.py, the viewer's tools in test_viewer.py.

Elements are found by role and text. No test waits for a fixed time; every one fails on a console error or a
request to elsewhere.
"""

import re

import pytest

from tests.recorded_page import ELSEWHERE, ENDLESS, THOUGHT, WHAT, WHERE
from tests.visit import ask, details, drawn, expect, finished, opened, place, put, reasoning, status

pytestmark = pytest.mark.browser

WATCH = """() => {
  const words = document.querySelector("[aria-label=Reasoning]");
  const image = document.querySelector("#viewer img");
  window.seen = {texts: [], loads: 0, swaps: 0, image};
  const observe = (target, note, what) => {
    new MutationObserver(note).observe(target, {subtree: true, ...what});
  };
  observe(words, () => window.seen.texts.push(words.textContent), {characterData: true});
  observe(image, () => window.seen.swaps++, {attributeFilter: ["src"]});
  image.addEventListener("load", () => window.seen.loads++);
}"""


def test_an_uploaded_image_stays_and_is_answered_word_by_word_then_box_points_and_mask(visit, files):
    page = visit()
    opened(page, files / "scan.png")
    page.evaluate(WATCH)
    put(page, WHAT)
    finished(page)

    texts = [text for text in page.evaluate("window.seen.texts") if text]
    assert len(set(texts)) >= 5, "the reasoning did not arrive in pieces"
    assert all(then.startswith(before) for before, then in zip(texts, texts[1:], strict=False))
    assert page.evaluate("window.seen.image === document.querySelector('#viewer img')")
    assert page.evaluate("[window.seen.loads, window.seen.swaps]") == [0, 0], "the image came again"
    expect(reasoning(page)).to_have_text(THOUGHT)

    assert drawn(page, "#viewer .box .line") == pytest.approx(place(page, WHERE.bbox, (640, 480)), abs=1)
    assert drawn(page, "#viewer .mask path") == pytest.approx(place(page, WHERE.bbox, (640, 480)), abs=3)
    for number, (x, y) in enumerate(WHERE.points, start=1):
        disc = page.locator("#viewer .points").get_by_text(str(number), exact=True).bounding_box()
        centre = [disc["x"] + disc["width"] / 2, disc["y"] + disc["height"] / 2]
        assert centre == pytest.approx(place(page, (x, y, x, y), (640, 480))[:2], abs=1)

    answer = details(page)
    expect(answer).to_contain_text("x 160 – 400, y 96 – 288")
    expect(answer).to_contain_text("1 at 250, 180; 2 at 320, 200")
    seconds = r"\d+\.\d\d s"
    expect(answer).to_contain_text(
        re.compile(
            f"First word {seconds}, box {seconds}, mask {seconds} later, total {seconds}, \\d+ tokens/s"
        )
    )
    expect(page.get_by_text("Research use only. Not for diagnosis.")).to_be_visible()


def test_the_layers_lie_on_the_image_at_an_extreme_aspect_ratio(visit, files):
    page = visit()
    opened(page, files / "strip.png")
    put(page, ELSEWHERE)
    finished(page)
    assert drawn(page, "#viewer .box .line") == pytest.approx(
        place(page, (20, 30, 120, 60), (900, 60)), abs=1
    )
    expect(
        page.get_by_text("Part of the answer lay outside the image; it was cut at the edge.")
    ).to_be_visible()


def test_stop_ends_the_run_keeps_what_was_said_and_leaves_the_page_ready(visit, files):
    page = visit()
    opened(page, files / "scan.png")
    put(page, ENDLESS)
    expect(reasoning(page)).to_contain_text("word20")
    expect(ask(page)).to_be_disabled()
    page.get_by_role("button", name="Stop").click()
    expect(status(page)).to_have_text("Stopped")
    said = reasoning(page).inner_text()
    put(page, ELSEWHERE)  # a run still going would hold this one up for as long as its 4,000 words take
    finished(page)
    assert "word20" in said and "word3000" not in said
    expect(reasoning(page)).to_have_text("A short second thought.")


def test_a_second_question_replaces_the_first_answer(visit, files):
    page = visit()
    opened(page, files / "scan.png")
    put(page, WHAT)
    finished(page)
    page.get_by_label("Question").fill(ELSEWHERE)
    page.get_by_label("Question").press("Control+Enter")
    expect(reasoning(page)).to_have_text("A short second thought.")
    finished(page)
    assert drawn(page, "#viewer .box .line") == pytest.approx(
        place(page, (20, 30, 120, 90), (640, 480)), abs=1
    )


def test_a_new_image_clears_the_answer_to_the_old_one(visit, files):
    page = visit()
    opened(page, files / "scan.png")
    put(page, ELSEWHERE)
    finished(page)
    opened(page, files / "strip.png")
    expect(page.get_by_text("900 × 60 px")).to_be_visible()
    expect(page.locator("#answer .reasoning-text")).to_have_text("")
    expect(page.get_by_role("button", name="Box")).to_be_disabled()


def test_a_new_image_ends_a_run_on_the_old_one(visit, files):
    page = visit()
    opened(page, files / "scan.png")
    put(page, ENDLESS)
    expect(reasoning(page)).to_contain_text("word9")
    opened(page, files / "strip.png")
    expect(page.locator("#answer .reasoning-text")).to_have_text("")
    put(page, ELSEWHERE)
    finished(page)
