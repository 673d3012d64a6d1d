"""Error messages in a real browser: what a visitor is told of a bad file, a missing question or image, an
unusable answer and a run that breaks off. The page stays usable after each.
"""

import pytest

from tests.recorded_page import BROKEN, BUG, ELSEWHERE, UNKNOWN, WHAT
from tests.visit import expect, finished, opened, put, reasoning, status, upload

pytestmark = pytest.mark.browser


def test_a_file_that_is_no_image_gets_one_sentence_and_the_image_before_it_stays(visit, files, tmp_path):
    letter, empty = tmp_path / "letter.png", tmp_path / "empty.png"
    letter.write_bytes(b"Dear colleague, it follows by post.")
    empty.touch()
    bad = {letter: "cannot be read as an image", empty: "file is empty"}
    page = visit()
    opened(page, files / "scan.png")
    for path, said in bad.items():
        upload(page, path)
        expect(status(page)).to_contain_text(said)
    put(page, ELSEWHERE)
    finished(page)
    for path, said in bad.items():
        upload(page, path)
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


def test_a_run_that_breaks_off_says_so_and_leaves_the_page_usable(visit, files):
    page = visit()
    opened(page, files / "scan.png")
    for question, said in ((UNKNOWN, "was not asked this question"), (BUG, "Something broke on our side")):
        put(page, question)
        expect(status(page)).to_contain_text(said)
        put(page, ELSEWHERE)
        finished(page)
