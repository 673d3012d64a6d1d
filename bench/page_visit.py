"""A visitor of a served page without a browser: sends the very requests that the page's own script sends.

with Visitor(address) as visitor:
    status = visitor.open(Path("scan.dcm"))      # {"phase": "ready", "text": "Ready", ...}
    status = visitor.ask("What explains the cough?")
"""

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx

API = "/gradio_api"
PATIENCE = 600  # seconds; a busy machine is slow


class Visitor:
    """One visit, from the moment the page opens its heartbeat until `close`.

    Attributes:
        received: the bytes of everything the server has answered.
    """

    def __init__(self, address: str) -> None:
        self.session = uuid.uuid4().hex[:12]
        self.received: list[bytes] = []
        self._http = httpx.Client(base_url=address, timeout=PATIENCE)
        config = self._http.get("/config").json()
        self._events = {event["api_name"]: event["id"] for event in config["dependencies"]}
        self._image = ""
        self._leaving = threading.Event()
        self._heart = threading.Thread(target=self._beat, daemon=True)
        self._heart.start()

    def __enter__(self) -> "Visitor":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave, as a browser that closes the page does."""
        self._leaving.set()
        self._http.close()

    def upload(self, path: Path) -> dict:
        """The file as Gradio's components name it. Errors: httpx.HTTPStatusError where it is refused."""
        with path.open("rb") as file:
            answer = self._http.post(f"{API}/upload", files={"files": (path.name, file)})
        answer.raise_for_status()
        return {"path": answer.json()[0], "orig_name": path.name, "meta": {"_type": "gradio.FileData"}}

    def open(self, path: Path) -> dict:
        """Open an image; the status line afterwards."""
        shown = self.call("open_files", [[self.upload(path)], None, {"image": self._image}])
        viewers = [part for part in shown if isinstance(part, dict) and "src" in part]
        self._image = viewers[0]["image"] if viewers else self._image
        return shown[0]

    def ask(self, question: str) -> dict:
        """Ask about the image that was opened last; the status line afterwards."""
        client = {"task": uuid.uuid4().hex, "image": self._image}
        return self.call("ask", [None, question, client])[0]

    def call(self, handler: str, data: list, event: dict | None = None) -> list:
        """Trigger the event that `handler` answers; the last values of its components."""
        body = {"data": data, "fn_index": self._events[handler], "session_hash": self.session}
        asked = self._http.post(f"{API}/queue/join", json={**body, "event_data": event})
        asked.raise_for_status()
        number, values = asked.json()["event_id"], []
        for message in self._messages():
            if message.get("event_id") == number and message["msg"] == "process_completed":
                values = message["output"].get("data", [message["output"]])
                break
        return values

    def _messages(self) -> Iterator[dict]:
        query = {"session_hash": self.session}
        with self._http.stream("GET", f"{API}/queue/data", params=query) as stream:
            for line in stream.iter_lines():
                self.received.append(line.encode())
                if line.startswith("data:"):
                    yield json.loads(line.removeprefix("data:"))

    def _beat(self) -> None:
        """Hold the connection open that tells the server that the page is there, until one of both goes."""
        with (
            suppress(httpx.TransportError),
            httpx.Client(base_url=str(self._http.base_url), timeout=PATIENCE) as http,
            http.stream("GET", f"{API}/heartbeat/{self.session}") as stream,
        ):
            for _ in stream.iter_lines():
                if self._leaving.is_set():
                    return
