"""The page in a real browser: what a visitor sees and does. Recorded answers stand in for a model, everything else is the real thing.

Elements are found by role and text. No test waits for a fixed time; every one fails on a console error or a request to elsewhere.
"""

import base64
import os
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

import app
from medreasoner.answer import Answer, render
from medreasoner.geometry import Grounding
from medreasoner.model import MedReasoner
from medreasoner.reasoners.replay import ReplayReasoner, image_key
from page.examples import Example
from tests import chromium

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect
expect.set_options(timeout=20_000)  # a patience, not a wait: on a busy machine a page is slow
pytestmark = pytest.mark.browser

THOUGHT = " ".join(f"Sentence {n} of the reasoning looks at another part of the image." for n in range(1, 13))
WHERE = Answer((160, 96, 400, 288), ((250, 180), (320, 200)), think=THOUGHT)
WHAT, ELSEWHERE, BROKEN, ENDLESS = "What passes sound?", "And what does not?", "What breaks?", "What never ends?"
BUG, UNKNOWN = "What meets a bug?", "What was never recorded?"
ANSWERS = {
    WHAT: render(WHERE),
    ELSEWHERE: render(Answer((20, 30, 120, 90), ((50, 50), (70, 60)), think="A short second thought.")),
    BROKEN: "<think>Almost there.</think><answer>{'bbox': [1, 2, 3]}</answer>",
    BUG: render(Answer((0, 0, 1, 1), ((0, 0), (1, 1)), think="Into the corner.")),
    ENDLESS: "<think>" + " ".join(f"word{n}" for n in range(4000)),
}


class Oval:
    """A segmenter that fills the box with an oval, and has a bug in the corner."""

    name = "oval"

    def encode(self, image: Image.Image, features: object = None) -> object:
        return image.size

    def segment(self, encoded: tuple[int, int], grounding: Grounding) -> tuple[np.ndarray, float]:
        assert grounding.box != (0, 0, 1, 1), "the bug in the corner, which this test wants"
        canvas = Image.new("1", encoded)
        ImageDraw.Draw(canvas).ellipse(grounding.box, fill=1)
        return np.asarray(canvas), 0.87


def scan(width: int, height: int) -> Image.Image:
    """Grey speckle with a dark place in it, the same each time."""
    speckle = np.random.default_rng(0).integers(60, 200, (height, width), dtype=np.uint8)
    image = Image.fromarray(speckle).filter(ImageFilter.GaussianBlur(1.5))
    ImageDraw.Draw(image).ellipse((width // 4, height // 5, width * 5 // 8, height * 3 // 5), fill=20)
    return image.convert("RGB")


SCANS = {"scan.png": scan(640, 480), "strip.png": scan(900, 60)}


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    for name, image in SCANS.items():
        image.save(folder / name)
    return folder


@pytest.fixture(scope="module")
def address(files) -> Iterator[str]:
    """The page, served from this process."""
    runs = []
    for image in SCANS.values():
        known = {"image_sha256": image_key(image), "think": True, "model": "tests", "frame": "input pixels", "input_wh": list(image.size)}
        runs += [{**known, "question": question, "pieces": re.findall(r"\s*\S+", text)} for question, text in ANSWERS.items()]
    model = MedReasoner(ReplayReasoner(runs, seconds_per_piece=0.01), Oval())
    page = app.Page(model, [Example(files / "scan.png", WHAT, "Ultrasound", "drawn for this test", "CC0")])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    app.launch(page, server_port=port, prevent_thread_lock=True, quiet=True)
    yield f"http://127.0.0.1:{port}/"
    page.demo.close(verbose=False)


@pytest.fixture(scope="module")
def browser() -> Iterator["sync_api.Browser"]:
    found = chromium.find()
    if found is None:
        message = "there is no Chromium or Chrome; `make test` fetches one"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=found, args=chromium.flags())
        yield launched
        launched.close()


@pytest.fixture
def visit(browser, address) -> Iterator[Callable[..., "sync_api.Page"]]:
    """Open the page as a new visitor; whatever the browser complains of, or asks of another machine, fails the test."""
    contexts, complaints = [], []

    def come(width: int = 1280, height: int = 900, **settings: str) -> "sync_api.Page":
        context = browser.new_context(viewport={"width": width, "height": height}, **settings)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith((address, "data:", "blob:")) else complaints.append(request.url))
        page.goto(address)
        expect(ask(page)).to_be_visible()
        expect(page.get_by_text("Open, paste or drop a medical image")).to_be_visible()
        return page

    yield come
    for context in contexts:
        context.close()
    assert complaints == []


