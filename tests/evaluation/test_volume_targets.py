"""Sets of volumes: rows, targets, and what is refused.

python -m pytest tests/evaluation/test_volume_targets.py
"""

import json

import numpy as np
import pytest

from medreasoner.data.load import DataError
from medreasoner.evaluation.volume_targets import targets_in, volume_rows
from tests.ball_volume import BALL, QUESTION, write_set


def test_a_row_may_hold_several_targets_or_be_one_sample(tmp_path):
    folder = write_set(tmp_path)
    (target,) = targets_in(folder, *volume_rows(folder))
    assert np.array_equal(target.mask, BALL) and target.question == QUESTION
    sample = {"id": "one", "image": "v.nii.gz", "label": "l.nii.gz", "index": 3, "name": "ball"}
    (folder / "volumes.jsonl").write_text(json.dumps(sample | {"question": "Where?"}) + "\n\n")
    (target,) = targets_in(folder, *volume_rows(folder))
    assert (target.name, target.question) == ("ball", "Where?") and target.mask.sum() == BALL.sum()
    assert volume_rows(folder, "another") == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 1 is not JSON"),
        ("[1]", "line 1 is no JSON object"),
        ('{"id": "a", "image": "v", "targets": [{"name": "x"}]}', "has no index, label"),
        ('{"id": "a", "image": "v", "label": "l"}', "has no index, name"),
    ],
)
def test_a_row_that_lacks_something_is_refused_with_its_line(tmp_path, line, said):
    (tmp_path / "volumes.jsonl").write_text(line + "\n")
    with pytest.raises(DataError, match=said):
        volume_rows(tmp_path)


def test_a_folder_without_a_list_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"holds no volumes.jsonl"):
        volume_rows(tmp_path)
