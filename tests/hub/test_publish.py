"""Publishing a model: what belongs and nothing else, checked before it is sent, with a card that states
measured facts only.
"""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard, parse_eval_result_entries
from safetensors.torch import load_file, save_file

from medreasoner.cli import main
from medreasoner.hub.errors import HubError
from medreasoner.hub.publish import PublishError, publish
from medreasoner.hub.repository import MARKER
from medreasoner.manifest import EMBEDDED_FOLDER, Manifest
from medreasoner.model import MedReasoner
from medreasoner.prompts import Prompt
from medreasoner.reasoners.registry import load_reasoner
from tests import tiny, upstream
from tests.hub_server import USER, Hub

NAME = f"{USER}/model"
ROOT = Path(__file__).parents[2]
RUBBISH = {
    "training_args.bin": b"x", "optimizer.pt": b"x", "trainer_state.json": b"{}", "pytorch_model.bin": b"x", ".env": b"HF_TOKEN=x",
    "completions/completions_00001.parquet": b"x", "checkpoint-10/model.safetensors": b"x", "notes.txt": b"mine",
}  # fmt: skip
STUB = "---\ntags: [generated_from_trainer]\n---\n# Model Card for None\n"


def score(mean: float, n: int = 40) -> dict:
    return {"mean": mean, "low": mean - 0.05, "high": mean + 0.05, "n": n, "clusters": 30}


def measured(folder: Path, prompt: Prompt, **more: object) -> Path:
    """The summary of an evaluation, as `evaluate` lays it out."""
    overall = {
        "box_iou": score(0.4321),
        "acc_50": score(0.5),
        "pdice_published": score(0.9),
        "mask_dice": score(0.6543),
    }
    summary = {
        "model": "runs/sft", "segmenter": "runs/sft/segmenter", "prompt": prompt.sha256[:16], "think": True, "n": 40, "overall": overall,
        "per_modality": {"CT": overall}, "per_category": {}, "well_formed": score(0.99), "fits_best": None, "failures": {},
        "place_agrees": score(0.8), "median_timings_s": {}, "controls": {"prior": {"box_iou": score(0.2)}}, "notice": "", **more,
    }  # fmt: skip
    folder.mkdir(exist_ok=True)
    (folder / "summary.json").write_text(json.dumps(summary))
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    return tiny.embedded(tmp_path_factory.mktemp("models") / "pair", script=tiny.SCRIPT)


@pytest.fixture
def folder(made, tmp_path) -> Path:
    """A trained pair with all that a training leaves behind."""
    copy = Path(shutil.copytree(made, tmp_path / "trained"))
    for name, data in RUBBISH.items():
        (copy / name).parent.mkdir(exist_ok=True)
        (copy / name).write_bytes(data)
    (copy / "README.md").write_text(STUB)
    run = {
        "options": {"model": "runs/start", "steps": 7, "data": ["a", "b"]},
        "trainable_m": 1.5,
        "curve": [{}] * 99,
    }
    (copy / "run.json").write_text(json.dumps(run))
    return copy


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with Hub() as hub:
        hub.connect(monkeypatch, tmp_path / "home")
        yield hub


def card(hub: Hub) -> str:
    return hub.files(NAME)["README.md"].decode()


def test_only_what_belongs_is_sent_and_it_loads_again(hub, folder):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    push = publish(folder, NAME)
    files = hub.files(NAME)
    assert set(push.sent) == set(files)
    assert set(files) == {
        "README.md", "chat_template.jinja", "config.json", "generation_config.json", "medreasoner.json", "model.safetensors",
        "processor_config.json", "prompt.json", "run.json", "segmenter/config.json", "segmenter/medreasoner.json",
        "segmenter/model.safetensors", "tokenizer.json", "tokenizer_config.json",
    }  # fmt: skip
    assert files["model.safetensors"] == (folder / "model.safetensors").read_bytes()
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before, (
        "the user's folder was written to"
    )
    model = MedReasoner.from_pretrained(NAME, device="cpu")
    assert model.revision == push.commit
    assert (
        json.loads(files["medreasoner.json"])["prompt_sha256"] == Prompt.load(folder / "prompt.json").sha256
    )
    assert publish(folder, NAME).sent == ()


def test_a_loaded_model_pushes_itself(hub, folder):
    push = MedReasoner.from_pretrained(folder, device="cpu").push_to_hub(NAME, tag="v1", licence="apache-2.0")
    assert hub.repository(NAME).refs["refs/tags/v1"] == push.commit and "license: apache-2.0" in card(hub)


def test_a_card_without_measurements_says_so_and_gives_no_number(hub, folder):
    publish(folder, NAME)
    text = card(hub)
    assert MARKER in text and "generated_from_trainer" not in text
    assert "Not measured." in text and "Hardware: not recorded. Carbon: not measured." in text
    assert "Not stated by whoever published this" in text and "model-index" not in text
    assert "made from" not in text and ModelCard(text).data.base_model is None, (
        "a folder of the training machine is no base on the Hub"
    )
    assert "| steps | 7 |" in text and "| data | a, b |" in text and "curve" not in text
    assert "Research use only. Not for diagnosis." in text and "2508.08177" in text and NAME in text


