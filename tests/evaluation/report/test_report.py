"""The report: what it says is what the runs wrote, it holds everything itself, and a browser shows it without complaint.

python -m pytest tests/evaluation/report/test_report.py
"""

import csv
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from medreasoner.data.load import DataError
from medreasoner.evaluation.evaluator import SavedAnswers, Stages
from medreasoner.evaluation.report import figures, write
from medreasoner.evaluation.report.cases import chosen
from medreasoner.evaluation.report.figures import (
    Bar,
    bins,
    calibration_error,
    forest,
    reliability,
    separation,
    tenths,
)
from medreasoner.evaluation.report.prices import Price, Prices
from medreasoner.evaluation.run import evaluate
from medreasoner.reasoners.families import UPSTREAM_RAW
from tests.evaluation.test_run import Blind, Looker, Painter, prior
from tests.evaluation.test_run import write as make_image


class Fickle(Looker):
    """Right, half right, shy or mute, by turns."""

    def stream(self, encoded, question, think=True, stop=None):
        text = "".join(super().stream(encoded, question, think, stop))
        if self.questions % 4 == 0:
            yield "I'm sorry, but I can't help with <b>this</b>."
        else:
            yield text


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module")
def samples(place) -> list:
    (place / "images").mkdir()
    listed = [sample for number in range(8) for sample in make_image(place / "images", number)]
    kinds = [
        ("neoplasm" if number % 3 else "lung", "CT" if number % 2 else "MRI") for number in range(len(listed))
    ]
    return [
        replace(sample, supercategory=one, modality=other)
        for sample, (one, other) in zip(listed, kinds, strict=True)
    ]


@pytest.fixture(scope="module")
def runs(place, samples) -> list[Path]:
    train = [sample for number in range(100, 104) for sample in make_image(place / "images", number)]
    evaluate(samples, Fickle(), Painter(), place / "fickle", train=train, data="rectangles")
    evaluate(samples, Blind(prior(train)), Painter(), place / "blind", data="rectangles")
    answers = SavedAnswers.read(place / "fickle")
    evaluate(samples, answers, Painter(), place / "raw", data="rectangles", stages=Stages(frame=UPSTREAM_RAW))
    return [place / "fickle", place / "blind", place / "raw"]


@pytest.fixture(scope="module")
def written(place, runs, samples):
    return write(runs, place / "report.html", {sample.id: sample for sample in samples})


def test_every_mean_is_in_the_csv_file(written, runs):
    rows = list(csv.DictReader(written.csv.open(encoding="utf-8")))
    summary = json.loads((runs[0] / "summary.json").read_text())
    told = {
        (row["group"], row["name"], row["measure"]): row
        for row in rows
        if row["run"].startswith("looker (fickle)")
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
        [case for listed in chosen_of(runs[0]).values() for case in listed]
    )


def chosen_of(folder: Path) -> dict:
    return chosen([json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()])


def test_cases_are_chosen_by_score_and_shown_once(runs):
    picked = chosen_of(runs[1])
    scores = {kind: [record["mask_dice"] for record in listed] for kind, listed in picked.items()}
    assert (
        min(scores["best"]) >= max(scores["median"]) >= min(scores["median"]) >= max(scores["worst"])
        and picked["failed"] == []
    )
    ids = [record["id"] for listed in picked.values() for record in listed]
    assert len(set(ids)) == len(ids) == 9
    assert [record["failure"] for record in chosen_of(runs[0])["failed"]] == ["refusal"] * 4
    few = chosen_of(runs[1])["best"][:2]
    assert sum(len(listed) for listed in chosen(few).values()) == 2


def test_without_the_set_the_report_says_why_it_has_no_pictures(runs, tmp_path):
    page = write(runs[:1], tmp_path / "r.html").html.read_text(encoding="utf-8")
    assert "made without --data" in page and "data:image" not in page


def test_runs_on_different_data_are_labelled_and_not_compared(runs, samples, tmp_path):
    evaluate(samples[:6], Looker(), Painter(), tmp_path / "few", data="rectangles")
    words = write([runs[1], tmp_path / "few"], tmp_path / "r.html").markdown.read_text(encoding="utf-8")
    results = words[words.index("## Results") : words.index("## Beside")]
    assert "## Different data" in words and "must not be compared" in words
    for folder in (runs[1], tmp_path / "few"):
        told = json.loads((folder / "summary.json").read_text())
        assert f"on rectangles, {told['data_sha256'][:8]}" in results, "every row says on what"
    assert "## Differences" not in words
    alike = write(runs[:2], tmp_path / "r.html").markdown.read_text(encoding="utf-8")
    assert "Different data" not in alike and "looker − blind" in alike


def test_differences_are_against_the_controls_and_the_other_runs(written, runs):
    words = written.markdown.read_text(encoding="utf-8")
    rows = [line for line in words[words.index("## Differences") :].splitlines() if " − " in line]
    row = json.loads((runs[0] / "summary.json").read_text())["controls"]["random_box"]["model_minus_this"]
    assert any("− random box" in line and f"{row['mean']:+.3f}" in line for line in rows)
    assert any("− blind" in line for line in rows)


PRICES = "currency: EUR\nmodels:\n  looker: {input: 2, output: 10, hour: 3600}\n  blind: {input: 1}\n"


