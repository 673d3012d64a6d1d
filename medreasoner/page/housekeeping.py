"""What the server holds of its visitors is forgotten in time, and never becomes too much.

Gradio would keep the state of a visitor for an hour after the page is closed, that of a program which opens
no page for ever, and what the components last showed, the picture among it, until thousands of others have
come.
"""

import asyncio
import datetime
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import gradio as gr
from gradio.state_holder import SessionState
from gradio.utils import get_upload_folder

from medreasoner.page.session import Session
from medreasoner.page.uploads import sweep

BUDGET = 2 << 30  # bytes of all visitors' images together
IDLE = 3600  # seconds after which a visitor who does nothing is forgotten
UNSEEN = 120  # the same for one whose browser holds no connection open
INTERVAL = 30  # seconds


def forget_visitor(demo: gr.Blocks, session_hash: str) -> None:
    """Drop what Gradio holds of a visitor."""
    demo.state_holder.session_data.pop(session_hash, None)
    demo.state_holder.time_last_used.pop(session_hash, None)


def make_room(demo: gr.Blocks, needed: int, budget: int = BUDGET) -> None:
    """Forget the visitors who have been idle longest until `needed` bytes fit beside the other images."""
    held = {name: _nbytes(state) for name, state in list(demo.state_holder.session_data.items())}
    total = sum(held.values())
    for name, nbytes in held.items():  # Gradio keeps them in the order of their last use
        if total + needed <= budget:
            return
        if nbytes:
            forget_visitor(demo, name)
            total -= nbytes


def _nbytes(state: SessionState) -> int:
    return sum(value.nbytes for value in list(state.state_data.values()) if isinstance(value, Session))


def forget_idle(demo: gr.Blocks, connected: set[str], now: datetime.datetime) -> None:
    """Forget visitors who have done nothing for a while; `connected` are those who have the page open."""
    for name, used in list(demo.state_holder.time_last_used.items()):
        if (now - used).total_seconds() > (IDLE if name in connected else UNSEEN):
            forget_visitor(demo, name)


def lifespan(demo: gr.Blocks, connected: set[str]) -> Callable[[object], AbstractAsyncContextManager[None]]:
    """For the server: forgets and sweeps as long as it runs."""

    async def keep_house() -> None:
        while True:
            await asyncio.sleep(INTERVAL)
            forget_idle(demo, connected, datetime.datetime.now())
            await asyncio.to_thread(sweep, Path(get_upload_folder()))

    @asynccontextmanager
    async def running(_: object) -> AsyncIterator[None]:
        task = asyncio.create_task(keep_house())
        try:
            yield
        finally:
            task.cancel()

    return running