def test_results_come_from_the_evaluation_alone(hub, folder, tmp_path):
    prompt = Prompt.load(folder / "prompt.json")
    command = "python -m medreasoner evaluate --data D --out E"
    evaluation = measured(tmp_path / "evaluation", prompt, command=command)
    publish(
        folder,
        NAME,
        evaluation,
        licence="cc-by-sa-4.0",
        dataset=f"{USER}/data",
        base="lingshu-medical-mllm/Lingshu-7B",
    )
    text = card(hub)
    assert "| **this model** | 0.432 [0.382, 0.482] | 0.500 [0.450, 0.550] | 0.654 [0.604, 0.704] |" in text
    assert (
        "| Training mean of the category | 0.200 [0.150, 0.250] | – | – |" in text
        and "40 questions on 30 cases" in text
        and f"`{command}`" in text
    )
    data = ModelCard(text).data
    assert {result.metric_type: result.metric_value for result in data.eval_results} == {
        "box_iou": 0.4321, "acc_50": 0.5, "mask_dice": 0.6543,
    }  # fmt: skip
    assert (data.license, data.datasets, data.base_model) == (
        "cc-by-sa-4.0",
        [f"{USER}/data"],
        "lingshu-medical-mllm/Lingshu-7B",
    )
    files = hub.files(NAME)
    entries = parse_eval_result_entries(yaml.safe_load(files[".eval_results/medreasoner.yaml"]))
    assert {entry.task_id: entry.value for entry in entries} == {
        "box_iou": 0.4321,
        "acc_50": 0.5,
        "mask_dice": 0.6543,
    }
    assert (
        entries[0].dataset_id == f"{USER}/data"
        and command in entries[0].notes
        and "95 % interval 0.3821 to 0.4821" in entries[0].notes
    )
    assert json.loads(files["results/summary.json"]) == json.loads((evaluation / "summary.json").read_text())


def test_hardware_carbon_and_sources_are_stated_where_they_were_recorded(hub, folder):
    run = json.loads((folder / "run.json").read_text())
    source = {"set": "S", "images": 3, "licence": "CC0", "confirmed": "yes", "source": "somewhere"}
    run |= {"hardware": "2 CPU cores", "minutes": 64, "co2_kg": 0.25, "sources": [source]}
    (folder / "run.json").write_text(json.dumps(run))
    with pytest.raises(PublishError, match="what measured it as co2_source"):
        publish(folder, NAME)
    (folder / "run.json").write_text(json.dumps({**run, "co2_source": "a meter"}))
    publish(folder, NAME)
    text = card(hub)
    assert "Hardware: 2 CPU cores, about 64 minutes. Carbon: 0.25 kg CO2eq (a meter)." in text
    assert "| S | 3 | CC0 | yes | somewhere |" in text
    assert ModelCard(text).data.co2_eq_emissions == {
        "emissions": 250,
        "source": "a meter",
        "hardware_used": "2 CPU cores",
    }


def test_a_card_by_hand_goes_along_as_it_is_and_is_never_overwritten(hub, folder, tmp_path):
    (folder / "README.md").write_text("by hand")
    publish(folder, NAME)
    assert card(hub) == "by hand"
    (folder / "README.md").unlink()
    assert publish(folder, NAME, measured(tmp_path / "e", Prompt.load(folder / "prompt.json"))).kept == (
        "README.md",
    )
    assert card(hub) == "by hand"


def test_an_earlier_models_shards_do_not_stay_behind(hub, folder, tmp_path):
    publish(upstream.lingshu(tmp_path / "sharded", shards=2), NAME)
    assert "model-00002-of-00002.safetensors" in hub.files(NAME)
    removed = publish(folder, NAME).removed
    assert removed == (
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
    )


def test_a_shard_goes_along_whatever_the_index_calls_it_and_no_other_weights_do(hub, tmp_path):
    folder = upstream.lingshu(tmp_path / "sharded", shards=2)
    index = folder / "model.safetensors.index.json"
    index.write_text(index.read_text().replace("model-00002-of-00002", "head"))
    (folder / "model-00002-of-00002.safetensors").rename(folder / "head.safetensors")
    (folder / "optimizer.safetensors").write_bytes(b"")
    publish(folder, NAME)
    weights = {name for name in hub.files(NAME) if name.endswith(".safetensors")}
    assert weights == {"model-00001-of-00002.safetensors", "head.safetensors"}
    load_reasoner(NAME, device="cpu")


def test_a_segmenter_is_sent_along_or_named(hub, tmp_path):
    model = upstream.lingshu(tmp_path / "lingshu", script=tiny.SCRIPT)
    publish(model, NAME, segmenter=tiny.segmenter(tmp_path / "masks"))
    assert Manifest.read(MedReasoner.from_pretrained(NAME, device="cpu").folder).segmenter == "segmenter"
    publish(model, f"{USER}/named", segmenter="wanglab/MedSAM2")
    assert json.loads(hub.files(f"{USER}/named")["medreasoner.json"]) == {
        "format": 1,
        "segmenter": "wanglab/MedSAM2",
    }


