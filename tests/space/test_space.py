"""The Space: what is staged, and what `python -m space.deploy` asks of a Hub, here a Hub of ours on loopback
with the real clients.

The page that answers the question at the end is the real one; a recorded answer stands in for its model. That
a staged folder runs by itself, in an environment made of its own requirements, with the embedded pair, is in
`test_runs.py`.
"""

import hashlib
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import yaml
from huggingface_hub import HfApi
from packaging.requirements import Requirement
from PIL import Image

from medreasoner.answer import Answer, render
from medreasoner.events import NOTICE
from medreasoner.hub.repository import MARKER
from medreasoner.imaging import load_image
from medreasoner.model import MedReasoner
from medreasoner.page.examples import load_examples
from medreasoner.page.page import Page
from medreasoner.page.serve import launch
from medreasoner.reasoners.replay import ReplayReasoner, image_key
from medreasoner.segmenters.base import MEDSAM2, SegmenterPrompt
from space import deploy
from space.stage import FOR_SAM2, ROOT, Content, StageError, belonging, requirements, stage
from tests import hub_server, hub_store
from tests.hub_server import READ, USER, Hub

NAME, MODEL = f"{USER}/space", f"{USER}/model"
EXAMPLES = load_examples()
FIRST = EXAMPLES[0]
WRITES = r"^(POST|PUT|DELETE) (?!/api/validate-yaml)"


def head(text: str) -> dict:
    """The front matter of a card."""
    return yaml.safe_load(re.match(r"---\n(.*?)\n---\n", text, re.S)[1])


# --- the folder ---


def test_the_folder_holds_the_page_the_library_and_what_they_need_and_nothing_else(tmp_path):
    names = stage(Content(), tmp_path)
    assert {name.split("/")[0] for name in names} == {
        *("app.py", "medreasoner"),
        *("README.md", "requirements.txt", "LICENSE"),
    }
    assert {
        "app.py",
        "medreasoner/model.py",
        "medreasoner/embedded/config.json",
        "medreasoner/page/page.py",
        "medreasoner/examples/examples.json",
    } <= set(names)
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]


def test_only_what_belongs_is_staged_and_links_are_refused(tmp_path):
    root = tmp_path / "project"
    (root / "medreasoner" / "embedded").mkdir(parents=True)
    for name in ("app.py", "LICENSE", "medreasoner/a.py", "medreasoner/embedded/config.json"):
        (root / name).write_text("ours")
    for name in ("medreasoner/token.txt", "medreasoner/scan.dcm", "medreasoner/.env", "secrets.py"):
        (root / name).write_text("not ours")
    ours = ["LICENSE", "app.py", "medreasoner/a.py", "medreasoner/embedded/config.json"]
    assert belonging(root) == ours
    git = ["git", "-C", str(root), "-c", "init.defaultBranch=main"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "app.py", "LICENSE", "medreasoner/a.py"], check=True)
    assert belonging(root) == ours[:3], "what is not tracked stays here"
    (root / "medreasoner/a.py").unlink()
    (root / "medreasoner/a.py").symlink_to("/etc/passwd")
    with pytest.raises(StageError, match=r"medreasoner/a\.py is a link"):
        belonging(root)


def test_a_named_model_leaves_the_small_weights_out_and_brings_sam2_as_plain_python(tmp_path):
    names = stage(Content(MODEL), tmp_path)
    assert not [name for name in names if name.startswith("medreasoner/embedded")]
    assert {"sam2/build_sam.py", "sam2/configs/sam2.1/sam2.1_hiera_t.yaml"} <= set(names)
    assert [name for name in names if re.match(r"sam2-.*/LICENSE$", name)]
    assert {Path(name).suffix for name in names if name.startswith("sam2/")} == {".py", ".yaml"}


def test_the_staged_sam2_builds_a_model_from_its_own_files_and_all_it_needs_is_required(tmp_path):
    stage(Content(MODEL), tmp_path)
    code = "from medreasoner.segmenters.sam2_package import build; build('2.1')"
    code += "; import sam2; print(sam2.__path__[0])"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == str(tmp_path / "sam2")
    needed = {Requirement(line).name for line in metadata.requires("sam2") if "extra ==" not in line}
    assert needed <= {Requirement(line).name for line in requirements(with_sam2=True)}


