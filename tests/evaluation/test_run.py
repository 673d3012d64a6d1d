"""An evaluation from end to end: scores, failures, absent targets, what the summary says.

python -m pytest tests/evaluation/test_run.py
"""

import json
from dataclasses import asdict, replace

import pytest
from PIL import Image

from medreasoner.answer import Absence, render
from medreasoner.data.digest import Named, digest
from medreasoner.data.load import DataError
from medreasoner.evaluation.run import Source, evaluate
from medreasoner.evaluation.summary import Summary
from medreasoner.metrics import Interval
from medreasoner.prompts import Prompt
from medreasoner.segmenters.base import SegmenterError
from tests.evaluation.fakes import BoxFiller, ColourFinder, records_in


def test_a_perfect_reader_scores_one_everywhere(samples, tmp_path):
    result = evaluate(samples, ColourFinder(), BoxFiller(), tmp_path)
    assert result.n == len(samples) == len(records_in(tmp_path))
    for name in ("box_iou", "acc_50", "mask_dice"):
        assert asdict(result.overall[name]) == pytest.approx(asdict(Interval(1, 1, 1, 16, 8)))
    assert result.overall["pdice_published"].mean == pytest.approx(2, abs=1e-3), (
        "the published pDice ends at 2"
    )
    assert result.answers["well_formed"].mean == result.answers["fits_best"].mean == 1
    assert result.failures == {} and result.answers["place_agrees"] is None
    assert (
        set(result.groups["category"]) == {"red", "green"}
        and result.groups["category"]["red"]["box_iou"].n == 8
    )
    assert (result.run.model, result.run.segmenter, result.run.prompt) == (
        "finder",
        "filler",
        Prompt().sha256[:16],
    )
    written = json.loads((tmp_path / "summary.json").read_text())
    assert Summary.from_json(written) == result and written == json.loads(json.dumps(result.to_json()))


def test_a_record_says_what_was_asked_answered_and_true(samples, tmp_path):
    evaluate(samples, ColourFinder(), BoxFiller(), tmp_path)
    record = records_in(tmp_path)[0]
    assert record["think"] == "It is bright." and record["answer_text"].endswith("</answer>")
    assert record["box"] == pytest.approx(record["truth"]["box"]) and record["points"] == [
        pytest.approx(p) for p in record["truth"]["points"]
    ]
    assert record["image_wh"] == [80, 60] and record["mask_score"] == 0.9
    assert set(record["timings_s"]) >= {"first_token", "located", "total"}


def test_samples_that_hold_their_pictures_as_bytes_score_the_same(samples, tmp_path):
    held = [
        replace(s, image=s.image.read_bytes(), mask=s.mask.read_bytes())
        for s in sorted(samples, key=lambda s: s.id)
    ]
    finder = ColourFinder()
    result = evaluate(held, finder, BoxFiller(), tmp_path)
    assert result.overall["mask_dice"].mean == 1 and (finder.encodings, finder.questions) == (8, 16)


def test_without_a_segmenter_only_boxes_are_scored(samples, tmp_path):
    result = evaluate(samples, ColourFinder(), None, tmp_path)
    assert result.overall["mask_dice"] is None and result.overall["box_iou"].mean == pytest.approx(1)
    assert result.run.segmenter == "none"


def test_failed_answers_count_zero_and_are_told_by_reason(samples, tmp_path):
    class Mute(ColourFinder):
        def stream(self, encoded, question, think=True, stop=None):
            if "green" in question:
                yield "<think>It is green.</think>I would rather not say."
            else:
                yield from super().stream(encoded, question, think, stop)

    result = evaluate(samples, Mute(), BoxFiller(), tmp_path)
    assert result.failures == {"no answer block": 8}
    assert result.overall["box_iou"].mean == result.overall["mask_dice"].mean == pytest.approx(0.5)
    assert result.answers["well_formed"].mean == result.answers["fits_best"].mean == 0.5
    assert result.groups["category"]["green"]["box_iou"] == Interval(0, 0, 0, 8, 8)
    failed = next(record for record in records_in(tmp_path) if record["failure"])
    assert (
        failed["box"] is None
        and failed["think"] == "It is green."
        and "without giving an answer" in failed["message"]
    )


def test_a_mask_that_fails_leaves_the_box_its_score(samples, tmp_path):
    class Broken(BoxFiller):
        def segment(self, encoded, prompt):
            raise SegmenterError("Out of ink.")

    result = evaluate(samples, ColourFinder(), Broken(), tmp_path)
    assert result.failures == {"segmenter": 16}
    assert result.overall["box_iou"].mean == pytest.approx(1) and result.overall["mask_dice"].mean == 0