def drop_tensor(folder: Path) -> None:
    state = load_file(folder / "model-00001-of-00003.safetensors")
    save_file(dict(list(state.items())[1:]), folder / "model-00001-of-00003.safetensors")


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


UNFIT = {
    "nothing": (lambda f: shutil.rmtree(f), "no such folder"),
    "a lost shard": (lambda f: (f / "model-00002-of-00003.safetensors").unlink(), "the shard model-00002-of-00003.safetensors is missing"),
    "half a shard": (lambda f: half(f / "model-00002-of-00003.safetensors"), "cannot be read"),
    "a lost tensor": (drop_tensor, "lacks 1 tensors that model.safetensors.index.json says it holds"),
    "pickled weights": (
        lambda f: [(f / "pytorch_model.bin").touch(), *[path.unlink() for path in f.glob("model*safetensors*")]], "never as .bin or .pt"
    ),
    "no chat template": (lambda f: (f / "chat_template.json").unlink(), "lacks a chat template"),
    "no tokenizer": (lambda f: (f / "tokenizer.json").unlink(), "lacks a tokenizer"),
    "a broken manifest": (lambda f: (f / "medreasoner.json").write_text('{"format": 9}'), "format 9 is not known"),
    "another prompt": (
        lambda f: [(f / "prompt.json").write_text(json.dumps(tiny.PROMPT)), (f / "medreasoner.json").write_text(
            json.dumps({"format": 1, "prompt_sha256": "abcdef" + 58 * "0"}))], "names the prompt abcdef"
    ),
    "no such segmenter": (lambda f: (f / "medreasoner.json").write_text('{"format": 1, "segmenter": "masks"}'), "neither a folder nor"),
}  # fmt: skip


@pytest.fixture(scope="module")
def sharded(tmp_path_factory) -> Path:
    return upstream.lingshu(tmp_path_factory.mktemp("models") / "lingshu")


@pytest.mark.parametrize("what", UNFIT)
def test_what_is_not_fit_to_be_used_is_not_published(hub, sharded, tmp_path, what):
    copy = Path(shutil.copytree(sharded, tmp_path / "copy"))
    spoil, says = UNFIT[what]
    spoil(copy)
    with pytest.raises(PublishError, match=says) as refusal:
        publish(copy, NAME)
    assert "\n" not in str(refusal.value) and hub.requests == []


def test_results_of_another_prompt_or_of_none_are_refused(hub, folder, tmp_path):
    with pytest.raises(PublishError, match="holds no summary.json"):
        publish(folder, NAME, tmp_path)
    with pytest.raises(PublishError, match="measure again"):
        publish(folder, NAME, measured(tmp_path / "e", Prompt()))
    (tmp_path / "e" / "summary.json").write_text(json.dumps({"prompt": ""}))
    with pytest.raises(PublishError, match="overall|segmenter"):
        publish(folder, NAME, tmp_path / "e")


def test_the_command_shows_what_it_would_do_and_does_it(hub, folder, capsys):
    assert main(["push", str(folder), NAME, "--dry-run", "--tag", "v1", "--public"]) == 0
    assert hub.repositories == {}
    would = capsys.readouterr().out.splitlines()
    assert would[0] == f"create the public model repository {NAME}"
    assert main(["push", str(folder), NAME, "--tag", "v1", "--public"]) == 0
    did = capsys.readouterr().out.splitlines()
    assert did[:-1] == would and did[-1].endswith(hub.repository(NAME).at().oid)
    assert not hub.repository(NAME).private


def test_the_command_can_ask_for_a_pull_request(hub, folder, capsys):
    assert main(["push", str(folder), NAME, "--create-pr"]) == 2
    assert "no repository" in capsys.readouterr().err and hub.repositories == {}
    assert main(["push", str(folder), NAME]) == 0
    (folder / "generation_config.json").write_text("{}")
    assert main(["push", str(folder), NAME, "--create-pr"]) == 0
    assert capsys.readouterr().out.endswith("/discussions/1\n")
    assert (
        hub.files(NAME, revision="refs/pr/1")["generation_config.json"]
        == b"{}"
        != hub.files(NAME)["generation_config.json"]
    )


@pytest.mark.parametrize(
    ("status", "code"), [(401, 2), (402, 2), (403, 2), (503, 1)],
)  # fmt: skip
def test_the_commands_exit_code_tells_whose_fault_it_was(hub, folder, capsys, status, code):
    hub.fault(r"POST /api/repos/create", status=status)
    assert main(["push", str(folder), NAME]) == code
    assert capsys.readouterr().err.count("\n") == 1


def test_a_folder_that_cannot_be_published_is_the_users_fault(hub, tmp_path, capsys):
    assert main(["push", str(tmp_path / "none"), NAME]) == 2
    assert "no such folder" in capsys.readouterr().err
    assert main(["push", str(EMBEDDED_FOLDER), "not an id"]) == 2


def test_a_recording_has_nothing_to_publish():
    class Recording:
        name, revision, paired_segmenter = "r (recorded)", None, None

    with pytest.raises(HubError, match="no model with files"):
        MedReasoner(Recording(), None).push_to_hub(NAME)
