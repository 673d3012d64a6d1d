"""Which cases a report shows.

python -m pytest tests/evaluation/report/test_cases.py
"""

from medreasoner.evaluation.record_file import read_records
from medreasoner.evaluation.report.cases import chosen


def test_cases_are_chosen_by_score_and_shown_once(runs):
    picked = chosen_in(runs[1])
    scores = {kind: [record.mask_dice for record in listed] for kind, listed in picked.items()}
    assert (
        min(scores["best"]) >= max(scores["median"]) >= min(scores["median"]) >= max(scores["worst"])
        and picked["failed"] == []
    )
    ids = [record.id for listed in picked.values() for record in listed]
    assert len(set(ids)) == len(ids) == 9
    assert [record.failure for record in chosen_in(runs[0])["failed"]] == ["refusal"] * 4
    few = chosen_in(runs[1])["best"][:2]
    assert sum(len(listed) for listed in chosen(few).values()) == 2


def chosen_in(folder):
    return chosen(read_records(folder / "records.jsonl"))
