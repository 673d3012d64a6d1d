"""The report says what the runs wrote, holds everything itself, and a browser shows it without complaint.

python -m pytest tests/evaluation/report/test_report.py
"""

import csv
import json
import re

import pytest

from medreasoner.data.load import DataError
from medreasoner.evaluation.record_file import read_records
from medreasoner.evaluation.report import write
from medreasoner.evaluation.report.cases import chosen
from medreasoner.evaluation.run import Source, evaluate
from tests.evaluation.fakes import BoxFiller, ColourFinder
from tests.visit import new_context


def test_every_mean_is_in_the_csv_file(written, runs):
    rows = list(csv.DictReader(written.csv.open(encoding="utf-8")))
    summary = json.loads((runs[0] / "summary.json").read_text())
    told = {
        (row["group"], row["name"], row["measure"]): row
        for row in rows
        if row["run"].startswith("finder (fickle)")
    }
    assert float(told["overall", "", "box_iou"]["mean"]) == summary["overall"]["box_iou"]["mean"]
    assert (
        float(told["supercategory", "lung", "mask_dice"]["high"])
        == summary["per_supercategory"]["lung"]["mask_dice"]["high"]
    )
    assert float(told["as published", "", "pdice"]["mean"]) == summary["as_published"]["pdice"]["mean"]
    assert ("control", "random_box", "box_iou") in told


def test_the_page_asks_nobody_for_anything_and_runs_nothing(written):
    page = written.html.read_text(encoding="utf-8")
    assert (
        not re.search(r"""(src|href|action)=["'](?!#|data:image/jpeg;base64,)""", page)
        and "<script" not in page
    )
    assert "url(" not in page and "@import" not in page
    assert page.count("Research use only") == 2


def test_what_a_model_wrote_is_text_and_never_markup(written):
    page = written.html.read_text(encoding="utf-8")
    assert "can&#39;t help with &lt;b&gt;this&lt;/b&gt;" in page and "<b>this</b>" not in page


def test_the_parts_say_what_was_measured(written, runs):
    page, words = written.html.read_text(encoding="utf-8"), written.markdown.read_text(encoding="utf-8")
    summary = json.loads((runs[0] / "summary.json").read_text())
    mean = f"{summary['overall']['box_iou']['mean']:.3f}"
    for text in (page, words):
        assert mean in text and "Random box" in text and "32.42" in text and "refusal" in text
        assert (
            "Beside the published table" in text
            and "What the missing conversion costs" in text
            and "upstream-raw" in text
        )
    assert page.count("data:image/jpeg;base64,") == len(
        [case for listed in chosen(read_records(runs[0] / "records.jsonl")).values() for case in listed]
    )


def test_without_the_set_the_report_says_why_it_has_no_pictures(runs, tmp_path):
    page = write(runs[:1], tmp_path / "r.html").html.read_text(encoding="utf-8")
    assert "made without --data" in page and "data:image" not in page


def test_runs_on_different_data_are_labelled_and_not_compared(runs, samples, tmp_path):
    evaluate(samples[:6], ColourFinder(), BoxFiller(), tmp_path / "few", source=Source("rectangles"))
    words = write([runs[1], tmp_path / "few"], tmp_path / "r.html").markdown.read_text(encoding="utf-8")
    results = words[words.index("## Results") : words.index("## Beside")]
    assert "## Different data" in words and "must not be compared" in words
    for folder in (runs[1], tmp_path / "few"):
        told = json.loads((folder / "summary.json").read_text())
        assert f"on rectangles, {told['data_sha256'][:8]}" in results, "every row says on what"
    assert "## Differences" not in words
    alike = write(runs[:2], tmp_path / "r.html").markdown.read_text(encoding="utf-8")
    assert "Different data" not in alike and "finder − blind" in alike


def test_differences_are_against_the_controls_and_the_other_runs(written, runs):
    words = written.markdown.read_text(encoding="utf-8")
    rows = [line for line in words[words.index("## Differences") :].splitlines() if " − " in line]
    row = json.loads((runs[0] / "summary.json").read_text())["controls"]["random_box"]["model_minus_this"]
    assert any("− random box" in line and f"{row['mean']:+.3f}" in line for line in rows)
    assert any("− blind" in line for line in rows)


def test_a_folder_without_a_finished_run_is_named(tmp_path):
    with pytest.raises(DataError, match="holds no finished run"):
        write([tmp_path], tmp_path / "r.html")
    (tmp_path / "summary.json").write_text('{"overall": {}}')
    with pytest.raises(DataError, match="older version; run `evaluate` again, into another folder"):
        write([tmp_path], tmp_path / "r.html")


@pytest.mark.browser
def test_a_browser_shows_it_without_complaint_wide_and_narrow(written, browser):
    said: list[str] = []
    for width in (1200, 390):
        context = new_context(browser, viewport={"width": width, "height": 900})
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on(
            "request", lambda request: said.append(request.url) if request.url.startswith("http") else None
        )
        page.goto(written.html.as_uri())
        assert page.get_by_role("heading", name="Results").is_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, (
            "wide tables scroll in their own boxes"
        )
        assert page.evaluate("[...document.images].every(i => { i.loading = 'eager'; return true })")
        context.close()
    assert said == []
