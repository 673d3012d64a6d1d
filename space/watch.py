"""After the upload: follows the build with its log until the Space runs, then asks the page there one
question."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from medreasoner.hub.errors import HubError, asking

if TYPE_CHECKING:
    from huggingface_hub import HfApi

ENDPOINT = "/ground"  # of app.py
PATIENCE = 3600.0  # seconds from upload to a page that answers; the card asks the Hub for as much
BETWEEN = 5.0  # seconds between two looks at the stage
TAIL = 30  # lines of the page's own log shown when it breaks
UNDER_WAY = {"BUILDING", "RUNNING_BUILDING", "APP_STARTING", "RUNNING_APP_STARTING"}
WHAT_TO_DO = {
    "BUILD_ERROR": "it could not be built; the log above says why",
    "RUNTIME_ERROR": "it was built but its page broke; the log above says why",
    "CONFIG_ERROR": "the head of its README.md is not accepted",
    "NO_APP_FILE": "its app.py is missing; deploy it again with --update",
    "PAUSED": "it is paused; start it again in its settings",
    "STOPPED": "it is stopped; start it again in its settings",
    "DELETING": "it is being deleted",
}


class SpaceFailed(RuntimeError):
    """The Space is there but does not answer; the message says how far it came and what to do."""


def follow(
    api: "HfApi",
    repo_id: str,
    commit: str,
    say: Callable[[str], None],
    *,
    patience: float = PATIENCE,
    between: float = BETWEEN,
) -> None:
    """Wait until the Space runs `commit`, telling each stage and each new line of the build's log. Errors:
    HubError, SpaceFailed."""
    begun, last, told = time.monotonic(), None, 0
    while True:
        with asking(f"ask how {repo_id} is"):
            runtime = api.get_space_runtime(repo_id)
        seconds = time.monotonic() - begun
        if runtime.stage != last:
            last = runtime.stage
            say(f"[{seconds:4.0f} s] {last.lower().replace('_', ' ')}")
        if "BUILDING" in last or last == "BUILD_ERROR":
            told = _tell_log(api, repo_id, told, say)
        if last == "SLEEPING" or (last == "RUNNING" and runtime.raw.get("sha") in (None, commit)):
            return
        if last not in UNDER_WAY | {"RUNNING"}:
            raise _failure(api, repo_id, last, runtime.raw.get("errorMessage"), say)
        if seconds > patience:
            raise SpaceFailed(
                f"{repo_id} is still {last} after {patience / 60:.0f} minutes; look at {_logs(api, repo_id)}"
            )
        time.sleep(between)


def _tell_log(api: "HfApi", repo_id: str, told: int, say: Callable[[str], None]) -> int:
    """Say the lines of the build's log after the first `told`; returns how many have been said now."""
    try:
        with asking("read the build's log"):
            lines = [line.rstrip("\n") for line in api.fetch_space_logs(repo_id, build=True)]
    except HubError as error:  # the log is a comfort, the build goes on without it
        say(f"  ({error})")
        return told
    for line in lines[told:]:
        say(f"  | {line}")
    return max(told, len(lines))


def _failure(
    api: "HfApi", repo_id: str, stage: str, message: str | None, say: Callable[[str], None]
) -> SpaceFailed:
    if stage == "RUNTIME_ERROR":
        with asking("read the page's log"):
            for line in list(api.fetch_space_logs(repo_id))[-TAIL:]:
                say(f"  | {line.rstrip()}")
    what_to_do = WHAT_TO_DO.get(stage, "a stage that is not known here")
    hub_message = f" (The Hub: {message})" if message else ""
    return SpaceFailed(f"{repo_id} is {stage}: {what_to_do}{hub_message}; see {_logs(api, repo_id)}")


def _logs(api: "HfApi", repo_id: str) -> str:
    return f"{address(api, repo_id)}?logs=container"


def address(api: "HfApi", repo_id: str) -> str:
    """The Space's page on the Hub."""
    return f"{api.endpoint}/spaces/{repo_id}"


def try_out(api: "HfApi", repo_id: str, examples: Path) -> str:
    """Ask the running page about its first example, as any program would; returns what came in a line.
    Errors: HubError, SpaceFailed."""
    from gradio_client import Client, handle_file
    from gradio_client.exceptions import AppError
    from httpx import HTTPError

    example = json.loads((examples / "examples.json").read_text(encoding="utf-8"))[0]
    with asking(f"ask where {repo_id} answers"):
        host = api.space_info(repo_id).host
    try:
        client = Client(host, token=api.token, verbose=False, analytics_enabled=False)
        grounding, _ = client.predict(
            handle_file(examples / example["image"]), example["question"], api_name=ENDPOINT
        )
    except (AppError, HTTPError, OSError, ValueError) as error:
        words = " ".join(str(error).split())[:300]
        raise SpaceFailed(
            f"{repo_id} runs, but did not answer a question: {words}. See {_logs(api, repo_id)}"
        ) from error
    place = "nothing found"
    if grounding["found"]:
        place = "box " + ", ".join(f"{value:.0f}" for value in grounding["box_xyxy"])
    seconds = grounding["timings_s"]["total"]
    return f"asked {example['question']!r} of {example['image']}: {place}, {seconds:.1f} s"
