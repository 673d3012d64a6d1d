"""Answers one by one and in batches: the same scores, images encoded once, lost requests, memory.

python -m pytest tests/evaluation/test_evaluator.py
"""

from dataclasses import replace

import pytest

from medreasoner.answer import parse
from medreasoner.evaluation.options import Options
from medreasoner.evaluation.run import evaluate
from medreasoner.reasoners.base import ReasonerError
from medreasoner.reasoners.dialects import translate
from tests.evaluation.fakes import Adopter, BoxFiller, Clerk, ColourFinder, Encoder, records_in


def test_questions_about_one_image_encode_it_once(samples, tmp_path):
    finder = ColourFinder()
    evaluate(samples, finder, BoxFiller(), tmp_path)
    assert (finder.encodings, finder.questions) == (8, 16)


def test_many_at_once_score_as_one_after_the_other(samples, tmp_path):
    clerk = Clerk()
    together = evaluate(samples, clerk, BoxFiller(), tmp_path / "a", Options(batch=1000))
    alone = evaluate(samples, ColourFinder(), BoxFiller(), tmp_path / "b")
    assert clerk.batches == [16]
    for name in ("overall", "groups", "answers", "failures"):
        assert getattr(together, name) == getattr(alone, name)
    cost = together.cost
    assert (cost.seconds_per_answer, cost.counted, cost.tokens_in, cost.tokens_out) == (0.5, 16, 14400, 960)
    assert cost.wall_s == sum(record["wall_s"] for record in records_in(tmp_path / "a"))
    assert cost.samples_per_s == 16 / cost.wall_s
    assert together.median_timings_s == {}, "a replay has no timings"


def test_a_batch_holds_no_more_encodings_than_it_has_questions(samples, tmp_path):
    sharing, apart = Encoder(), Clerk()
    evaluate(samples, sharing, Adopter(), tmp_path / "sharing", Options(batch=2))
    assert max(sharing.batches) == 2, "an encoding that the segmenter takes over is large"
    evaluate(samples, apart, BoxFiller(), tmp_path / "apart", Options(batch=2))
    assert max(apart.batches) == 16, "a server never waits for the slowest answer of a batch"


@pytest.mark.parametrize("batch", [1, 4])
def test_all_passes_and_controls_together_encode_each_image_once(samples, train, tmp_path, batch):
    encoder, adopter = Encoder(), Adopter()
    result = evaluate(samples, encoder, adopter, tmp_path, Options(batch=batch), train=train)
    assert {"question_shuffled", "image_swapped", "image_blanked", "direct", "oracle", "oracle_box"} <= set(
        result.controls
    )
    assert (encoder.questions, encoder.encodings) == (16 * 5, 8 + 1), "eight images and one grey square"
    assert (adopter.adopted, adopter.encoded) == (8, 0)


def test_an_image_that_the_model_cannot_take_in_fails_alone_in_a_batch_too(samples, tmp_path):
    class Picky(Clerk):
        def encode(self, image):
            if self.encodings == 3:
                self.encodings += 1
                raise ReasonerError("this image is too long")
            return super().encode(image)

    result = evaluate(samples, Picky(), BoxFiller(), tmp_path, Options(batch=4))
    assert result.failures == {"model": 1} and result.n == 16
    assert result.overall["box_iou"].mean == pytest.approx(15 / 16)
    assert {r["message"] for r in records_in(tmp_path) if r["failure"]} == {"this image is too long."}


def test_a_request_that_failed_is_in_no_mean_and_is_made_again(samples, tmp_path):
    first = evaluate(samples, Clerk(lost=3), None, tmp_path, Options(batch=2))
    assert first.n == 15 and first.overall["box_iou"].mean == pytest.approx(1) and first.failures == {}
    assert (
        len(first.unanswered) == 1
        and "the server answered 500" in first.unanswered[0]
        and first.unusable == ()
    )
    again = Clerk()
    second = evaluate(samples, again, None, tmp_path, Options(batch=2))
    assert again.questions == 1 and second.n == 16 and second.unanswered == ()


@pytest.mark.parametrize(
    ("prompts", "box", "points"), [("both", True, 2), ("box", True, 0), ("points", False, 2)]
)
def test_the_segmenter_sees_what_it_is_allowed_to(samples, tmp_path, prompts, box, points):
    seen = []

    class Watcher(BoxFiller):
        draws_from = (prompts,)

        def segment(self, encoded, prompt):
            seen.append((prompt.box is not None, len(prompt.points)))
            return super().segment(encoded, prompt)

    result = evaluate(samples, ColourFinder(), Watcher(), tmp_path, Options(prompts=prompts))
    assert (
        set(seen) == {(box, points)}
        and result.run.prompts == prompts
        and result.overall["box_iou"].mean == pytest.approx(1)
    )


def test_points_that_a_dialect_does_not_have_are_not_scored(samples, tmp_path):
    class Boxer(Clerk):
        def answer_batch(self, encoded, questions, think=True, at_once=1):
            for said in super().answer_batch(encoded, questions, think, at_once):
                yield replace(
                    said, text=translate(f"[{', '.join(map(str, parse(said.text).answer.bbox))}]", ("list",))
                )

    result = evaluate(samples, Boxer(), BoxFiller(), tmp_path, Options(batch=2))
    assert result.overall["pdice_published"] is None and result.overall["points_in_mask"] is None
    assert result.overall["box_iou"].mean == pytest.approx(1, abs=1e-6)
