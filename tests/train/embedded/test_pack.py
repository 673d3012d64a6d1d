"""`train/embedded/pack.py`: the shipped folder answers as its parts did."""

from PIL import Image
from safetensors.torch import load_file

from medreasoner import MedReasoner
from tests import tiny
from train.embedded.pack import pack


def test_a_packed_folder_answers_as_its_parts_did(tmp_path, built_set):
    tiny.embedded(tmp_path / "crm", script=tiny.SCRIPT)
    (tmp_path / "crm/run.json").write_text("{}")
    tiny.segmenter(tmp_path / "asm", own_encoder=False)
    (tmp_path / "asm/run.json").write_text("{}")
    pack(tmp_path / "crm", tmp_path / "asm", tmp_path / "packed")
    shards = sorted((tmp_path / "packed").glob("model-*.safetensors"))
    towers = [sum("vision_tower" in key for key in load_file(shard)) for shard in shards]
    assert (
        len(shards) == 3 and towers[0] and towers[1] and not towers[2]
    )  # a retrained CRM changes the last file only
    image = Image.open(built_set / "images/0.png").convert("RGB")
    before = MedReasoner.from_pretrained(tmp_path / "crm").ground(image, "Where is it?")
    after = MedReasoner.from_pretrained(tmp_path / "packed").ground(image, "Where is it?")
    assert after.answer_text == before.answer_text == tiny.SCRIPT and after.grounding == before.grounding
