"""The training parts: cached features, rows, losses, and a short run of the real trainer that can be killed and resumed."""

import dataclasses
import json
import random

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from medreasoner import MedReasoner
from medreasoner.answer import parse
from medreasoner.data.build.writers.offline import Measured
from medreasoner.data.load import DataError, load
from medreasoner.data.taxonomy import categories
from medreasoner.geometry import EMBEDDED, to_image
from medreasoner.prompts import Prompt, messages
from tests import tiny
from train.checkpoints import newest_checkpoint
from train.compare import asked
from train.embedded.card import first, stages
from train.embedded.conversations import Target, conversation, coverage_of, drop_words, kinds_of
from train.embedded.features import SHAPES, FeatureCache, content_key
from train.embedded.losses import DenseHeads, Vocabulary, completion_losses, coordinate_sigma, soft_targets
from train.embedded.pack import pack
from train.embedded.sft import Options as DenseOptions
from train.embedded.sft import main as dense_main
from train.model_spec import open_model_spec
from train.record import base_record
from train.run import open_model
from train.sft import Options, main, rows
from train.soup import soup


def arrays(value: float) -> dict[str, torch.Tensor]:
    return {"tokens": torch.full(SHAPES["tokens"], value)}


def test_cached_features_come_back_and_survive_a_restart(tmp_path):
    cache = FeatureCache(tmp_path)
    cache.append("a", arrays(1.5))
    cache.append("b", arrays(-2.0))
    again = FeatureCache(tmp_path)
    assert "a" in again and "c" not in again
    assert torch.equal(again.get("b"), arrays(-2.0)["tokens"].half())
    assert again.get("a").unique().tolist() == [1.5]


def test_a_row_cut_off_by_a_kill_is_written_again(tmp_path):
    cache = FeatureCache(tmp_path)
    cache.append("a", arrays(1.0))
    with open(tmp_path / "tokens.f16", "ab") as file:
        file.write(b"\0" * 1000)  # a second row that never got its key
    again = FeatureCache(tmp_path)
    again.append("b", arrays(2.0))
    assert FeatureCache(tmp_path).get("b").unique().tolist() == [2.0]
    assert FeatureCache(tmp_path).get("a").unique().tolist() == [1.0]


def test_the_key_is_the_content_of_the_image():
    pixels = torch.rand(3, 512, 512)
    assert content_key(pixels) == content_key(pixels.clone())
    assert content_key(pixels) != content_key(pixels.flip(-1))


def test_cover_is_the_share_of_each_cell():
    mask = np.zeros((160, 320), bool)
    mask[10:20, 20:40] = True  # cell (1, 1) whole
    mask[0:10, 0:10] = True  # half of cell (0, 0)
    cover = coverage_of(mask)
    assert (
        cover[1, 1] == pytest.approx(1)
        and cover[0, 0] == pytest.approx(0.5)
        and cover.sum() == pytest.approx(1.5)
    )


def test_cover_keeps_the_area_when_the_grid_does_not_divide_the_image():
    mask = np.random.default_rng(0).random((123, 211)) > 0.7
    assert coverage_of(mask).mean() == pytest.approx(mask.mean(), abs=1e-6)


def item(category: str = "colorectal polyp", box=(20.0, 10.0, 60.0, 50.0)) -> Target:
    mask = np.zeros((100, 200), bool)
    mask[int(box[1]) : int(box[3]), int(box[0]) : int(box[2])] = True
    measured = {
        "side": "left",
        "height": "upper",
        "size": "small",
        "shape": "about as wide as tall",
        "brightness": "brighter than",
    }
    Measured(**measured)
    sample = {
        "category": category,
        "measured": measured,
        "box": list(box),
        "points": [[40.5, 30.5], [30.5, 20.5]],
        "case": "x",
    }
    return Target(sample, "unused.png", (200, 100), coverage_of(mask))


def test_a_row_is_the_conversation_of_inference_and_its_answer_is_the_box():
    prompt = Prompt(think="{question}", direct="{question} Answer only.")
    seen = set()
    for seed in range(40):
        made = conversation(item(), prompt, EMBEDDED, random.Random(seed))
        parsed = parse(made["completion"])
        assert parsed.reason is None and set(parsed.met) <= {"no think block"}
        found = to_image(parsed.answer.bbox, parsed.answer.points, EMBEDDED, (200, 100))
        assert np.allclose(found.box, (20, 10, 60, 50), atol=0.5)
        assert made["prompt"].endswith("Answer only.") == (parsed.think is None)
        seen.add(parsed.think is None)
    assert seen == {True, False}


