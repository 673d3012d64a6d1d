"""What models take in memory; what two share counts once."""

from medreasoner.model import MedReasoner
from medreasoner.reasoners.replay import ReplayReasoner
from medreasoner.weights import bytes_in_memory, weights_of
from tests import tiny


def test_a_shared_tower_counts_once_and_a_recording_takes_nothing(tmp_path):
    pair = MedReasoner.from_pretrained(tiny.embedded(tmp_path / "pair"), device="cpu")
    other = pair.with_segmenter("embedded", "cpu")
    assert other.reasoner is pair.reasoner and other.segmenter is not pair.segmenter
    tower = sum(weights_of(pair.reasoner._model.model.vision_tower).values())
    apart = bytes_in_memory([pair.reasoner]) + bytes_in_memory([pair.segmenter])
    assert 0 < bytes_in_memory(pair.parts) <= apart - tower
    assert bytes_in_memory([*pair.parts, *other.parts]) == bytes_in_memory(pair.parts) + bytes_in_memory(
        [other.segmenter]
    )
    keys = {"image_sha256": "", "question": "", "think": True, "pieces": [], "model": "m", "input_wh": [1, 1]}
    recording = ReplayReasoner([{**keys, "frame": "0..255"}])
    assert bytes_in_memory([recording]) == 0 and not recording.thinks_on_request
