"""Runs a training recipe on Hugging Face Jobs: the same command, on rented hardware.

    python -m train.jobs --recipe train/recipes/qwen25vl7b_mask_h200.yaml --flavor h200 \\
        --push-to-hub USER/NAME --dry-run

Calls `hf jobs uv run` with this project's code mounted, its pinned requirements, and your token as a secret.
What a job writes to its disk is lost when it ends, so a repository to push to is required. --dry-run prints
what would be sent and sends nothing. Arguments this command does not know go to the training command.
"""

import argparse
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from train.options import read_recipe, stop

ROOT = Path(__file__).parent.parent
SENT = ("medreasoner", "train", "requirements.txt")  # of this project
LEFT_OUT = ("embedded", "__pycache__")  # the embedded pair's weights and training, which no job runs
COMMANDS = ("train.sft", "train.grpo")  # what a job can run
MOUNTED = "/medreasoner"
SCRIPT = '''# /// script
# requires-python = "==3.12.*"
# dependencies = [
{requirements}
# ]
# ///
"""Runs inside the job: the command of the recipe, from the mounted code."""
import os
import runpy
import sys

os.chdir("{mounted}")
sys.path.insert(0, "{mounted}")
sys.argv = {arguments!r}
runpy.run_module({module!r}, run_name="__main__")
'''


def requirements(more: Sequence[str]) -> list[str]:
    """What the job installs: the project's pins, sam2 (built there, without its CUDA extension) and `more`
    packages."""
    lines = (
        line.split("#")[0].strip()
        for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    )
    return [*filter(None, lines), "sam2==1.1.0", *more]


def script(recipe: Path, arguments: Sequence[str], more: Sequence[str] = ()) -> str:
    """The job's script.

    Args:
        recipe: a file of this project, which names its command.
        arguments: further arguments of the training command.
        more: packages the recipe needs besides the project's own.

    Exits with one sentence if the recipe is for a command that jobs do not run.
    """
    module = read_recipe(recipe).get("command")
    if module not in COMMANDS:
        stop(f"the recipe {recipe} is for the command {module}; a job runs {' or '.join(COMMANDS)}")
    pins = "\n".join(f'#   "{pin}",' for pin in requirements(more))
    argv = [module, "--recipe", recipe.relative_to(ROOT).as_posix(), *arguments]
    return SCRIPT.format(requirements=pins, mounted=MOUNTED, module=module, arguments=argv)


def call(script_path: Path, code: Path, args: argparse.Namespace) -> list[str]:
    """The command line of `hf`. The token is named, its value is read from the environment and never
    printed."""
    options = ["--flavor", args.flavor, "--timeout", args.timeout]
    options += ["--secrets", "HF_TOKEN", "--env", "SAM2_BUILD_CUDA=0", "--volume", f"{code}:{MOUNTED}:ro"]
    return ["hf", "jobs", "uv", "run", *options, *(["--detach"] if args.detach else []), str(script_path)]


def stage(out: Path) -> None:
    """Copy into `out` the code that the job runs."""
    for name in SENT:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, out / name, ignore=shutil.ignore_patterns(*LEFT_OUT))
        else:
            out.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, out / name)


def options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--recipe", type=Path, required=True)
    add("--flavor", required=True, help="hardware, see `hf jobs hardware`: a10g-large, a100-large, h200 …")
    add("--timeout", default="12h", help="after which the job is ended (the Hub's own default is 30 minutes)")
    add("--push-to-hub", metavar="USER/NAME", required=True, help="repository that every save goes to")
    packages = "packages the recipe needs: bitsandbytes, vllm==0.30.0 …"
    add("--with", dest="more", action="append", default=[], metavar="PACKAGE", help=packages)
    add("--detach", action="store_true", help="do not wait for the job's log")
    add("--dry-run", action="store_true", help="print what would be sent, and send nothing")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    args, given = options().parse_known_args(arguments)
    recipe = args.recipe.resolve()
    if not recipe.is_file() or not recipe.is_relative_to(ROOT):
        stop(
            f"--recipe {args.recipe} must be a file of this project, so that it travels with the code; "
            "put it into train/recipes"
        )
    given += ["--push-to-hub", args.push_to_hub, "--output_dir", "/tmp/run"]
    text = script(recipe, given, args.more)
    with tempfile.TemporaryDirectory() as scratch:
        code, path = Path(scratch) / "code", Path(scratch) / "job.py"
        stage(code)
        path.write_text(text, encoding="utf-8")
        command = call(path, code, args)
        if not args.dry_run:
            hf = [sys.executable, "-m", "huggingface_hub.cli.hf", *command[1:]]
            return subprocess.run(hf, check=False).returncode
        files = [file for file in sorted(code.rglob("*")) if file.is_file()]
        size = sum(file.stat().st_size for file in files) / 1e6
        print(f"{shlex.join(command)}\n\n{path.name}:\n{text}\nmounted at {MOUNTED}, {size:.1f} MB:")
        print("\n".join(f"  {file.relative_to(code)}" for file in files))
    return 0


if __name__ == "__main__":
    sys.exit(main())