def test_words_are_lost_from_a_question_but_never_its_side():
    rng = random.Random(0)
    text = "Which air-filled organ lies on the left side?"
    heard = {drop_words(text, 0.5, rng) for _ in range(60)}
    assert len(heard) > 30 and all(
        "left" in each and set(each.split()) <= set(text.split()) for each in heard
    )
    assert drop_words("Where?", 1.0, rng) == "Where?" and drop_words(text, 0.0, rng) == text


def test_small_targets_lie_on_top_of_large_ones():
    small = item("optic cup", (40.0, 20.0, 80.0, 60.0))
    kinds = kinds_of([small, item("optic disc", (20.0, 0.0, 140.0, 90.0))])
    inside = kinds[5, 5]
    assert len(np.unique(kinds)) == 3 and inside != kinds[1, 3] and inside == kinds_of([small]).max()


def test_near_numbers_cost_less_than_far_ones():
    numbers = torch.arange(256) + 10
    vocabulary = Vocabulary(numbers, image=1, weights=torch.ones(300))
    labels, places = numbers[torch.tensor([100] * 8)], torch.arange(8)
    box = torch.tensor([[0.2, 0.2, 0.6, 0.6]] * 8)

    def cost(guess: int) -> float:
        logits = torch.zeros(8, 300)
        logits[:, numbers[guess]] = 9.0
        return float(completion_losses(logits, labels, places, box, vocabulary, 0.06)[1])

    assert cost(100) < cost(104) < cost(130)


def test_numbers_in_the_reasoning_are_ordinary_words():
    numbers = torch.arange(256) + 10
    vocabulary = Vocabulary(numbers, image=1, weights=torch.ones(300))
    labels = numbers[torch.tensor([12, 100])]
    logits = torch.zeros(2, 300)
    logits[0, numbers[12]] = 50.0
    text, _ = completion_losses(
        logits, labels, torch.tensor([-1, 0]), torch.tensor([[0.0, 0, 1, 1]] * 2), vocabulary, 0.06
    )
    assert float(text) < 1e-3


def test_soft_targets_are_distributions_centred_on_the_value():
    targets = soft_targets(torch.tensor([0, 128, 255]), torch.tensor([3.0, 3.0, 3.0]), 256)
    assert torch.allclose(targets.sum(1), torch.ones(3)) and targets.argmax(1).tolist() == [0, 128, 255]


def test_the_spread_is_in_units_of_the_object():
    sigma = coordinate_sigma(torch.tensor([[0.0, 0.0, 1.0, 0.5], [0.0, 0.0, 0.01, 0.01]]), 256, 0.06)
    assert (
        sigma[0, 0] == pytest.approx(15.3)
        and sigma[0, 1] == pytest.approx(7.65)
        and sigma[0, 4] == pytest.approx(30.6)
    )
    assert (sigma[1] == 1.2).all()


@pytest.mark.parametrize(
    ("found", "truth", "giou"),
    [
        ((0.2, 0.2, 0.6, 0.6), (0.2, 0.2, 0.6, 0.6), 1.0),
        ((0.0, 0.0, 0.4, 0.4), (0.2, 0.2, 0.6, 0.6), 0.04 / 0.28 - 0.08 / 0.36),
        ((0.3, 0.1, 0.4, 0.2), (0.1, 0.1, 0.2, 0.2), -0.01 / 0.03),
        ((0.8, 0.1, 0.9, 0.2), (0.1, 0.1, 0.2, 0.2), -0.06 / 0.08),
    ],
)
def test_the_box_loss_is_l1_and_generalised_iou(found, truth, giou):
    heads = DenseHeads(2, 3, 0, 0)
    x1, y1, x2, y2 = found
    torch.nn.init.zeros_(heads.box.weight)
    heads.box.bias.data = torch.tensor([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1]).logit()
    loss = heads.box_loss(torch.zeros(1, 2), torch.tensor([truth]))
    distance = np.abs(np.subtract(found, truth)).mean()
    assert float(loss) == pytest.approx(2 * distance + 1 - giou, abs=1e-3)


