"""The review page's server: one component, its events to a `Desk`, and the view that comes back.

Is: Gradio, on this machine only. Is not: what a key does (`desk.py`) or looks like (`desk.html`, `desk.js`, `desk.css`).

    python -m medreasoner data review FOLDER --reviewer NAME
"""

from pathlib import Path

import gradio as gr

from medreasoner.output.overlay import COLOURS
from medreasoner.review.desk import Desk

HERE = Path(__file__).parent


class Page:
    """`demo` is the `gr.Blocks`; every visit starts at the first sample without a decision."""

    def __init__(self, desk: Desk):
        self.desk = desk
        with gr.Blocks(title="Review", analytics_enabled=False, fill_width=True) as self.demo:
            self.view = gr.HTML(
                html_template=_text("desk.html"),
                js_on_load=_text("desk.js"),
                elem_id="desk",
                apply_default_css=False,
            )
            quiet = {
                "inputs": None,
                "outputs": self.view,
                "show_progress": "hidden",
                "api_visibility": "private",
            }
            self.demo.load(desk.begin, **quiet)
            for event, answer in (
                (self.view.decide, self.on_decide),
                (self.view.go, self.on_go),
                (self.view.undo, self.on_undo),
            ):
                event(answer, **quiet).failure(self.on_breakdown, **quiet)

    def on_decide(self, event: gr.EventData) -> dict:
        """A decision; what the browser sends is looked up and checked, never trusted."""
        return self.desk.decide(
            str(event.id),
            str(event.decision),
            bool(event.undecided),
            str(event.question),
            str(event.think),
            str(event.reason),
        )

    def on_go(self, event: gr.EventData) -> dict:
        return self.desk.go(str(event.id), 1 if event.step == 1 else -1, bool(event.undecided))

    def on_undo(self, event: gr.EventData) -> dict:
        return self.desk.undo(str(event.id))

    def on_breakdown(self) -> dict:
        """An error nobody foresaw; its traceback is in the terminal."""
        return {
            **self.desk.begin(),
            "problem": "Something broke; look at the terminal. What was saved before is on the disk.",
        }


def launch(page: Page, port: int | None = None) -> str:
    """Serve `page` to this machine alone, on `port` or a free one; returns its address. OSError if the port is taken."""
    colours = "".join(f"--seen-{name}: {colour};" for name, colour in COLOURS.items())
    _, address, _ = page.demo.launch(
        server_name="127.0.0.1",
        server_port=port,
        theme=gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
        css=f":root {{ {colours} }}\n{_text('desk.css')}",
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        quiet=True,
        prevent_thread_lock=True,
    )
    return address


def _text(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")
