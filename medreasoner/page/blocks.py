"""The `gr.Blocks` of the page, mended where Gradio loses what a handler has said."""

import gradio as gr
from gradio.block_function import BlockFunction


class Blocks(gr.Blocks):
    """A `gr.Blocks` whose updates cannot erase each other in the browser.

    After a handler's first value Gradio sends only what has changed since, and its page makes the new value
    by changing the old one. Where the reply to a click is late, all values are there before the first is
    shown: a component that the last one leaves out then shows nothing at all, not the value before (Gradio
    6.31). So "no change" is sent as a new value here.
    """

    def handle_streaming_diffs(
        self,
        block_fn: BlockFunction,
        data: list,
        session_hash: str | None,
        run: str | None,
        final: bool,
        simple_format: bool = False,
    ) -> list:
        """What to send of a handler's next value; called by Gradio.

        Args:
            data: the value of each output. run: names the handler's run. final: `data` is the last, whole.
            simple_format: whole values are wanted.
        """
        runs = self.pending_diff_streams.get(session_hash, {})
        before, now = list(runs.get(run, ())), list(data)
        sent = super().handle_streaming_diffs(block_fn, data, session_hash, run, final, simple_format)
        if final or simple_format:
            return sent
        for index, (old, new) in enumerate(zip(before, now, strict=False)):
            if (_is_update(old) or _is_update(new)) and old != new:
                sent[index] = [["replace", [], new]]
        return sent


def _is_update(value: object) -> bool:
    """Whether `value` says what is to change of a component, which may be nothing; else it is its value."""
    return isinstance(value, dict) and "__type__" in value
