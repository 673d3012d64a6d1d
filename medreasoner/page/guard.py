"""What stands between the network and Gradio: which hosts and routes are served, how large a request may be,
and headers that tell browsers what the page may do."""

import ipaddress
import os
from collections.abc import Awaitable, Callable, MutableMapping
from urllib.parse import urlsplit

from fastapi import HTTPException
from gradio import route_utils, routes
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

MAX_UPLOAD = 200 << 20  # bytes of a file
MAX_FORM = MAX_UPLOAD + (1 << 20)  # of a form that carries one
MAX_BODY = 1 << 20  # of any other request
MAX_TOOL_BODY = 20 << 20  # of a request of an MCP client, which may carry its image inside
MAX_FIELD = 1 << 16  # of a field of a form that is no file
UPLOAD, TOOLS, HEARTBEAT = "/gradio_api/upload", "/gradio_api/mcp", "/gradio_api/heartbeat/"
# Gradio's routes that this page has no use for: the first writes a visitor's picture and question to disk
CLOSED = ("/gradio_api/deep_link", "/gradio_api/process_recording", "/gradio_api/vibe")
HUGGING_FACE = "https://huggingface.co https://*.huggingface.co"  # a Space stands in a frame of theirs
# Gradio's page and its components' scripts are written into the document and made from text
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' data: blob:; media-src 'self' data: blob:; "
    "worker-src 'self' blob:; manifest-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors {ancestors}"
)


class Guard:
    """Around the whole server, as ASGI middleware.

    Args:
        connected: filled with the session hashes of browsers that have the page open.
        hosts: names under which the server may be asked, beside numbers and localhost; None for any name.
    """

    def __init__(self, app: ASGIApp, connected: set[str], hosts: frozenset[str] | None) -> None:
        self._app, self._connected, self._hosts = app, connected, hosts
        ancestors = "'self'" if hosts is not None else f"'self' {HUGGING_FACE}"
        self._headers = {
            "Content-Security-Policy": POLICY.format(ancestors=ancestors),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path, headers = _path(scope), Headers(scope=scope)
        if not is_served(headers.get("host", ""), self._hosts):
            text = "This server is not asked under that name; set MEDREASONER_HOSTS to the names it has."
            await PlainTextResponse(text, 400)(scope, receive, self._sending(send))
        elif path.startswith(CLOSED):
            await PlainTextResponse("There is nothing here.", 404)(scope, receive, self._sending(send))
        elif int(headers.get("content-length") or 0) > limit_of(path):
            await PlainTextResponse(_too_large(path), 413)(scope, receive, self._sending(send))
        elif path.startswith(HEARTBEAT):
            await self._with_heartbeat(path.removeprefix(HEARTBEAT), scope, receive, send)
        else:
            await self._app(scope, _limited(receive, path), self._sending(send))

    async def _with_heartbeat(self, session_hash: str, scope: Scope, receive: Receive, send: Send) -> None:
        self._connected.add(session_hash)
        try:
            await self._app(scope, receive, self._sending(send))
        finally:
            self._connected.discard(session_hash)

    def _sending(self, send: Send) -> Send:
        async def sending(message: MutableMapping) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._headers)
            await send(message)

        return sending


def allowed_hosts() -> frozenset[str] | None:
    """The names in MEDREASONER_HOSTS, apart by commas; None on a Space, which is public under any name."""
    if os.environ.get("SPACE_ID"):
        return None
    names = os.environ.get("MEDREASONER_HOSTS", "").split(",")
    return frozenset(name.strip().lower() for name in names if name.strip())


def is_served(host: str, hosts: frozenset[str] | None) -> bool:
    """Whether a request for this Host is answered.

    A page of another site can lead a browser to this server only by a name of its own (DNS rebinding), so
    numbers are safe.
    """
    if hosts is None:
        return True
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name == "localhost" or name.endswith(".localhost") or name in hosts:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def limit_of(path: str) -> int:
    """Bytes that the body of a request may have."""
    if path.startswith(UPLOAD):
        return MAX_FORM
    return MAX_TOOL_BODY if path.startswith(TOOLS) else MAX_BODY


def _path(scope: Scope) -> str:
    return scope["path"].removeprefix(scope.get("root_path", ""))


def _too_large(path: str) -> str:
    return f"The request is larger than {limit_of(path) >> 20} MiB, which is the most that is taken here."


def _limited(receive: Receive, path: str) -> Callable[[], Awaitable[MutableMapping]]:
    """`receive`, which ends a request that sends more than its limit, whatever length it has announced."""
    received = 0

    async def receiving() -> MutableMapping:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit_of(path):
            raise HTTPException(413, _too_large(path))
        return message

    return receiving


class LimitedFields(route_utils.GradioMultiPartParser):
    """Gradio's reader of forms, which limits files alone, with a limit of the other fields."""

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        part = self._current_part
        if part.file is None and len(part.data) + end - start > MAX_FIELD:
            raise HTTPException(413, f"A field of the form is longer than {MAX_FIELD} bytes.")
        super().on_part_data(data, start, end)


def limit_fields() -> None:
    """Let Gradio read forms with `LimitedFields`."""
    route_utils.GradioMultiPartParser = routes.GradioMultiPartParser = LimitedFields
