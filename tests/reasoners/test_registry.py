"""Reasoners that are not there; what is wrong inside a folder is tested in test_loading.py."""

import pytest

from medreasoner.reasoners.base import ReasonerError
from medreasoner.reasoners.registry import load_reasoner


def test_a_missing_model_is_one_clear_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ReasonerError, match="Hub cannot be reached"):
        load_reasoner("nobody/nothing")
    with pytest.raises(ReasonerError, match="no folder"):
        load_reasoner(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(ReasonerError, match="is a file"):
        load_reasoner(tmp_path / "file")
