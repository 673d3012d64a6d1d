"""The review page's server: one component, whose events go to a `ReviewSession`, which gives the next view.

python -m medreasoner data review FOLDER --reviewer NAME
"""

from pathlib import Path

import gradio as gr

from medreasoner.output.colours import COLOURS
from medreasoner.review.session import ReviewSession

STATIC = Path(__file__).parent / "static"


class ReviewPage:
    """`demo` is the `gr.Blocks`; every visit starts at the first sample without a decision."""

    def __init__(self, session: ReviewSession) -> None:
        self.session = session
        with gr.Blocks(title="Review", analytics_enabled=False, fill_width=True) as self.demo:
            self.view = gr.HTML(
                html_template=_static("review.html"),
                js_on_load=_static("review.js"),
                elem_id="review",
                apply_default_css=False,
            )
            quiet = {
                "inputs": None,
                "outputs": self.view,
                "show_progress": "hidden",
                "api_visibility": "private",
            }
            self.demo.load(session.begin, **quiet)
            for event, handler in (
                (self.view.decide, self.on_decide),
                (self.view.go, self.on_go),
                (self.view.undo, self.on_undo),
            ):
                event(handler, **quiet).failure(self.on_failure, **quiet)

    def on_decide(self, event: gr.EventData) -> dict:
        """A decision; what the browser sends is looked up and checked, never trusted."""
        return self.session.decide(
            str(event.id),
            str(event.decision),
            bool(event.undecided),
            question=str(event.question),
            think=str(event.think),
            reason=str(event.reason),
        )

    def on_go(self, event: gr.EventData) -> dict:
        """To the next or the previous sample."""
        return self.session.go(str(event.id), 1 if event.step == 1 else -1, bool(event.undecided))

    def on_undo(self, event: gr.EventData) -> dict:
        """Take back the latest decision."""
        return self.session.undo(str(event.id))

    def on_failure(self) -> dict:
        """An error nobody foresaw; its traceback is in the terminal."""
        return {
            **self.session.begin(),
            "problem": "Something broke; look at the terminal. What was saved before is on the disk.",
        }


def launch(page: ReviewPage, port: int | None = None) -> str:
    """Serve `page` to this machine alone, on `port` or a free one; returns its address.

    Errors: OSError if the port is taken.
    """
    colours = "".join(f"--seen-{name}: {colour};" for name, colour in COLOURS.items())
    _, address, _ = page.demo.launch(
        server_name="127.0.0.1",
        server_port=port,
        theme=gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
        css=f":root {{ {colours} }}\n{_static('review.css')}",
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        quiet=True,
        prevent_thread_lock=True,
    )
    return address


def _static(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")
