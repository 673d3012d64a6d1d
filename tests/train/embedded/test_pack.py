"""`train/embedded/pack.py`: the shipped folder answers as its parts did."""

import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText

from medreasoner import MedReasoner
from tests import tiny, tiny_medreasoner
from train.embedded.pack import pack, stored


def test_a_packed_folder_answers_as_its_parts_did(tmp_path, built_set):
    tiny.embedded(tmp_path / "crm", script=tiny.SCRIPT)
    (tmp_path / "crm/run.json").write_text("{}")
    tiny.segmenter(tmp_path / "asm", own_encoder=False)
    (tmp_path / "asm/run.json").write_text("{}")
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed/calibration.json").write_text('{"format": 1}')
    (tmp_path / "packed/presence_head.safetensors").write_bytes(b"")
    pack(tmp_path / "crm", tmp_path / "asm", tmp_path / "packed")
    for name in ("calibration.json", "presence_head.safetensors"):
        assert not (tmp_path / "packed" / name).exists(), "it was fitted for other weights"
    shards = sorted((tmp_path / "packed").glob("model-*.safetensors"))
    towers = [sum("vision_tower" in key for key in load_file(shard)) for shard in shards]
    assert (
        len(shards) == 3 and towers[0] and towers[1] and not towers[2]
    )  # a retrained CRM changes the last file only
    image = Image.open(built_set / "images/0.png").convert("RGB")
    before = MedReasoner.from_pretrained(tmp_path / "crm").ground(image, "Where is it?")
    after = MedReasoner.from_pretrained(tmp_path / "packed").ground(image, "Where is it?")
    assert after.answer_text == before.answer_text == tiny.SCRIPT and after.grounding == before.grounding


def test_the_sentence_encoder_is_stored_in_8_bits_and_loads_as_any_other_weight(tmp_path):
    """Its matrices are off by a sixteenth of each value at most, everything else by what bf16 leaves out."""
    folder = tiny_medreasoner.folder(tmp_path / "crm")
    before = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).state_dict()
    packed = {key: stored(key, value) for key, value in load_file(folder / "model.safetensors").items()}
    save_file(packed, folder / "model.safetensors", {"format": "pt"})
    after = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).state_dict()
    assert torch.float8_e4m3fn in {value.dtype for value in packed.values()}
    for key, value in before.items():
        matrix = "question_encoder." in key and value.ndim == 2
        assert after[key].dtype == torch.float32
        assert torch.allclose(after[key], value, rtol=1 / 16 if matrix else 1 / 256, atol=2**-10), key


def test_a_reasoner_of_the_second_architecture_leaves_the_files_of_the_shared_tower_as_they_are(tmp_path):
    """Its tower has the names that the first architecture's has, and is read under them."""
    folder = tiny_medreasoner.folder(tmp_path / "crm")
    (folder / "run.json").write_text("{}")
    tiny.segmenter(tmp_path / "asm", own_encoder=False)
    (tmp_path / "asm/run.json").write_text("{}")
    packed = tmp_path / "packed"
    pack(folder, tmp_path / "asm", packed)
    towers = [load_file(shard) for shard in sorted(packed.glob("model-*.safetensors"))[:2]]
    assert all(key.startswith("vision_tower.") for tower in towers for key in tower)
    before, after = (
        AutoModelForImageTextToText.from_pretrained(each, dtype=torch.float32).model.vision_tower.state_dict()
        for each in (folder, packed)
    )
    assert before.keys() == after.keys()
    for key, value in before.items():
        assert torch.allclose(after[key], value, rtol=1e-3, atol=1e-6), key