def test_claims_about_the_place_are_held_against_the_box(samples, tmp_path):
    class Talker(ColourFinder):
        def thought(self, encoded, found):
            return "I see it in the upper left of the image."

    result = evaluate(samples, Talker(), None, tmp_path)
    agreed = [record["place_agrees"] for record in records_in(tmp_path)]
    assert set(agreed) == {True, False}
    assert result.answers["place_agrees"].mean == sum(agreed) / 16


def test_samples_whose_files_cannot_be_used_are_named_and_not_counted(samples, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    Image.new("L", (5, 5)).save(tmp_path / "small.png")
    bad = [
        replace(samples[0], id="bad-image", image=tmp_path / "broken.png"),
        replace(samples[1], id="bad-mask", mask=tmp_path / "small.png"),
    ]
    result = evaluate(
        [*samples[2:], *bad],
        ColourFinder(),
        BoxFiller(),
        tmp_path / "out",
        source=Source(skipped=["samples.jsonl, row 9: not JSON"]),
    )
    assert result.n == 14 and result.overall["box_iou"].mean == pytest.approx(1)
    assert sorted(reason.split(":")[0] for reason in result.unusable) == ["bad-image", "bad-mask"]
    assert any("5 x 5 pixels, the image 80 x 60" in reason for reason in result.unusable)
    assert result.skipped_rows == ("samples.jsonl, row 9: not JSON",)
    with pytest.raises(DataError, match="none of the 2 samples can be used; the first: bad-"):
        evaluate(bad, ColourFinder(), BoxFiller(), tmp_path / "none")


def test_the_summary_says_on_what_data_it_was_taken(samples, tmp_path):
    whole = Named("Rectangles v1", {"test": {"samples": 16, "sha256": digest(samples)}})
    first = evaluate(samples, ColourFinder(), None, tmp_path / "a", source=Source("here", whole))
    assert (first.set, first.data_sha256, first.data) == (
        "Rectangles v1, test",
        digest(samples),
        "here",
    )
    part = evaluate(samples[:4], ColourFinder(), None, tmp_path / "b", source=Source(named=whole))
    assert (
        part.set == "Rectangles v1, a part or a changed copy: 4 samples"
        and part.data_sha256 != first.data_sha256
    )
    assert evaluate(samples[:4], ColourFinder(), None, tmp_path / "c").set is None


def test_refusals_are_told_from_answers_that_cannot_be_read(samples, tmp_path):
    class Shy(ColourFinder):
        def stream(self, encoded, question, think=True, stop=None):
            yield (
                "I'm sorry, but I can't help with medical images."
                if "red" in question
                else "It is over there."
            )

    assert evaluate(samples, Shy(), None, tmp_path).failures == {"refusal": 8, "no answer block": 8}


def test_an_image_without_its_target_counts_for_presence_alone(samples, tmp_path):
    Image.new("L", (80, 60)).save(tmp_path / "empty.png")
    absent = [
        replace(sample, id=f"{sample.id} absent", mask=tmp_path / "empty.png") for sample in samples[:6]
    ]

    class Careful(ColourFinder):
        """Says of three questions that the target is not there, and of one nothing that can be read."""

        def stream(self, encoded, question, think=True, stop=None):
            self.questions += 1
            if self.questions <= 3:
                yield render(Absence("Nothing of the kind."))
            elif self.questions == 4:
                yield "It is not in this image."
            else:
                yield from super().stream(encoded, question, think, stop)

    result = evaluate(absent, Careful(), None, tmp_path / "absent")
    assert result.overall["box_iou"] is None and result.presence["specificity"].mean == 0.5
    assert result.answers["refused"] is None and result.presence["sensitivity"] is None
    doubter = evaluate(samples, Careful(), BoxFiller(), tmp_path / "doubter")
    assert doubter.answers["refused"].mean == 3 / 16 and doubter.failures == {"no answer block": 1}
    assert doubter.overall["box_iou"].mean == doubter.overall["mask_dice"].mean == pytest.approx(12 / 16)
    mixed = evaluate([*samples, *absent], ColourFinder(), BoxFiller(), tmp_path / "mixed")
    assert mixed.overall["box_iou"].n == 16 and mixed.overall["mask_dice"].mean == 1
    assert mixed.presence["sensitivity"].mean == 1 and mixed.presence["specificity"].mean == 0
    assert evaluate(samples, ColourFinder(), None, tmp_path / "present").presence is None


def test_a_prior_learnt_from_the_evaluated_samples_is_refused_before_anything_runs(samples, train, tmp_path):
    finder = ColourFinder()
    with pytest.raises(DataError, match="the training samples hold.*--train"):
        evaluate(samples, finder, None, tmp_path, train=[*train, samples[3]])
    assert finder.encodings == 0
