"""The HTTP below the loopback Hub's routes: requests in, replies out, and what a test wants to go wrong on
the way.

A handler finds the method for a path, and faults are put in. The routes themselves are in `hub_routes/`.
"""

import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, unquote, urlsplit

from tests.hub_store import Refusal


@dataclass
class Fault:
    """What happens to the next `times` requests whose "METHOD /path?query" matches `pattern`.

    Args:
        status: answer this, with `message`, `code` and `headers`, and do nothing.
        drop: read (or, on GET, send) so many bytes of the body, then close the connection.
        corrupt: turn over one bit of the body, on its way in (PUT) or out (GET).
        slow: take the body in bites of so many bytes.
        half: once half of the body is in, wait here for the test to come, and again for it to let go.
    """

    pattern: str
    status: int | None = None
    message: str = "made to fail by the test"
    code: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    drop: int | None = None
    corrupt: bool = False
    slow: int | None = None
    half: threading.Barrier | None = None
    times: int = 1


@dataclass
class Reply:
    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def json_reply(value: object, status: int = 200) -> Reply:
    return Reply(json.dumps(value).encode(), status, {"Content-Type": "application/json"})


ROUTES: list[tuple[str, re.Pattern, str]] = []


def route(method: str, pattern: str):
    """Register a Handler's method for `METHOD path`."""

    def register(function):
        ROUTES.append((method, re.compile(pattern + "$"), function.__name__))
        return function

    return register


class Wire(BaseHTTPRequestHandler):
    """`hub` is the `hub_server.Hub` it serves."""

    hub: object
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        """Quiet: `Hub.requests` has it."""

    def _answer(self) -> None:
        url = urlsplit(self.path)
        self.query = {key: values[0] for key, values in parse_qs(url.query).items()}
        line = f"{self.command} {self.path}"
        with self.hub.lock:
            self.hub.requests.append(line)
            fault = next(
                (fault for fault in self.hub.faults if fault.times > 0 and re.search(fault.pattern, line)),
                Fault(""),
            )
            fault.times -= 1
        try:
            self.body = self._received(fault)
        except ConnectionError:
            self.close_connection = True
            return
        try:
            if fault.status is not None:
                raise Refusal(fault.status, fault.message, fault.code, fault.headers)
            with self.hub.lock:
                reply = self._routed(url.path)
        except Refusal as refusal:
            body = json.dumps({"error": refusal.message}).encode()
            headers = {
                "X-Error-Message": refusal.message,
                "Content-Type": "application/json",
                **refusal.headers,
            }
            reply = Reply(
                body, refusal.status, headers | ({"X-Error-Code": refusal.code} if refusal.code else {})
            )
        self._send(reply, fault)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _answer

    def _received(self, fault: Fault) -> bytes:
        """The body; with `fault.drop` ConnectionError once so many bytes of it came."""
        left = size = int(self.headers.get("Content-Length") or 0)
        pieces = []
        if self.headers.get("Transfer-Encoding") == "chunked":
            return self._chunks()
        while left > 0:
            read = self.rfile.read(min(left, fault.slow or fault.drop or 1 << 20))
            if fault.drop is not None and fault.status is None or not read:
                self.connection.close()
                raise ConnectionResetError
            pieces.append(read)
            if fault.half is not None and left > size // 2 >= left - len(read):
                fault.half.wait()
                fault.half.wait()
            left -= len(read)
        body = b"".join(pieces)
        return _turned(body) if fault.corrupt and self.command == "PUT" else body

    def _chunks(self) -> bytes:
        pieces = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def _send(self, reply: Reply, fault: Fault) -> None:
        body = _turned(reply.body) if fault.corrupt and self.command == "GET" else reply.body
        headers = {"Content-Length": str(len(body)), "X-Request-Id": "loopback", **reply.headers}
        self.send_response(reply.status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(body if fault.drop is None else body[: fault.drop])
        if fault.drop is not None:
            self.close_connection = True

    def _routed(self, path: str) -> Reply:
        method = "GET" if self.command == "HEAD" else self.command
        for wanted, pattern, name in ROUTES:
            if wanted == method and (found := pattern.match(path)):
                return getattr(self, name)(
                    **{key: unquote(value) for key, value in found.groupdict().items() if value is not None}
                )
        raise Refusal(404, f"no such route here: {self.command} {path}")


def _turned(data: bytes) -> bytes:
    """The same with one bit turned over in the middle."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :] if data else data
