"""Records and summaries keep their JSON: what is written is read back the same, and older files stay
readable.

    python -m pytest tests/evaluation/test_record.py
"""

import json

from medreasoner.evaluation.answer_scores import Scores
from medreasoner.evaluation.record import Record
from medreasoner.geometry import Grounding

TRUTH = {"box": [1.0, 2.0, 30.0, 40.0], "points": [[5.0, 6.0], [7.0, 8.0]]}
RUN = {
    "format": 2, "model": "m", "prompt": "0123456789abcdef", "think": True, "writes": "0..255",
    "segmenter": "s", "frame": "0..255", "prompts": "both", "weights": "w",
}  # fmt: skip
OLD = {
    "id": "a", "question": "?", "modality": "CT", "supercategory": "", "category": "liver", "case": "c",
    "image_wh": [80, 60], "size": "over 5 %", "truth": TRUTH, "failure": None, "message": None,
    "well_formed": True, "think": "It is there.", "answer_text": "<answer>…</answer>", "input_wh": [80, 60],
    **TRUTH, "place_agrees": None, "box_iou": 1.0, "box_iou_published": 1.0, "fits_best": None,
    "pdice_published": 2.0, "point_dice": 1.0, "points_in_mask": None, "mask_dice": None,
    "mask_dice_published": None, "mask_iou": None, "overlap": None, "hd95": None, "nsd": None,
    "mask_score": 0.9, "coordinate_probability": None, "notes": [], "timings_s": {"total": 0.5},
    "tokens_per_s": 9.0, "seconds": 0.5, "wall_s": 0.6, "run": RUN,
}  # fmt: skip


def test_a_line_of_an_older_run_is_read_and_written_again_as_it_was():
    record = Record.from_json(OLD)
    assert record.truth == Grounding((1.0, 2.0, 30.0, 40.0), ((5.0, 6.0), (7.0, 8.0)))
    assert record.run.model == "m" and record.found is None and record.notes == ()
    again = json.loads(json.dumps(record.to_json()))
    assert again == {key: value for key, value in OLD.items() if key != "coordinate_probability"} | {
        "found": None
    }
    assert again["run"] == OLD["run"], "a run is continued only where this is the same"


def test_scores_are_left_out_where_there_is_no_target_and_kept_where_they_are_zero():
    absent = Record(id="a", question="?", case="c", found=False).to_json()
    assert "box_iou" not in absent and absent["truth"] is None and absent["found"] is False
    failed = Record.from_json(OLD | {"box": None, "points": None, "box_iou": 0.0}).to_json()
    assert failed["box_iou"] == 0.0 and failed["box"] is None and failed["mask_dice"] is None


def test_masks_of_other_prompts_keep_their_own_scores():
    record = Record.from_json(OLD | {"drawn": {"oracle": {"mask_dice": 0.9, "overlap": [9, 10], "nsd": 1.0}}})
    assert record.drawn == {"oracle": Scores(mask_dice=0.9, overlap=(9, 10), nsd=1.0)}
    other = record.scored(record.drawn["oracle"])
    assert (other.id, other.mask_dice, other.box_iou) == ("a", 0.9, None)
