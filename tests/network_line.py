"""A line between browser and server that a test can cut and mend: every connection is broken off, and none is
taken until it is mended.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit


class NetworkLine:
    """Passes bytes on between its own `address` and that of a server."""

    def __init__(self, server: str) -> None:
        self._server, self._writers, self._cut = urlsplit(server), set(), False
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        listening = self._wait(asyncio.start_server(self._connect, "127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"

    @contextmanager
    def cut(self) -> Iterator[None]:
        """Break off what there is; new connections are closed at once until this ends."""
        self._wait(self._break())
        yield
        self._cut = False

    def _wait(self, task):
        return asyncio.run_coroutine_threadsafe(task, self._loop).result()

    async def _break(self) -> None:
        self._cut = True
        for writer in self._writers:
            writer.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._cut:
            writer.transport.abort()
            return
        inner, outer = await asyncio.open_connection(self._server.hostname, self._server.port)
        self._writers |= {writer, outer}
        await asyncio.gather(_pass_on(reader, outer), _pass_on(inner, writer))
        self._writers -= {writer, outer}


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass  # the other end is gone, or the line was cut
    finally:
        writer.close()