@pytest.fixture(scope="module")
def tiny_data(tmp_path_factory):
    """A built folder of four drawn images."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "images").mkdir()
    (folder / "masks").mkdir()
    with open(folder / "samples.jsonl", "w") as file:
        for i in range(4):
            mask = np.zeros((64, 64), np.uint8)
            mask[10 + 5 * i : 30 + 5 * i, 8:40] = 255
            Image.fromarray(np.stack([mask // 2 + 40] * 3, -1)).save(folder / f"images/{i}.png")
            Image.fromarray(mask).save(folder / f"masks/{i}.png")
            measured = {
                "side": "left",
                "height": "upper",
                "size": "small",
                "shape": "wider than tall",
                "brightness": "brighter than",
            }
            sample = {
                "id": str(i), "image": f"images/{i}.png", "mask": f"masks/{i}.png", "question": "Where is it?", "modality": "Endoscopy",
                "category": "colorectal polyp", "case": f"case-{i}", "dataset": "kvasir_seg", "split": "train",
                "box": [8.0, 10.0 + 5 * i, 40.0, 30.0 + 5 * i],
                "points": [[20.5, 25.5], [12.5, 22.5]],
                "measured": measured, "licence": "CC0", "source": "drawn",
            }  # fmt: skip
            file.write(json.dumps(sample) + "\n")
    return folder


def options(tmp_path, data, steps: int, kind=Options, **others) -> Options:
    given = {
        "model": str(tmp_path / "start"), "data": [str(data)], "output_dir": str(tmp_path / "out"), "max_steps": steps, "wordings": 4,
        "per_device_train_batch_size": 2, "save_steps": 2, "use_cpu": True, "bf16": False, "gradient_checkpointing": False,
        "learning_rate": 1e-3, "lr_scheduler_type": "constant", "report_to": "none", "freeze_vision": True, "logging_steps": 1,
    }  # fmt: skip
    return kind(**given | others)


def test_training_is_resumed_from_the_newest_checkpoint_and_leaves_an_ordinary_model(tmp_path, tiny_data):
    tiny.embedded(tmp_path / "start")
    dense = {"kind": DenseOptions, "features": [str(tmp_path / "no_features")]}
    dense_main(options(tmp_path, tiny_data, 2, **dense))
    first = json.loads((tmp_path / "out/run.json").read_text())
    kept = newest_checkpoint(tmp_path / "out")
    chosen = options(tmp_path, tiny_data, 4)
    fresh, resumed = (
        open_model(chosen, tmp_path / "start", None),
        open_model(chosen, tmp_path / "start", kept),
    )
    trained = MedReasoner.from_pretrained(tmp_path / "out").reasoner._model.state_dict()
    for name, value in trained.items():
        assert torch.equal(resumed.state_dict()[name], value), name
    assert any(not torch.equal(fresh.state_dict()[name], value) for name, value in trained.items())
    (tmp_path / "out/checkpoint-3").mkdir()  # a save that was killed half-way
    dense_main(options(tmp_path, tiny_data, 4, **dense))  # the same folder: goes on from step 2
    record = json.loads((tmp_path / "out/run.json").read_text())
    assert first["steps"] == 2 and record["steps"] == 4 and record["curve"][-1]["step"] == 4
    assert record["options"]["max_steps"] == 4 and record["samples"] == first["samples"] == 4
    [source] = record["sources"]
    assert source == {
        "set": "kvasir_seg",
        "images": 4,
        "licence": "CC0",
        "confirmed": "as the set states",
        "source": "drawn",
    }
    assert {"loss_coordinates", "loss_box"} <= set(record["curve"][0])
    names = (tmp_path / "out/model.safetensors").read_bytes()[:200_000]
    assert b"dense_heads" not in names and b"vision_tower" in names
    events = list(
        MedReasoner.from_pretrained(tmp_path / "out").stream(
            Image.open(tiny_data / "images/0.png").convert("RGB"), "Where is it?"
        )
    )
    assert events  # untrained, so it may well fail to answer; but it loads and speaks


def test_a_record_says_what_the_run_went_on_from_and_the_card_tells_it_in_order(tmp_path):
    assert base_record(tmp_path) == {}
    sft, grpo = (
        {"per_device_train_batch_size": 8, "turns": 3},
        {"per_device_train_batch_size": 32, "rewards": "mask"},
    )
    begun = {"options": {"steps": 2600}, "curve": [1, 2], "averaged_with": [{"steps": 150, "options": grpo}]}
    (tmp_path / "run.json").write_text(json.dumps(begun))
    record = {"steps": 900, "options": sft} | base_record(tmp_path)
    assert record["went_on_from"] == {name: fact for name, fact in begun.items() if name != "curve"}
    assert first(record)["options"] == {"steps": 2600}
    mean, then = stages(record)
    assert mean.endswith("GRPO with the rewards `mask`, 150 steps of 32") and then == (
        "from there SFT, 900 steps of 8 pictures, 3 conversations about each"
    )


def test_a_question_held_back_from_training_asks_for_the_same(tiny_data):
    samples = list(load(tiny_data))
    rows = asked(samples, "reworded", seed=0)
    known = categories()["colorectal polyp"]
    assert [sample for sample, _ in rows] == samples and len({question for _, question in rows}) > 1
    assert {question for _, question in rows} <= set(known.held_back) - set(known.wordings)
    with pytest.raises(DataError, match="no wording of 'gadget' is held back"):
        asked([dataclasses.replace(samples[0], category="gadget")], "reworded", seed=0)


def test_any_model_is_tuned_on_the_written_reasoning_and_answer(tmp_path, tiny_data):
    tiny.qwen2_5_vl(tmp_path / "start")
    main(options(tmp_path, tiny_data, 2, lora_rank=4))
    record = json.loads((tmp_path / "out/run.json").read_text())
    assert record["steps"] == 2 and all(line["loss"] > 0 for line in record["curve"][:2])
    assert (tmp_path / "out/adapter_model.safetensors").exists()


def test_a_written_row_is_in_the_models_frame(tmp_path, tiny_data):
    tiny.qwen2_5_vl(tmp_path / "start", square=112)
    subject = open_model_spec(str(tmp_path / "start"))
    samples = list(load(tiny_data))
    row = rows(samples[:1], subject, options(tmp_path, tiny_data, 1, wordings=1))[0]
    parsed = parse(row["completion"][0]["content"])
    found = to_image(parsed.answer.bbox, parsed.answer.points, subject.frame, (64, 64), row["images"][0].size)
    assert np.allclose(found.box, samples[0].box, atol=0.5) and row["images"][0].size == (112, 112)
    assert "Where is it?" in row["prompt"][0]["content"]


def test_a_packed_folder_answers_as_its_parts_did(tmp_path, tiny_data):
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
    image = Image.open(tiny_data / "images/0.png").convert("RGB")
    before = MedReasoner.from_pretrained(tmp_path / "crm").ground(image, "Where is it?")
    after = MedReasoner.from_pretrained(tmp_path / "packed").ground(image, "Where is it?")
    assert after.answer_text == before.answer_text == tiny.SCRIPT and after.grounding == before.grounding


def test_a_rollout_in_bf16_says_the_same_and_leaves_the_model_as_it_was(tmp_path, tiny_data):
    tiny.embedded(tmp_path / "start", script=tiny.SCRIPT)
    subject = open_model_spec(str(tmp_path / "start"))
    model = open_model(options(tmp_path, tiny_data, 1, bf16=True), tmp_path / "start", None)
    chat = messages(subject.prompt.text("Where is it?", True), subject.prompt.system)
    chat[-1]["content"][0]["image"] = Image.open(tiny_data / "images/0.png").convert("RGB")
    inputs = subject.processor.apply_chat_template(
        [chat],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        processor_kwargs={"return_tensors": "pt"},
    )
    attention, seen = model.model.language_model.layers[0].self_attn, []
    hook = attention.register_forward_hook(
        lambda module, _, out: seen.append((module.config._attn_implementation, out[0].dtype))
    )
    usual = model.config.text_config._attn_implementation
    text = subject.processor.decode(
        model.generate(**inputs)[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True
    )
    assert text == tiny.SCRIPT and set(seen) == {("eager", torch.bfloat16)} and usual != "eager"
    assert model.config.text_config._attn_implementation == attention.config._attn_implementation == usual
    with pytest.raises(ValueError, match="no_such_option"):
        model.generate(**inputs, no_such_option=1)
    assert attention.config._attn_implementation == usual
    hook.remove()


def test_a_soup_is_the_mean_of_its_parts_and_loads_as_they_do(tmp_path):
    for n in (0, 1):
        tiny.embedded(tmp_path / str(n), script=tiny.SCRIPT, seed=n)
        (tmp_path / str(n) / "run.json").write_text(json.dumps({"options": {"steps": n}}))
    soup([tmp_path / "0", tmp_path / "1"], tmp_path / "out", only="self_attn")
    first, second, mean = (load_file(tmp_path / name / "model.safetensors") for name in ("0", "1", "out"))
    changed = {name for name in first if not torch.equal(first[name], mean[name])}
    assert changed and all("self_attn" in name for name in changed)
    assert all(
        torch.allclose(mean[name].float(), (first[name].float() + second[name].float()) / 2, atol=1e-3)
        for name in changed
    )
    assert json.loads((tmp_path / "out/run.json").read_text()) == {
        "options": {"steps": 0}, "averaged_with": [{"options": {"steps": 1}}], "averaged": "self_attn"
    }  # fmt: skip
    assert MedReasoner.from_pretrained(tmp_path / "out").reasoner._model.dtype == torch.float32
    tiny.qwen2_5_vl(tmp_path / "other")
    with pytest.raises(ValueError, match="went on from"):
        soup([tmp_path / "0", tmp_path / "other"], tmp_path / "never")
