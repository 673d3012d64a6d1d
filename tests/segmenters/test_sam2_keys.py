"""Renaming the `sam2` package's tensors for transformers loses none; that the result is the same model is
tested by its masks.
"""

import torch

from medreasoner.segmenters import sam2_keys, sam2_package
from tests.segmenters.small_sam2 import SMALL_TRUNK


def test_every_image_tensor_arrives_once_and_unchanged():
    model = sam2_package.build(overrides=SMALL_TRUNK)
    state = {key: value for key, value in model.state_dict().items() if not key.startswith(sam2_keys.MEMORY)}
    special = (sam2_keys.POINTS, sam2_keys.POSITIONAL)
    plain = {
        sam2_keys.transformers_key(key): value for key, value in state.items() if not key.startswith(special)
    }
    assert len(plain) == sum(not key.startswith(special) for key in state), "two tensors would get one name"
    renamed = sam2_keys.to_transformers(state)
    assert all(renamed[key] is value for key, value in plain.items())
    assert len(renamed) == len(plain) + 3, (
        "besides, the table of point embeddings and the positional matrix twice"
    )


def test_point_embeddings_become_one_table_in_their_order():
    state = {f"{sam2_keys.POINTS}.{row}.weight": torch.full((1, 4), float(row)) for row in (2, 0, 3, 1)}
    (table,) = sam2_keys.to_transformers(state).values()
    assert table[:, 0].tolist() == [0, 1, 2, 3]
