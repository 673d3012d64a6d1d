"""The page in a real browser: open, ask, watch, stop; what goes wrong; the phone. Corrections are in
test_corrections.py, the viewer's own tools in test_viewer.py.

Elements are found by role and text. No test waits for a fixed time; every one fails on a console error or a
request to elsewhere.
"""

import base64
import gc
import re
import threading
import weakref
from collections.abc import Iterator

import pytest

from medreasoner.page.session import Session
from tests.visit import (
    BROKEN,
    BUG,
    ELSEWHERE,
    ENDLESS,
    READING,
    THOUGHT,
    UNKNOWN,
    WHAT,
    WHERE,
    ask,
    details,
    drawn,
    expect,
    finished,
    opened,
    place,
    put,
    reasoning,
    status,
    upload,
)

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


def test_an_uploaded_image_is_answered_word_by_word_then_box_points_and_mask(visit, files):
    page = visit()
    opened(page, files / "scan.png")
    page.evaluate(WATCH)
    put(page, WHAT)
    finished(page)

    texts = [text for text in page.evaluate("window.seen.texts") if text]
    assert len(set(texts)) >= 5, "the reasoning did not arrive in pieces"
    assert all(then.startswith(before) for before, then in zip(texts, texts[1:], strict=False))
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


def test_the_image_is_neither_replaced_nor_loaded_again_while_text_streams(visit, files):
    page = visit()
    opened(page, files / "scan.png")
    page.evaluate(WATCH)
    put(page, WHAT)
    finished(page)
    assert page.evaluate("window.seen.image === document.querySelector('#viewer img')")
    assert page.evaluate("[window.seen.loads, window.seen.swaps]") == [0, 0]


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


def test_a_visitor_who_leaves_makes_room_for_the_next(visit, files):
    first, second = visit(), visit()
    opened(first, files / "scan.png")
    put(first, ENDLESS)
    expect(reasoning(first)).to_contain_text("word9")
    opened(second, files / "scan.png")
    put(second, ELSEWHERE)
    expect(status(second)).to_contain_text("Waiting for a free place")
    first.close()
    finished(second)


def test_a_visitor_in_line_can_leave_it_and_ask_again(visit, files):
    first, second = visit(), visit()
    opened(first, files / "scan.png")
    opened(second, files / "scan.png")
    put(first, ENDLESS)
    expect(reasoning(first)).to_contain_text("word9")
    put(second, WHAT)
    expect(status(second)).to_contain_text("Waiting for a free place")
    second.get_by_role("button", name="Stop").click()
    expect(status(second)).to_have_text("Stopped")
    first.get_by_role("button", name="Stop").click()
    put(second, ELSEWHERE)
    finished(second)
    expect(reasoning(second)).to_have_text("A short second thought.")


@pytest.fixture
def reading_waits() -> Iterator[threading.Event]:
    """The model reads an image only once the test has set this."""
    READING.clear()
    yield READING
    READING.set()


def test_another_example_while_the_model_still_reads_the_first_can_be_asked_about(visit, reading_waits):
    page = visit()
    page.get_by_role("group", name="Examples").get_by_role("button", name="Ultrasound").click()
    expect(status(page)).to_have_text("Reading the image")
    page.get_by_role("button", name="Examples", exact=True).click()
    page.get_by_role("group", name="Examples").get_by_role("button", name="X-ray").click()
    expect(page.get_by_text("900 × 60 px")).to_be_visible()
    expect(status(page)).to_contain_text("Waiting for a free place")
    reading_waits.set()
    finished(page)
    expect(reasoning(page)).to_have_text("A short second thought.")


def test_a_question_in_line_that_was_left_is_never_answered_on_the_next_image(visit, files, reading_waits):
    first, second = visit(), visit()
    opened(first, files / "scan.png")
    put(first, ELSEWHERE)
    expect(status(first)).to_have_text("Reading the image")
    opened(second, files / "scan.png")
    put(second, WHAT)
    expect(status(second)).to_contain_text("Waiting for a free place")
    opened(second, files / "strip.png")
    put(second, ELSEWHERE)
    expect(status(second)).to_contain_text("Waiting for a free place")
    reading_waits.set()
    finished(first)
    finished(second)
    expect(reasoning(second)).to_have_text("A short second thought.")


def test_two_visitors_see_their_own_images_and_answers(visit, files):
    first, second = visit(), visit()
    opened(first, files / "scan.png")
    opened(second, files / "strip.png")
    put(first, WHAT)
    put(second, ELSEWHERE)
    finished(first)
    finished(second)
    expect(reasoning(first)).to_have_text(THOUGHT)
    expect(reasoning(second)).to_have_text("A short second thought.")
    expect(first.get_by_text("640 × 480 px")).to_be_visible()
    expect(second.get_by_text("900 × 60 px")).to_be_visible()


def test_nothing_of_a_visit_is_kept_once_the_visitor_has_left(visit, files, served):
    visits = served.demo.state_holder.session_data
    before = set(visits)
    page = visit()
    opened(page, files / "scan.png")
    put(page, ELSEWHERE)
    finished(page)
    [mine] = [kept for name, kept in visits.items() if name not in before]
    [session] = [value for value in mine.state_data.values() if isinstance(value, Session)]
    gone = threading.Event()
    weakref.finalize(session, gone.set)
    del mine, session
    page.context.close()
    for _ in range(
        240
    ):  # the garbage collector has to be asked, for Gradio's objects refer to each other in circles
        gc.collect()
        if gone.wait(0.5):
            break
    assert gone.is_set()
    assert set(visits) <= before