@pytest.mark.parametrize(
    "content, sam2, embedded",
    [
        (Content(), False, True),
        (Content(MODEL), True, False),
        (Content(MODEL, own_segmenter=True), False, False),
        (Content(MODEL, "embedded"), False, True),
        (Content(MODEL, MEDSAM2), True, False),
        (Content(None, MEDSAM2), True, True),
    ],
)
def test_sam2_comes_along_where_it_may_be_needed_and_the_small_weights_where_they_are(
    content, sam2, embedded
):
    assert (content.fetched_segmenter is not None, content.embedded) == (sam2, embedded)


def test_requirements_are_pinned_like_the_projects_own_and_without_what_trains():
    pins = set((ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines())
    staged = set(requirements(with_sam2=True))
    assert "spaces" in staged, "ZeroGPU brings its own version"
    assert staged - {"spaces"} <= pins
    assert {Requirement(line).name for line in staged} & {"trl", "datasets", "pytest", "sam2"} == set()
    assert staged - set(requirements(with_sam2=False)) <= {line for line in pins if line.startswith(FOR_SAM2)}


def test_the_card_configures_the_space_and_says_what_it_is_for(tmp_path):
    stage(Content(MODEL, datasets=("owner/data",), preload=True), tmp_path)
    text = (tmp_path / "README.md").read_text()
    said = head(text)
    assert (said["sdk"], said["sdk_version"], said["python_version"], said["app_file"]) == (
        "gradio",
        "6.31.0",
        "3.12",
        "app.py",
    )
    assert (
        said["models"] == [MODEL, MEDSAM2]
        and said["datasets"] == ["owner/data"]
        and said["preload_from_hub"] == [MODEL]
    )
    assert len(said["short_description"]) <= 60, "the Hub takes no more"
    assert NOTICE in text and MARKER in text and "Apache-2.0" in text and "CC BY-SA" not in text
    assert "## Intended use and limits" in text and "arXiv:2508.08177" in text
    assert "{" not in text.partition("```")[0]


def test_the_card_links_nothing_that_was_not_named(tmp_path):
    stage(Content(), tmp_path)
    text = (tmp_path / "README.md").read_text()
    assert not {"models", "datasets", "preload_from_hub"} & head(text).keys()
    assert "huggingface.co/" not in text and "CC BY-SA 4.0" in text


# --- the deployment ---


class Everywhere:
    """A segmenter for which the whole image is the target."""

    name, revision = "everywhere", None

    def encode(self, image: Image.Image, features: object = None) -> tuple[int, int]:
        return image.size

    def segment(self, encoded: tuple[int, int], prompt: SegmenterPrompt) -> tuple[np.ndarray, float]:
        return np.ones(encoded[::-1], bool), 0.5


@pytest.fixture(scope="module")
def page() -> Iterator[str]:
    """The address of the real page, with a recorded answer to the first example."""
    image = load_image(FIRST.image).image
    answer = render(Answer((1, 2, 9, 8), ((3, 4), (5, 6)), think="Here."))
    run = {"image_sha256": image_key(image), "question": FIRST.question, "think": True, "pieces": [answer]}
    reasoner = ReplayReasoner(
        [{**run, "model": "recorded", "frame": "input pixels", "input_wh": list(image.size)}]
    )
    served = Page(MedReasoner(reasoner, Everywhere()), EXAMPLES)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launch(served, port)
    yield f"http://127.0.0.1:{port}/"
    served.demo.close(verbose=False)


@pytest.fixture
def hub(monkeypatch, tmp_path, page) -> Iterator[Hub]:
    """A Hub on which new Spaces answer at `page`, and on which there is a model."""
    monkeypatch.setattr(hub_server, "Space", partial(hub_store.Space, host=page))
    with Hub() as served:
        served.connect(monkeypatch, tmp_path)
        api = HfApi()
        api.create_repo(MODEL)
        api.upload_file(path_or_fileobj=b"{}", path_in_repo="config.json", repo_id=MODEL)
        served.requests.clear()
        yield served


@pytest.fixture
def run(hub, capsys) -> Callable[..., tuple[int, str]]:
    """Run the command; returns exit code and all that it printed."""

    def command(*arguments: str, name: str = NAME) -> tuple[int, str]:
        capsys.readouterr()
        code = deploy.main([name, *arguments], between=0)
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return command


def test_one_command_makes_the_space_follows_its_build_and_asks_it_a_question(hub, run, tmp_path):
    code, printed = run("--variable", "GREETING=hello")
    assert code == 0, printed
    space = hub.repository(NAME, "space").space
    assert (space.sdk, space.hardware, space.variables, space.secrets) == (
        "gradio",
        "zero-a10g",
        {"GREETING": "hello"},
        {},
    )
    (tmp_path / "staged").mkdir()
    expected = stage(Content(), tmp_path / "staged")
    assert hub.files(NAME, "space") == {name: (tmp_path / "staged" / name).read_bytes() for name in expected}
    for said in ("free plan", "5.0 of 5 minutes", "] building", "  | Installing requirements", "] running"):
        assert said in printed
    assert f"asked {FIRST.question!r} of {FIRST.image.name}: box 1, 2, 9, 8," in printed and printed.endswith(
        f"/spaces/{NAME}\n"
    )
    assert len(hub.repository(NAME, "space").history("main")) == 2, "one commit after the empty one"


def test_running_it_twice_changes_nothing(hub, run):
    assert run("--model", MODEL, "--private")[0] == 0
    writes = hub.count(WRITES)
    code, printed = run("--model", MODEL, "--private")
    assert code == 0 and "nothing was sent" in printed
    assert hub.count(WRITES) == writes


def test_a_space_that_differs_is_changed_only_when_that_is_asked_for(hub, run):
    run("--model", MODEL)
    before, writes = hub.files(NAME, "space"), hub.count(WRITES)
    code, printed = run("--hardware", "t4-small", "--private", "--segmenter", "embedded", "--model", MODEL)
    assert code == 2 and "--update" in printed and "move it to t4-small" in printed
    assert hub.files(NAME, "space") == before and hub.count(WRITES) == writes

    code, printed = run(
        "--hardware", "t4-small", "--private", "--segmenter", "embedded", "--model", MODEL, "--update"
    )
    assert code == 0, printed
    repository = hub.repository(NAME, "space")
    assert repository.private and repository.space.hardware == "t4-small"
    assert repository.space.variables == {"MEDREASONER_MODEL": MODEL, "MEDREASONER_SEGMENTER": "embedded"}
    now = set(hub.files(NAME, "space"))
    assert "medreasoner/embedded/config.json" in now and not [
        name for name in now if name.startswith("sam2/")
    ], "what is not staged goes"

    assert run("--update")[0] == 0
    assert repository.space.variables == {} and repository.space.hardware == "t4-small"


@pytest.mark.parametrize("token", ["hf_write", None])
def test_a_dry_run_shows_every_call_and_makes_none(hub, run, monkeypatch, token):
    if token is None:
        monkeypatch.delenv("HF_TOKEN")
    code, printed = run("--dry-run", "--variable", "GREETING=hello", "--title", "Ours")
    assert code == 0, printed
    assert hub.count(WRITES) == 0 and not [key for key in hub.repositories if key[0] == "space"]
    for said in (
        f"would create the public Space {NAME} on zero-a10g, variable GREETING=hello",
        "would commit",
        "app.py",
        "title: Ours",
    ):
        assert said in printed
    assert ("the token is missing" in printed) is (token is None)


def test_a_dry_run_needs_no_network(run, hub, monkeypatch, tmp_path):
    with Hub() as gone:
        pass
    gone.connect(monkeypatch, tmp_path / "elsewhere")
    code, printed = run("--dry-run")
    assert code == 0 and "would create" in printed and "the connection to the Hub broke" in printed


# which request is refused -> what one is told to do
FAULTS = [
    (401, r"GET /api/whoami", "log in with `hf auth login`"),
    (402, r"POST /api/repos/create", "choose other hardware or a paid plan"),
    (403, r"POST /api/repos/create", "needs write permission"),
    (409, r"POST /api/repos/create", "choose another name, or try again"),
    (412, r"POST .*/commit/", "look at the change, then run the same command again"),
    (429, r"POST .*/commit/", "wait some minutes"),
    (503, r"POST .*/commit/", "status.huggingface.co"),
]


@pytest.mark.parametrize("status, request_line, told", FAULTS, ids=[str(status) for status, *_ in FAULTS])
def test_each_refusal_ends_in_a_sentence_that_says_what_to_do(hub, run, status, request_line, told):
    hub.fault(request_line, status=status, times=99)
    code, printed = run("--model", MODEL)
    assert code == 2 and told in printed
    assert ("space", NAME) not in hub.repositories or hub.files(NAME, "space") == {}


def test_what_broke_off_between_creation_and_upload_is_finished_by_the_same_command(hub, run):
    hub.fault(r"POST .*/commit/", status=412, times=99)
    assert run("--model", MODEL)[0] == 2
    hub.faults.clear()
    assert run("--model", MODEL)[0] == 0
    assert "app.py" in hub.files(NAME, "space")


def test_a_plan_that_does_not_reach_is_said_before_and_after_the_hub_says_so(run):
    code, printed = run("--hardware", "cpu-basic")
    assert (
        code == 2
        and "on a free plan the Hub refuses new Spaces on cpu-basic" in printed
        and "a paid plan" in printed
    )


def test_a_token_that_may_only_read_is_noticed_before_anything_is_sent(hub, run, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", READ)
    code, printed = run()
    assert code == 2 and "may only read" in printed and hub.count(WRITES) == 0


def test_a_namespace_of_somebody_else_is_noticed_before_anything_is_sent(hub, run):
    code, printed = run(name="stranger/space")
    assert code == 2 and "expected one of tester, hospital" in printed and hub.count(WRITES) == 0


def test_a_broken_upload_goes_on_where_it_was(hub, run):
    last = hashlib.sha256(max((ROOT / "medreasoner" / "examples").glob("*.jpg")).read_bytes()).hexdigest()
    hub.fault(rf"PUT /store/{last}", drop=100, times=99)
    code, printed = run("--model", MODEL)
    assert code == 2 and "run the same command again" in printed
    assert hub.files(NAME, "space") == {}, "nothing half done can be seen"
    hub.faults.clear()
    hub.requests.clear()
    arrived = set(hub.large)
    assert arrived and last not in arrived
    code, printed = run("--model", MODEL)
    assert code == 0, printed
    sent = {line.rpartition("/")[2] for line in hub.requests if line.startswith("PUT /store/")}
    assert last in sent and not sent & arrived, "what had arrived was sent again"


def test_a_space_that_somebody_made_otherwise_is_left_alone(hub, run):
    api = HfApi()
    api.create_repo(NAME, repo_type="space", space_sdk="gradio", space_hardware="zero-a10g")
    for name, text in (("README.md", b"---\nsdk: gradio\n---\nmine"), ("app.py", b"pass")):
        api.upload_file(path_or_fileobj=text, path_in_repo=name, repo_id=NAME, repo_type="space")
    code, printed = run("--update")
    assert code == 2 and "was not made by this command" in printed
    assert hub.files(NAME, "space")["app.py"] == b"pass"


def test_a_space_that_cannot_be_built_shows_its_log_and_what_to_do(hub, run, monkeypatch, page):
    broken = partial(
        hub_store.Space,
        host=page,
        stages=["BUILDING", "BUILD_ERROR"],
        build_log=["ERROR: No matching distribution"],
    )
    monkeypatch.setattr(hub_server, "Space", broken)
    code, printed = run("--model", MODEL)
    assert code == 1 and "the log above says why" in printed
    assert printed.count("  | ERROR: No matching distribution") == 1, "each line once"


def test_a_page_that_breaks_at_its_start_shows_its_own_log(run, monkeypatch, page):
    broken = partial(
        hub_store.Space,
        host=page,
        stages=["BUILDING", "RUNTIME_ERROR"],
        run_log=["ModuleNotFoundError: sam3"],
    )
    monkeypatch.setattr(hub_server, "Space", broken)
    code, printed = run("--model", MODEL)
    assert code == 1 and "  | ModuleNotFoundError: sam3" in printed and "its page broke" in printed


def test_a_page_that_does_not_answer_is_not_called_fine(run, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setattr(hub_server, "Space", partial(hub_store.Space, host=nobody))
    code, printed = run("--model", MODEL)
    assert code == 1 and "did not answer a question" in printed and "?logs=container" in printed


def test_a_private_model_needs_a_secret_which_is_sent_once_and_never_printed(hub, run, monkeypatch):
    hub.repository(MODEL).private = True
    code, printed = run("--model", MODEL)
    assert code == 2 and "--secret HF_TOKEN" in printed and hub.count(WRITES) == 0
    code, printed = run("--model", MODEL, "--secret", "HF_TOKEN")
    assert code == 0 and "secret HF_TOKEN" in printed and hub_server.WRITE not in printed
    assert hub.repository(NAME, "space").space.secrets == {"HF_TOKEN": hub_server.WRITE}
    assert "preload_from_hub" not in head(hub.files(NAME, "space")["README.md"].decode()), (
        "the Hub preloads public models only"
    )
    code, printed = run("--model", MODEL, "--secret", "HF_TOKEN")
    assert code == 0 and "nothing was sent" in printed


def test_a_model_with_a_segmenter_of_its_own_needs_no_other(hub, run):
    manifest = b'{"format": 1, "segmenter": "segmenter"}'
    HfApi().upload_file(path_or_fileobj=manifest, path_in_repo="medreasoner.json", repo_id=MODEL)
    assert run("--model", MODEL)[0] == 0
    files = hub.files(NAME, "space")
    assert head(files["README.md"].decode())["models"] == [MODEL] and not [
        name for name in files if name.startswith("sam2")
    ]


def test_a_pinned_model_stays_at_its_commit_until_the_space_is_updated(hub, run):
    pinned = HfApi().model_info(MODEL).sha
    HfApi().upload_file(path_or_fileobj=b"{ }", path_in_repo="config.json", repo_id=MODEL)
    code, printed = run("--model", MODEL, "--revision", pinned)
    assert code == 0 and f"variable MEDREASONER_REVISION={pinned}" in printed
    space = hub.repository(NAME, "space").space
    assert space.variables == {"MEDREASONER_MODEL": MODEL, "MEDREASONER_REVISION": pinned}
    card = hub.files(NAME, "space")["README.md"].decode()
    assert f"at its commit `{pinned}`." in card and "preload_from_hub" not in head(card), (
        "the Hub preloads the newest files only"
    )

    code, printed = run("--model", MODEL, "--revision", "main", "--update")
    assert code == 0 and space.variables["MEDREASONER_REVISION"] == HfApi().model_info(MODEL).sha != pinned, (
        "a branch is resolved at once"
    )
    assert run("--model", MODEL, "--update")[0] == 0
    assert space.variables == {"MEDREASONER_MODEL": MODEL}


def test_a_revision_that_is_not_there_is_said_before_anything_is_sent(hub, run):
    code, printed = run("--model", MODEL, "--revision", "v9")
    assert code == 2 and "v9" in printed and hub.count(WRITES) == 0


def test_a_model_that_is_not_there_is_said_before_anything_is_sent(hub, run):
    code, printed = run("--model", "tester/nothing")
    assert code == 2 and "tester/nothing" in printed and hub.count(WRITES) == 0


@pytest.mark.parametrize("typed, gone", [(NAME, True), ("yes", False), (None, False)])
def test_deleting_asks_for_the_name_first(hub, run, monkeypatch, typed, gone):
    HfApi().create_repo(NAME, repo_type="space", space_sdk="gradio", space_hardware="zero-a10g")

    def answer(question: str) -> str:
        assert NAME in question
        if typed is None:
            raise EOFError
        return typed

    monkeypatch.setattr("builtins.input", answer)
    assert run("--delete")[0] == (0 if gone else 2)
    assert (("space", NAME) in hub.repositories) is not gone


def test_deleting_what_is_not_there_says_so(run):
    code, printed = run("--delete")
    assert code == 2 and "nothing was deleted" in printed


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--model", "medreasoner"], "must be pushed to the Hub first"),
        (["--revision", "main"], "--revision belongs to a model on the Hub"),
        (["--secret", "NO_SUCH_SECRET"], "the environment holds no NO_SUCH_SECRET"),
        (["--variable", "JUST_A_NAME"], "expected NAME=VALUE"),
    ],
)
def test_wrong_options_are_said_at_once(capsys, monkeypatch, arguments, said):
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit) as end:
        deploy.main([NAME, *arguments])
    assert end.value.code == 2 and said in " ".join(capsys.readouterr().err.split())
