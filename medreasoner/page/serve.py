"""Serves a page with Gradio's server."""

import os
from collections.abc import Callable
from importlib.util import find_spec
from urllib.parse import urlsplit

import gradio as gr
from starlette.middleware import Middleware

from medreasoner.page import mcp_server
from medreasoner.page.component import style_sheet
from medreasoner.page.guard import MAX_UPLOAD, Guard, allowed_hosts, limit_fields
from medreasoner.page.housekeeping import lifespan
from medreasoner.page.page import Page

FIRST_PORT = 7860  # Gradio's; where it is taken, the first free one of the next hundred is used


class PortTaken(OSError):
    """The page cannot be served on the port that was asked for."""


def launch(page: Page, port: int | None = None, tell: Callable[[str], None] = print) -> str:
    """Serve `page` from a thread of its own; returns its address. Nothing of a visit is stored, and the
    browser is sent nowhere else.

    Args:
        port: GRADIO_SERVER_PORT if None; without that either, the first free one from 7860.
        tell: called with a sentence where the port is another than 7860 because that is taken.

    Errors: PortTaken for a port that was asked for.
    """
    limit_fields()
    connected: set[str] = set()
    asked = port if port is not None else int(os.environ.get("GRADIO_SERVER_PORT") or 0)
    try:
        _, address, _ = page.demo.launch(
            server_port=asked or None,
            prevent_thread_lock=True,
            _frontend=False,  # else a busy machine's slow answer ends with "localhost is not accessible"
            theme=gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
            css=style_sheet(),
            footer_links=[],
            run_history=False,
            enable_monitoring=False,
            ssr_mode=False,
            mcp_server=find_spec("mcp") is not None,
            max_file_size=MAX_UPLOAD,
            app_kwargs={
                "middleware": [Middleware(Guard, connected=connected, hosts=allowed_hosts())],
                "lifespan": lifespan(page.demo, connected),
            },
        )
    except OSError as error:
        if not asked:
            raise
        raise PortTaken(
            f"port {asked} is taken; stop what uses it, choose another, or name none to get a free one"
        ) from error
    mcp_server.mend(page.demo)
    served_on = urlsplit(address).port
    if not asked and served_on != FIRST_PORT:
        tell(f"Port {FIRST_PORT} is taken; the page is on port {served_on} instead.")
    return address