@pytest.mark.parametrize(
    "content, said",
    [(b"Dear colleague, it follows by post.", "cannot be read as an image"), (b"", "file is empty")],
)
def test_a_file_that_is_no_image_gets_one_sentence_and_the_image_before_it_stays(
    visit, files, tmp_path, content, said
):
    page = visit()
    opened(page, files / "scan.png")
    bad = tmp_path / "letter.png"
    bad.write_bytes(content)
    upload(page, bad)
    expect(status(page)).to_contain_text(said)
    put(page, ELSEWHERE)
    finished(page)
    upload(page, bad)
    expect(status(page)).to_contain_text(said)
    page.get_by_role("button", name="Exclude").click()
    page.locator("#viewer .stage").click()
    expect(status(page)).to_contain_text("Outlined again")


def test_a_truncated_image_gets_one_sentence(visit, files, tmp_path):
    page = visit()
    half = tmp_path / "half.png"
    half.write_bytes((files / "scan.png").read_bytes()[:5000])
    upload(page, half)
    expect(status(page)).to_contain_text("damaged, cut short")


def test_an_empty_question_says_what_is_missing_and_keeps_the_last_answer(visit, files):
    page = visit()
    opened(page, files / "scan.png")
    put(page, ELSEWHERE)
    finished(page)
    put(page, "   ")
    expect(status(page)).to_contain_text("The question is empty")
    expect(page.get_by_role("button", name="Include")).to_be_visible()
    expect(reasoning(page)).to_have_text("A short second thought.")
    put(page, "?")  # the same sentence again must not leave the line at "Waiting"
    expect(status(page)).to_contain_text("The question is empty")


def test_a_question_without_an_image_says_what_is_missing(visit):
    page = visit()
    put(page, WHAT)
    expect(status(page)).to_have_text("There is no image yet; open one first.")


def test_a_malformed_answer_is_shown_with_what_is_wrong_and_the_next_question_works(visit, files):
    page = visit()
    opened(page, files / "scan.png")
    put(page, BROKEN)
    expect(status(page)).to_have_text("The answer could not be used")
    problem = page.get_by_role("region", name="What is wrong")
    expect(problem).to_contain_text("The answer lacks points_1, points_2.")
    expect(problem).to_contain_text("<answer>{'bbox': [1, 2, 3]}</answer>")
    expect(reasoning(page)).to_have_text("Almost there.")
    expect(page.get_by_role("button", name="Box")).to_be_disabled()
    put(page, ELSEWHERE)
    finished(page)
    expect(problem).to_be_hidden()


@pytest.mark.parametrize(
    "question, said", [(UNKNOWN, "was not asked this question"), (BUG, "Something broke on our side")]
)
def test_a_run_that_breaks_off_says_so_and_leaves_the_page_usable(visit, files, question, said):
    page = visit()
    opened(page, files / "scan.png")
    put(page, question)
    expect(status(page)).to_contain_text(said)
    put(page, ELSEWHERE)
    finished(page)


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


@pytest.mark.parametrize(
    "key, name, layer", [("b", "Box", "box"), ("p", "Points", "points"), ("m", "Mask", "mask")]
)
def test_a_key_hides_and_shows_each_layer_but_not_while_typing(visit, files, key, name, layer):
    page = visit()
    opened(page, files / "scan.png")
    put(page, ELSEWHERE)
    finished(page)
    button = page.get_by_role("group", name="Layers").get_by_role("button", name=name)
    shape = page.locator(f"#viewer .layer.{layer}")
    expect(shape).to_be_visible()
    page.get_by_label("Question").press(key)
    expect(button).to_have_attribute("aria-pressed", "true")
    page.get_by_text("Done").click()
    page.keyboard.press(key)
    expect(button).to_have_attribute("aria-pressed", "false")
    expect(shape).to_be_hidden()
    button.click()
    expect(shape).to_be_visible()


GIVE = """async ([kind, data]) => {
  const bytes = Uint8Array.from(atob(data), character => character.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], "given.png", {type: "image/png"}));
  const options = {bubbles: true, cancelable: true};
  const event = kind === "paste" ? new ClipboardEvent("paste", {clipboardData: transfer, ...options})
                                 : new DragEvent("drop", {dataTransfer: transfer, ...options});
  document.body.dispatchEvent(event);
}"""


@pytest.mark.parametrize("kind", ["paste", "drop"])
def test_an_image_can_be_pasted_and_dropped(visit, files, kind):
    page = visit()
    page.evaluate(GIVE, [kind, base64.b64encode((files / "scan.png").read_bytes()).decode()])
    expect(page.get_by_text("640 × 480 px")).to_be_visible()


def test_an_example_brings_its_image_its_question_and_its_source(visit):
    page = visit()
    page.get_by_role("group", name="Examples").get_by_role("button", name="Ultrasound").click()
    expect(page.get_by_text("Ultrasound, drawn for this test, CC0")).to_be_visible()
    expect(page.get_by_label("Question")).to_have_value(WHAT)
    ask(page).click()
    finished(page)


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
