"""A server on the loopback that speaks /v1/chat/completions and, where told, fails as servers do."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class ChatServer:
    """
    Attributes:
        faults: what happens to request n instead: (HTTP status, headers, bytes), bytes to send, "drop" or
            "slow".
        bodies, keys: the requests that came, and their Authorization. written: what is written to a request.
    """

    def __init__(self):
        self.bodies: list[dict] = []
        self.keys: list[str | None] = []
        self.faults: dict[int, object] = {}
        self.written: Callable[[dict], str] = lambda body: "fine"
        self.most_at_once = self._at_once = 0
        self.hold = threading.Event()  # what "slow" waits for
        self._lock = threading.Lock()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["content-length"])))
        with self._lock:
            number = len(self.bodies)
            self.bodies.append(body)
            self.keys.append(handler.headers.get("authorization"))
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            self._send(handler, body, self.faults.get(number))
        finally:
            with self._lock:
                self._at_once -= 1

    def _send(self, handler: BaseHTTPRequestHandler, body: dict, fault: object) -> None:
        if fault == "drop":
            handler.connection.shutdown(socket.SHUT_RDWR)
            handler.close_connection = True
            return
        if fault == "slow":
            self.hold.wait(10)
            handler.close_connection = True
            return
        status, headers, data = fault if isinstance(fault, tuple) else (200, {}, fault)
        if data is None:
            message = {"role": "assistant", "content": self.written(body)}
            usage = {"prompt_tokens": 1000, "completion_tokens": 100}
            data = json.dumps(
                {"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}
            ).encode()
        handler.send_response(status)
        for name, value in ({"content-length": str(len(data))} | headers).items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(data)


@contextmanager
def running(served: ChatServer) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            assert self.path == "/v1/chat/completions"
            served.answer(self)

        def log_message(self, *words):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        served.hold.set()
        server.shutdown()
        server.server_close()
