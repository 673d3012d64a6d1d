"""The run-length encoding is COCO's, and JSON holds it.

python -m pytest tests/output/test_rle.py
"""

import json

import numpy as np
import pytest
from pycocotools import mask as coco

from medreasoner.output.rle import mask_to_rle, rle_to_mask


@pytest.mark.parametrize("size", [(40, 60), (57, 31), (1, 1)])
def test_a_mask_survives_json_and_pycocotools_reads_it(size):
    mask = np.add.outer(np.arange(size[0]), 2 * np.arange(size[1])) % 7 > 3
    rle = json.loads(json.dumps(mask_to_rle(mask)))
    assert rle["size"] == list(size)
    assert np.array_equal(coco.decode(rle), mask)
    assert rle_to_mask(rle).dtype == bool and np.array_equal(rle_to_mask(rle), mask)
