"""The clients a user already has, unmodified, against the loopback Hub: huggingface_hub, transformers and
TRL's trainer, each in a process of its own, and `datasets`. Our use of them is in test_pull.py and
test_push.py, hf_xet in test_xet.py.
"""

import json
import subprocess
import sys
from pathlib import Path

import datasets
import numpy as np
import pytest
from huggingface_hub.errors import HfHubHTTPError
from PIL import Image

from medreasoner.hub.repository import is_ours
from tests import tiny
from tests.hub_server import USER, Hub

NAME = f"{USER}/trained"
SET = f"{USER}/set"


def run(hub: Hub, home: Path, code: str, *arguments: object) -> list[str]:
    """The lines that a client prints which runs `code` in a process of its own."""
    line = [sys.executable, "-c", code, *map(str, arguments)]
    environment = hub.environment(home) | {"OMP_NUM_THREADS": "1"}
    ended = subprocess.run(line, env=environment, cwd=home.parent, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()


@pytest.fixture(params=["direct", "redirect", "parts"])
def each_hub(request):
    with Hub(request.param == "redirect", part_size=5000 if request.param == "parts" else None) as served:
        yield served


SPACE = """
import pathlib, sys
from huggingface_hub import HfApi, snapshot_download
api, folder = HfApi(), pathlib.Path(sys.argv[1])
secrets = [{"key": "A", "value": "b"}]
options = {"space_sdk": "gradio", "space_hardware": "zero-a10g", "space_secrets": secrets}
api.create_repo("tester/space", repo_type="space", **options)
api.upload_folder(repo_id="tester/space", repo_type="space", folder_path=folder)
api.add_space_variable("tester/space", "MODEL", "tester/model")
variables = api.get_space_variables("tester/space").values()
print(list(api.get_space_secrets("tester/space")), [variable.value for variable in variables])
print([line.strip() for line in api.fetch_space_logs("tester/space", build=True)][-1])
stages = [api.get_space_runtime("tester/space").stage for _ in range(4)]
print(stages, api.whoami()["name"], api.get_zero_gpu_quota().remaining)
local = snapshot_download("tester/space", repo_type="space")
api.verify_repo_checksums("tester/space", repo_type="space", local_dir=local)
api.delete_repo("tester/space", repo_type="space")
"""


def test_huggingface_hub_runs_a_space_from_making_to_deleting(each_hub, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "app.py").write_text("pass")
    (tmp_path / "folder" / "picture.png").write_bytes(bytes(range(256)) * 64)
    assert run(each_hub, tmp_path / "home", SPACE, tmp_path / "folder") == [
        "['A'] ['tester/model']",
        "Pushing the image",
        "['BUILDING', 'RUNNING_APP_STARTING', 'RUNNING', 'RUNNING'] tester 300",
    ]
    assert each_hub.repositories == {}


TRANSFORMERS = """
import sys
from transformers import AutoModelForImageTextToText, AutoProcessor
folder, name = sys.argv[1:]
AutoModelForImageTextToText.from_pretrained(folder).push_to_hub(name, private=True)
AutoProcessor.from_pretrained(folder).push_to_hub(name)
model, processor = AutoModelForImageTextToText.from_pretrained(name), AutoProcessor.from_pretrained(name)
print(type(model).__name__, type(processor).__name__, bool(processor.chat_template))
"""


def test_transformers_pushes_and_pulls(tmp_path):
    folder = tiny.qwen3_vl(tmp_path / "m")
    with Hub(redirect=True) as hub:
        assert (
            run(hub, tmp_path / "home", TRANSFORMERS, folder, NAME)[-1]
            == "Qwen3VLForConditionalGeneration Qwen3VLProcessor True"
        )
        assert hub.repository(NAME).private and "model.safetensors" in hub.files(NAME) and hub.leaks == []


# --- TRL ---

TRAIN = """
import json, sys
from PIL import Image
import torch
from datasets import Dataset, Features, Image as Picture, List, Value
from transformers import AutoModelForImageTextToText, AutoProcessor
from trl import SFTConfig, SFTTrainer

folder, out, name = sys.argv[1:]
turn = lambda role, text: [{"role": role, "content": text}]
image = Image.new("RGB", (64, 64), "gray")
row = {"images": [image], "prompt": turn("user", "Which part?"), "completion": turn("assistant", "the left")}
message = List({"role": Value("string"), "content": Value("string")})
features = Features({"images": List(Picture()), "prompt": message, "completion": message})
rows = Dataset.from_list([row] * 4, features)
options = SFTConfig(
    out, push_to_hub=True, hub_model_id=name, hub_private_repo=True, hub_strategy="every_save", save_steps=1,
    save_strategy="steps", max_steps=2, per_device_train_batch_size=2, learning_rate=0.01, max_length=None,
    use_cpu=True, bf16=False,
    gradient_checkpointing=False, report_to="none", logging_steps=1,
)
processor = AutoProcessor.from_pretrained(folder)
model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
trainer = SFTTrainer(model, options, train_dataset=rows, processing_class=processor)
before = {key: value.clone() for key, value in trainer.model.state_dict().items()}
trainer.train()
trainer.push_to_hub(commit_message="the end")
pulled, trained = AutoModelForImageTextToText.from_pretrained(name).state_dict(), trainer.model.state_dict()
print(json.dumps({
    "moved": sum(not torch.equal(before[key], trained[key]) for key in trained),
    "same": pulled.keys() == trained.keys() and all(torch.equal(pulled[k], trained[k]) for k in trained),
    "template": AutoProcessor.from_pretrained(name).chat_template == processor.chat_template,
}))
"""


@pytest.mark.slow
def test_trl_pushes_what_it_trained_and_transformers_pulls_it(tmp_path):
    folder = tiny.qwen3_vl(tmp_path / "model")
    with Hub(redirect=True) as hub:
        told = json.loads(run(hub, tmp_path / "home", TRAIN, folder, tmp_path / "out", NAME)[-1])
        assert told["moved"] and told["same"] and told["template"]
        assert hub.repository(NAME).private and hub.leaks == []
        titles = [commit.title for commit in hub.repository(NAME).history("main")]
        assert titles[0].startswith(("Training in progress", "the end")) and titles[-1] == "initial commit"
        files = hub.files(NAME)
        assert {
            "model.safetensors",
            "config.json",
            "chat_template.jinja",
            "tokenizer.json",
            "README.md",
        } <= set(files)
        card = files["README.md"].decode()
        assert "sft" in card and is_ours(card), (
            "a stub that a trainer wrote would never give way to a card of ours"
        )
        assert hub.count("^GET /store/") == 1, "the weights were not pulled"


# --- datasets ---


@pytest.fixture
def hub(each_hub, monkeypatch, tmp_path):
    each_hub.connect(monkeypatch, tmp_path / "home")
    return each_hub


def rows(seed: int, count: int = 5) -> datasets.Dataset:
    """Pictures that do not compress, so that a shard is large enough for parts, each with its number."""
    noise = np.random.default_rng(seed).integers(0, 256, (count, 40, 50, 3), np.uint8)
    columns = datasets.Features({"image": datasets.Image(), "number": datasets.Value("int64")})
    return datasets.Dataset.from_dict(
        {"image": [Image.fromarray(each) for each in noise], "number": list(range(count))}, features=columns
    )


def pixels(found) -> list[np.ndarray]:
    return [np.asarray(row["image"]) for row in found]


def same(one, other) -> bool:
    return len(one) == len(other) and all(map(np.array_equal, one, other))


def test_datasets_pushes_a_set_and_loads_it_whole_as_a_stream_and_at_a_commit(hub):
    first, second = rows(0), rows(1)
    commit = datasets.DatasetDict(train=first, test=first.select([4])).push_to_hub(SET, private=True).oid
    assert hub.repository(SET, "dataset").private
    datasets.DatasetDict(train=second).push_to_hub(SET)
    newest = datasets.load_dataset(SET, split="train")
    assert (
        newest.features == first.features
        and newest["number"][:] == [0, 1, 2, 3, 4]
        and same(pixels(newest), pixels(second))
    )
    pinned = datasets.load_dataset(SET, revision=commit)
    assert same(pixels(pinned["train"]), pixels(first)) and same(pixels(pinned["test"]), pixels(first)[4:])
    before = len(hub.requests)
    stream = datasets.load_dataset(SET, split="train", streaming=True, revision=commit)
    assert same([np.asarray(row["image"]) for row in stream], pixels(first))
    assert [line for line in hub.requests[before:] if ".parquet" in line], (
        "the stream was read from what lies here"
    )
    assert hub.leaks == []
    assert (
        bool(hub.count("PUT .*part=")) == bool(hub.part_size)
        and bool(hub.count("^GET /store/")) == hub.redirect
    )


def test_a_set_that_datasets_could_not_push_whole_is_not_seen_at_all(hub):
    rows(0).push_to_hub(SET)
    before = hub.files(SET, "dataset")
    fault = hub.fault(r"POST .*/commit/", status=503, times=99)
    with pytest.raises(HfHubHTTPError):
        rows(1).push_to_hub(SET)
    assert hub.files(SET, "dataset") == before
    fault.times = 0
    sent = hub.count("^PUT ")
    rows(1).push_to_hub(SET)
    assert hub.count("^PUT ") == sent, "what had arrived was sent again"
    assert same(pixels(datasets.load_dataset(SET, split="train")), pixels(rows(1)))