def test_the_cost_follows_from_given_prices_alone(tmp_path):
    (tmp_path / "prices.yaml").write_text(PRICES)
    prices = Prices.read(tmp_path / "prices.yaml")
    spent = {"counted": 4, "tokens_in": 1_000_000, "tokens_out": 100_000, "wall_s": 2.0}
    assert prices.cost({"model": "looker", "n": 4, "cost": spent}) == "5 EUR"
    assert prices.cost({"model": "looker", "n": 5, "cost": spent}) == "5 EUR for 4 of 5 answers"
    assert prices.cost({"model": "blind", "n": 4, "cost": {**spent, "counted": 0}}) == "not known", (
        "no tokens were counted"
    )
    assert (
        prices.cost({"model": "other", "n": 4, "cost": spent})
        == "not known"
        == Prices.none().cost({"model": "looker", "cost": spent})
    )
    assert prices.cost({"model": "looker", "n": 4, "cost": {**spent, "wall_s": None}}) == "not known"


def test_the_cost_column_says_what_is_not_known(written, runs, tmp_path):
    assert "not known |" in written.markdown.read_text(encoding="utf-8")
    wall = json.loads((runs[1] / "summary.json").read_text())["cost"]["wall_s"]
    prices = Prices("EUR", {"blind": Price(hour=3600.0)})
    assert f"| {wall:.4g} EUR |" in write(runs[1:2], tmp_path / "r.html", None, prices).markdown.read_text(
        encoding="utf-8"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("models: [", "cannot be read as prices"),
        ("models: {a: {input: 1}}", "expected `currency`"),
        ("currency: EUR", "expected `currency`, a word, and `models`"),
        (
            "currency: EUR\nmodels: {a: 3}",
            "a: expected numbers of at least 0 under hour, input, output, got 3",
        ),
        ("currency: EUR\nmodels: {a: {input: -1}}", "expected numbers of at least 0"),
        ("currency: EUR\nmodels: {a: {tokens: 1}}", "expected some of hour, input, output, got tokens"),
        ("currency: EUR\nmodels: {a: {}}", "expected some of hour, input, output, got nothing"),
    ],
)
def test_prices_that_cannot_be_used_are_named(tmp_path, text, message):
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(DataError, match=re.escape(message)):
        Prices.read(tmp_path / "p.yaml")


def test_the_coordinates_probability_has_a_diagram_where_it_was_recorded(runs, tmp_path):
    folder = tmp_path / "sure"
    shutil.copytree(runs[1], folder)
    lines = [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]
    for number, line in enumerate(lines):
        line["coordinate_probability"] = number / 16
    (folder / "records.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert "Reliability of the coordinates" in write([folder], tmp_path / "r.html").markdown.read_text(
        encoding="utf-8"
    )
    assert "Reliability of the coordinates" not in write(runs[1:2], tmp_path / "r.html").markdown.read_text(
        encoding="utf-8"
    )


def test_confidences_that_lie_close_are_cut_into_parts_of_like_number():
    sure, right = [0.01 + number / 1000 for number in range(25)], [0.0] * 12 + [1.0] * 13
    assert tenths(sure, right) == [(pytest.approx(0.0155), 0, 12), (pytest.approx(0.028), 1, 13)]
    assert tenths([0.5], [1.0]) == [(0.5, 1.0, 1)]
    ElementTree.fromstring(reliability(tenths(sure, right), "a", "b", figures.nice(max(sure))))


def test_separation_is_the_area_under_the_roc_curve():
    assert separation([0.9, 0.8, 0.3, 0.1], [1.0, 0.0, 1.0, 0.0]) == 0.75
    assert separation([0.5, 0.5], [1.0, 0.0]) == 0.5 and separation([0.5], [1.0]) is None


def test_a_folder_without_a_finished_run_is_named(tmp_path):
    with pytest.raises(DataError, match="holds no finished run"):
        write([tmp_path], tmp_path / "r.html")
    (tmp_path / "summary.json").write_text('{"overall": {}}')
    with pytest.raises(DataError, match="older version; run `evaluate` again, into another folder"):
        write([tmp_path], tmp_path / "r.html")


def test_figures_are_well_formed_and_true_to_scale():
    svg = forest([Bar("a <model>", 0.5, 0.4, 0.6), Bar("control", 0.1, 0.05, 0.2, "control", 7)], "Box IoU")
    tree = ElementTree.fromstring(svg)
    lines = [e for e in tree.iter("{http://www.w3.org/2000/svg}line") if "interval" in e.get("class")]
    ends = [(float(e.get("x1")), float(e.get("x2"))) for e in lines]
    assert ends[0] == pytest.approx(
        (figures.LABEL + figures.PLOT * 0.4, figures.LABEL + figures.PLOT * 0.6)
    ), "the axis ends at 1"
    assert "control (7)" in svg and "a &lt;model&gt;" in svg
    ElementTree.fromstring(reliability([(0.5, 0.4, 3), (0.9, 0.9, 12)], "Predicted IoU", "True IoU"))


def test_confidences_are_binned_and_their_error_is_weighted():
    binned = bins([0.05, 0.15, 0.17, 1.0], [0.0, 0.2, 0.4, 0.5])
    assert binned == [(0.05, 0.0, 1), (pytest.approx(0.16), pytest.approx(0.3), 2), (1.0, 0.5, 1)]
    assert calibration_error(binned) == pytest.approx((0.05 + 2 * 0.14 + 0.5) / 4)


@pytest.mark.browser
def test_a_browser_shows_it_without_complaint_wide_and_narrow(written, browser):
    said: list[str] = []
    for width in (1200, 390):
        page = browser.new_page(viewport={"width": width, "height": 900})
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
        page.close()
    assert said == []
