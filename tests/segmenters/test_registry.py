"""Segmenters that are not there; what is wrong inside a folder or file is tested with its family."""

import pytest

from medreasoner.segmenters.base import SegmenterError
from medreasoner.segmenters.registry import load_segmenter


def test_a_missing_segmenter_is_one_clear_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(SegmenterError, match="no folder"):
        load_segmenter(tmp_path / "nowhere")
    with pytest.raises(SegmenterError, match="Hub cannot be reached"):
        load_segmenter("nobody/nothing")
