"""`train/embedded/feature_cache.py`: what was cached comes back, also after a kill."""

import pytest
import torch

from train.embedded.feature_cache import MAPS, SHAPES, STAGE_3_NAME, FeatureCache, content_key


def arrays(value: float) -> dict[str, torch.Tensor]:
    return {STAGE_3_NAME: torch.full(SHAPES[STAGE_3_NAME], value)}


def opened(folder) -> FeatureCache:
    return FeatureCache(folder, (STAGE_3_NAME,))


def test_cached_features_come_back_and_survive_a_restart(tmp_path):
    cache = opened(tmp_path)
    cache.append("a", arrays(1.5))
    cache.append("b", arrays(-2.0))
    again = opened(tmp_path)
    assert "a" in again and "c" not in again and again.holds(STAGE_3_NAME) and not again.holds(MAPS[0])
    assert torch.equal(again.get("b", STAGE_3_NAME), arrays(-2.0)[STAGE_3_NAME].half())
    assert again.get("a", STAGE_3_NAME).unique().tolist() == [1.5]


def test_a_row_cut_off_by_a_kill_is_written_again(tmp_path):
    opened(tmp_path).append("a", arrays(1.0))
    with open(tmp_path / f"{STAGE_3_NAME}.f16", "ab") as file:
        file.write(b"\0" * 1000)  # a second row that never got its key
    opened(tmp_path).append("b", arrays(2.0))
    assert opened(tmp_path).get("b", STAGE_3_NAME).unique().tolist() == [2.0]
    assert opened(tmp_path).get("a", STAGE_3_NAME).unique().tolist() == [1.0]


def test_a_folder_is_not_filled_further_with_other_arrays(tmp_path):
    opened(tmp_path).append("a", arrays(1.0))
    with pytest.raises(ValueError, match="was filled without high0, high1, low"):
        FeatureCache(tmp_path, (STAGE_3_NAME, *MAPS))


def test_the_key_is_the_content_of_the_image():
    pixels = torch.rand(3, 512, 512)
    assert content_key(pixels) == content_key(pixels.clone())
    assert content_key(pixels) != content_key(pixels.flip(-1))
