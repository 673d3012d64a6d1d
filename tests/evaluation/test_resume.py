"""A killed run goes on where it was, alone or shared between processes, and never mixes records.

python -m pytest tests/evaluation/test_resume.py
"""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from medreasoner.data.load import DataError
from medreasoner.evaluation.options import Options
from medreasoner.evaluation.resume import Shard
from medreasoner.evaluation.run import evaluate
from medreasoner.evaluation.summary import Summary
from tests.evaluation.fakes import BoxFiller, Clerk, ColourFinder, Deaf, records_in


def test_a_killed_run_goes_on_where_it_was(samples, tmp_path):
    class Killed(ColourFinder):
        def stream(self, encoded, question, think=True, stop=None):
            if self.questions == 5:
                raise KeyboardInterrupt
            yield from super().stream(encoded, question, think, stop)

    with pytest.raises(KeyboardInterrupt):
        evaluate(samples, Killed(), BoxFiller(), tmp_path)
    file = tmp_path / "records.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    assert len(lines) == 5
    file.write_bytes(b"".join(lines[:4]) + lines[4][:50])  # as if the fifth had been cut short
    second = ColourFinder()
    result = evaluate(samples, second, BoxFiller(), tmp_path)
    assert second.questions == 12, "the four whole records were kept, the half one was dropped"
    assert file.read_bytes().startswith(b"".join(lines[:4])) and len(records_in(tmp_path)) == 16 == result.n
    third = ColourFinder()
    again = evaluate(samples, third, BoxFiller(), tmp_path)
    assert third.questions == third.encodings == 0 and again == result


def test_a_sample_whose_truth_was_mended_is_answered_anew(samples, tmp_path):
    stated = [replace(sample, box=sample.truth().box) for sample in samples]
    evaluate(stated, ColourFinder(), None, tmp_path)
    mended = [replace(stated[0], box=(0.0, 0.0, 80.0, 60.0)), *stated[1:]]
    finder = ColourFinder()
    assert evaluate(mended, finder, None, tmp_path).overall["box_iou"].mean < 1 and finder.questions == 1
    again = ColourFinder()
    assert evaluate(mended, again, None, tmp_path).overall["box_iou"].mean < 1 and again.questions == 0


def test_records_of_another_model_or_prompt_are_not_continued(samples, tmp_path):
    evaluate(samples, ColourFinder(), None, tmp_path)
    with pytest.raises(DataError, match="was made by.*finder.*now it is.*deaf"):
        evaluate(samples, Deaf(), None, tmp_path)
    with pytest.raises(DataError, match="was made by"):
        evaluate(samples, ColourFinder(), None, tmp_path, Options(think=False))


def test_a_damaged_record_is_named(samples, tmp_path):
    (tmp_path / "records.jsonl").write_text("{\n")
    with pytest.raises(DataError, match="records.jsonl, line 1 is not JSON"):
        evaluate(samples, ColourFinder(), None, tmp_path)


def test_processes_share_the_work_and_end_with_one_summary(samples, train, tmp_path):
    whole = evaluate(samples, ColourFinder(), BoxFiller(), tmp_path / "whole", train=train)
    finders = [ColourFinder() for _ in range(3)]

    def process(rank: int) -> Summary:
        return evaluate(
            samples, finders[rank], BoxFiller(), tmp_path / "parts", train=train, shard=Shard(rank, 3)
        )

    with ThreadPoolExecutor(3) as processes:
        results = list(processes.map(process, range(3)))
    for result in results:
        assert replace(result, cost=whole.cost, median_timings_s=whole.median_timings_s) == whole
    assert sum(finder.questions for finder in finders) == 16 * 5, "samples and four controls, nothing twice"
    assert [record["id"] for record in records_in(tmp_path / "parts")] == [
        record["id"] for record in records_in(tmp_path / "whole")
    ]
    assert Summary.from_json(json.loads((tmp_path / "parts" / "summary.json").read_text())) == results[0]
    alone = ColourFinder()
    assert evaluate(samples, alone, BoxFiller(), tmp_path / "parts").n == 16 and alone.questions == 0, (
        "one goes on where three were"
    )


def test_a_sample_that_cannot_be_used_holds_no_process_up(samples, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    listed = [*samples, replace(samples[0], id="bad", image=tmp_path / "broken.png")]
    with ThreadPoolExecutor(2) as processes:
        results = list(
            processes.map(
                lambda rank: evaluate(listed, ColourFinder(), None, tmp_path / "out", shard=Shard(rank, 2)),
                range(2),
            )
        )
    assert [(result.n, len(result.unusable)) for result in results] == [(16, 1), (16, 1)]


def test_processes_ask_again_what_got_no_answer_the_last_time(samples, tmp_path):
    def process(rank: int, of: int, lost: int | None) -> tuple[int, int]:
        result = evaluate(samples, Clerk(lost), None, tmp_path, Options(batch=2), shard=Shard(rank, of))
        return result.n, len(result.unanswered)

    def all_of(of: int, lost: int | None) -> list[tuple[int, int]]:
        with ThreadPoolExecutor(of) as processes:
            return list(processes.map(lambda rank: process(rank, of, lost), range(of)))

    assert all_of(2, lost=3) == [(14, 2)] * 2
    assert all_of(3, lost=0) == [(14, 2)] * 3, "the two are asked again, and lost again"
    assert all_of(2, lost=None) == [(16, 0)] * 2


def test_the_launchers_variables_say_which_part_is_ours(monkeypatch):
    assert Shard.from_environment() == Shard(0, 1)
    monkeypatch.setenv("RANK", "2")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert Shard.from_environment() == Shard(2, 4)
    assert [part for rank in range(3) for part in Shard(rank, 3).part("abcdefgh")] == list("abcdefgh")


def test_controls_are_resumed_too(samples, train, tmp_path):
    first = evaluate(samples, ColourFinder(), BoxFiller(), tmp_path, train=train)
    second = ColourFinder()
    assert evaluate(samples, second, BoxFiller(), tmp_path, train=train) == first and second.questions == 0
    third = ColourFinder()
    evaluate(samples, third, BoxFiller(), tmp_path, train=train, seed=1)
    assert third.questions > 0, "another seed swaps other images"
