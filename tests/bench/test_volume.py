"""A volume is laid to and fro, and its propagation is timed.

python -m pytest tests/bench/test_volume.py
"""

from bench.volume import lengthened, timed
from medreasoner.evaluation.volume_targets import targets_in, volume_rows
from medreasoner.segmenters.mask_propagation import Limits, MaskPropagator
from tests.ball_volume import write_set
from tests.segmenters.ball import SLICES, BrightSegmenter


def test_a_volume_is_laid_to_and_fro_and_timed(tmp_path):
    folder, segmenter = write_set(tmp_path), BrightSegmenter()
    (target,) = targets_in(folder, *volume_rows(folder))
    long = lengthened(target, 2 * SLICES)
    for number, of in (
        (1, 1),
        (SLICES, SLICES),
        (SLICES + 1, SLICES - 1),
        (2 * SLICES - 1, 1),
        (2 * SLICES, 2),
    ):
        assert (long.mask[number - 1] == target.mask[of - 1]).all()
        assert long.volume.picture(number).tobytes() == target.volume.picture(of).tobytes()
    line = timed("ours", MaskPropagator(segmenter, Limits(larger=9, smaller=0)), target, segmenter)
    assert line.startswith("ours: 9 masks in 11 of 15 slices; "), "the slices behind both ends are looked at"
