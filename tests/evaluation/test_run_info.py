"""What made a run changes when its weights do.

python -m pytest tests/evaluation/test_run_info.py
"""

from medreasoner.evaluation.run_info import fingerprint


def test_a_retrained_model_in_the_same_folder_has_another_fingerprint(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"old")
    before = fingerprint(str(tmp_path))
    assert before == fingerprint(str(tmp_path)) and fingerprint("some/hub-id") == ""
    (tmp_path / "model.safetensors").write_bytes(b"newer")
    assert fingerprint(str(tmp_path)) != before