def ask(page) -> "sync_api.Locator":
    return page.get_by_role("button", name="Ask", exact=True)


def reasoning(page) -> "sync_api.Locator":
    return page.get_by_role("region", name="Reasoning")


def status(page) -> "sync_api.Locator":
    return page.get_by_role("status", name="State of the run")


def upload(page, path: Path) -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Open image").click()
    chooser.value.set_files(path)


def opened(page, path: Path) -> "sync_api.Locator":
    """Upload `path` and wait for its image."""
    upload(page, path)
    image = page.get_by_role("img", name="The opened image")
    expect(image).to_be_visible()
    expect(status(page)).to_have_text("Ready")
    return image


def put(page, question: str) -> None:
    page.get_by_label("Question").fill(question)
    ask(page).click()


def finished(page) -> None:
    expect(status(page)).to_have_text("Done")


def place(page, box: tuple[float, ...], size: tuple[int, int]) -> list[float]:
    """Where `box` in image pixels must be on the screen: x, y, width, height."""
    frame = page.get_by_role("img", name="The opened image").bounding_box()
    sx, sy = frame["width"] / size[0], frame["height"] / size[1]
    return [frame["x"] + box[0] * sx, frame["y"] + box[1] * sy, (box[2] - box[0]) * sx, (box[3] - box[1]) * sy]


def drawn(page, selector: str) -> list[float]:
    """Where the drawing is on the screen, without the width of its line: x, y, width, height."""
    return page.locator(selector).evaluate(
        """shape => { const box = shape.getBBox(), m = shape.getScreenCTM();
        return [m.e + box.x * m.a, m.f + box.y * m.d, box.width * m.a, box.height * m.d]; }"""
    )


