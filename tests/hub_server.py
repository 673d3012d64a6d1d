"""A Hugging Face Hub on loopback for tests: the real clients run against it unmodified, and it can be made to
fail.

It speaks the Hub's HTTP as huggingface_hub 2.4.0 does, for models, datasets and Spaces. Large files go
through LFS (directly, in parts, or behind redirects to another host name); with a folder for `xet` they go
there through hf_xet instead (`hub_xet.py`), and without one clients run with HF_HUB_DISABLE_XET=1. Routes are
in `hub_routes/`, what is kept in `hub_store.py`, faults in `hub_wire.py`. It does not speak git.

    with Hub() as hub:                                    # Hub(redirect=True), Hub(part_size=1 << 20)
        subprocess.run([...], env=hub.environment(home))  # any client in a process of its own
        hub.connect(monkeypatch, home)                    # or those in this process; home keeps their cache
        hub.fault(r"POST .*/commit/", status=503)         # the next such request fails
"""

import hashlib
import importlib
import os
import re
import sys
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path

from tests.hub_routes import ORGANISATION, READ, USER, WRITE, Handler
from tests.hub_store import Refusal, Repository, Space
from tests.hub_wire import Fault

__all__ = ["ORGANISATION", "READ", "USER", "WRITE", "Fault", "Hub"]
SETTINGS = {
    "HF_HUB_DISABLE_XET": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_OFFLINE": "0",
    "HF_DATASETS_OFFLINE": "0",
    "TRANSFORMERS_OFFLINE": "0",
}


class Hub:
    """The server.

    `requests` lists what came ("METHOD /path?query"); `leaks` the requests to the file store that carried a
    token.
    """

    def __init__(self, redirect: bool = False, part_size: int | None = None, xet: Path | None = None):
        self.redirect, self.part_size, self.xet, self.pro = redirect, part_size, xet, False
        self.namespaces = [USER, ORGANISATION]  # where USER may write
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.large: dict[str, bytes] = {}
        self.parts: dict[str, dict[int, bytes]] = {}
        self.requests: list[str] = []
        self.leaks: list[str] = []
        self.faults: list[Fault] = []
        self.lock = threading.RLock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": self}))
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.store_url = f"http://localhost:{self.port}" if redirect else self.url

    def __enter__(self) -> "Hub":
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def fault(self, pattern: str, **what: object) -> Fault:
        self.faults.append(Fault(pattern, **what))
        return self.faults[-1]

    def expect(self, data: bytes) -> None:
        """Take this content for arrived, which a client will bring to the folder of Xet, where nothing here
        can read.
        """
        self.large[hashlib.sha256(data).hexdigest()] = data

    def xet_url(self) -> str:
        """Where hf_xet keeps content. Refusal where this Hub has no such place."""
        if self.xet is None:
            raise Refusal(404, "Xet is not enabled here")
        return f"local://{self.xet}"

    def new_space(self, sdk: str, hardware: str | None, sleep_time: int | None) -> Space:
        """What a Space that is made now begins as; a test may put its own in the place of `hub_server.Space`."""
        return Space(sdk, hardware, sleep_time)

    def repository(self, name: str, kind: str = "model") -> Repository:
        return self.repositories[kind, name]

    def files(self, name: str, kind: str = "model", revision: str = "main") -> dict[str, bytes]:
        """What anyone sees there now, without the .gitattributes that every repository begins with."""
        files = self.repository(name, kind).at(revision).files
        return {path: file.data for path, file in files.items() if path != ".gitattributes"}

    def count(self, pattern: str) -> int:
        """How many requests so far match."""
        return sum(re.search(pattern, line) is not None for line in self.requests)

    def environment(self, home: Path, token: str | None = WRITE) -> dict[str, str]:
        """The environment of a client process. `home` holds its cache and nothing of the real user's."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
        settings = {**SETTINGS, "HF_HUB_DISABLE_XET": "1" if self.xet is None else "0"}
        return {
            **kept,
            **settings,
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            **({"HF_TOKEN": token} if token else {}),
        }

    def connect(self, monkeypatch, home: Path, token: str | None = WRITE) -> None:
        """The same for the clients in this process, which have read their environment already; they wait no
        time between tries.
        """
        from huggingface_hub import constants
        from huggingface_hub.utils import _http

        changed = {
            "ENDPOINT": self.url,
            "HUGGINGFACE_CO_URL_TEMPLATE": self.url + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HUB_CACHE": str(home / "hub"),
            "HF_HOME": str(home),
            "HF_TOKEN_PATH": str(home / "token"),
            "HF_HUB_OFFLINE": False,
            "HF_HUB_DISABLE_XET": True,
            "HF_HUB_DISABLE_TELEMETRY": True,
        }
        for name, value in changed.items():
            monkeypatch.setattr(constants, name, value)
        if datasets := sys.modules.get("datasets.config"):
            monkeypatch.setattr(datasets, "HF_ENDPOINT", self.url)
            monkeypatch.setattr(
                datasets, "HUB_DATASETS_URL", self.url + "/datasets/{repo_id}/resolve/{revision}/{path}"
            )
            monkeypatch.setattr(datasets, "HF_DATASETS_CACHE", home / "datasets")
            monkeypatch.setattr(datasets, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(_http.time, "sleep", lambda _: None)
        bars = importlib.import_module("huggingface_hub.utils.tqdm")  # the attribute of that name is a class
        monkeypatch.setitem(bars.progress_bar_states, "_global", False)
        if token is None:
            monkeypatch.delenv("HF_TOKEN", raising=False)
        else:
            monkeypatch.setenv("HF_TOKEN", token)
        _http.close_session()
