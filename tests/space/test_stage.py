"""What of the project a staged Space holds, and what its card says."""

import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from medreasoner.events import NOTICE
from medreasoner.hub.repository import MARKER
from medreasoner.segmenters.base import MEDSAM2
from space.content import Content
from space.requirements import FOR_SAM2, ROOT, StageError, requirements
from space.stage import belonging, stage
from tests.space.conftest import MODEL, head


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