WATCH = """() => {
  const words = document.querySelector("[aria-label=Reasoning]"), image = document.querySelector("#viewer img");
  window.seen = {texts: [], loads: 0, swaps: 0, image};
  const observe = (target, note) => new MutationObserver(note).observe(target, {subtree: true, characterData: true, attributes: true});
  observe(words, () => window.seen.texts.push(words.textContent));
  observe(image, () => window.seen.swaps++);
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

    answer = page.get_by_role("region", name="Answer")
    expect(answer).to_contain_text("x 160 – 400, y 96 – 288")
    expect(answer).to_contain_text("1 at 250, 180; 2 at 320, 200")
    seconds = r"\d+\.\d\d s"
    expect(answer).to_contain_text(re.compile(f"First word {seconds}, box {seconds}, mask {seconds} later, total {seconds}, \\d+ tokens/s"))
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
    assert drawn(page, "#viewer .box .line") == pytest.approx(place(page, (20, 30, 120, 60), (900, 60)), abs=1)
    expect(page.get_by_text("Part of the answer lay outside the image; it was cut at the edge.")).to_be_visible()


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
    expect(status(second)).to_have_text("Waiting for a free place")
    first.close()
    finished(second)


def test_a_visitor_in_line_can_leave_it_and_ask_again(visit, files):
    first, second = visit(), visit()
    opened(first, files / "scan.png")
    opened(second, files / "scan.png")
    put(first, ENDLESS)
    expect(reasoning(first)).to_contain_text("word9")
    put(second, WHAT)
    expect(status(second)).to_have_text("Waiting for a free place")
    second.get_by_role("button", name="Stop").click()
    expect(status(second)).to_have_text("Stopped")
    first.get_by_role("button", name="Stop").click()
    put(second, ELSEWHERE)
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


@pytest.mark.parametrize("content, said", [(b"Dear colleague, it follows by post.", "cannot be read as an image"), (b"", "file is empty")])
def test_a_file_that_is_no_image_gets_one_sentence_and_the_image_before_it_stays(visit, files, tmp_path, content, said):
    page = visit()
    opened(page, files / "scan.png")
    bad = tmp_path / "letter.png"
    bad.write_bytes(content)
    upload(page, bad)
    expect(status(page)).to_contain_text(said)
    put(page, ELSEWHERE)
    finished(page)


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


@pytest.mark.parametrize("question, said", [(UNKNOWN, "was not asked this question"), (BUG, "Something broke on our side")])
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
    assert drawn(page, "#viewer .box .line") == pytest.approx(place(page, (20, 30, 120, 90), (640, 480)), abs=1)


def test_a_new_image_clears_the_answer_to_the_old_one(visit, files):
    page = visit()
    opened(page, files / "scan.png")
    put(page, ELSEWHERE)
    finished(page)
    opened(page, files / "strip.png")
    expect(page.get_by_text("900 × 60 px")).to_be_visible()
    expect(reasoning(page)).to_have_text("")
    expect(page.get_by_role("button", name="Box")).to_be_disabled()


def test_a_new_image_ends_a_run_on_the_old_one(visit, files):
    page = visit()
    opened(page, files / "scan.png")
    put(page, ENDLESS)
    expect(reasoning(page)).to_contain_text("word9")
    opened(page, files / "strip.png")
    expect(reasoning(page)).to_have_text("")
    put(page, ELSEWHERE)
    finished(page)


@pytest.mark.parametrize("key, name, layer", [("b", "Box", "box"), ("p", "Points", "points"), ("m", "Mask", "mask")])
def test_a_key_hides_and_shows_each_layer_but_not_while_typing(visit, files, key, name, layer):
    page = visit()
    opened(page, files / "scan.png")
    put(page, ELSEWHERE)
    finished(page)
    button, shape = page.get_by_role("button", name=name), page.locator(f"#viewer .layer.{layer}")
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
  const event = kind === "paste" ? new ClipboardEvent("paste", {clipboardData: transfer, bubbles: true, cancelable: true})
                                 : new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true});
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
    sticking_out = """() => [...document.querySelectorAll('#room *, header *')].filter(e =>
        !e.closest('.strip') && e.getBoundingClientRect().right > innerWidth + 0.5).map(e => e.outerHTML.slice(0, 80))"""
    assert page.evaluate(sticking_out) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    expect(ask(page)).to_be_in_viewport(ratio=1)
    expect(page.get_by_text("Research use only. Not for diagnosis.")).to_be_in_viewport(ratio=1)
    assert drawn(page, "#viewer .box .line") == pytest.approx(place(page, WHERE.bbox, (640, 480)), abs=1)


CONTRAST = """selectors => {
  const parts = color => color.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const linear = value => value <= 10 ? value / 255 / 12.92 : ((value / 255 + .055) / 1.055) ** 2.4;
  const light = color => { const [r, g, b] = parts(color).map(linear); return .2126 * r + .7152 * g + .0722 * b };
  const ground = light(getComputedStyle(document.body).backgroundColor);
  return selectors.map(s => { const ink = light(getComputedStyle(document.querySelector(s)).color);
    return (Math.max(ink, ground) + .05) / (Math.min(ink, ground) + .05) });
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_the_page_in_light_and_in_dark(visit, scheme):
    page = visit(color_scheme=scheme)
    paper = {"light": "rgb(233, 230, 223)", "dark": "rgb(26, 25, 23)"}[scheme]
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == paper
    ratios = page.evaluate(CONTRAST, ["#reading .words", "#notice p", "header p", "#status p"])
    assert min(ratios) >= 4.5
