"""The output format read while it streams: reasoning to show at once, the answer the moment its block closes.

Whole texts: `answer.parse`.
"""

from dataclasses import dataclass, field, replace

from medreasoner.answer import Parsed, parse
from medreasoner.answer_blocks import ANSWER, TAGS, Blocks, find_blocks, visible_reasoning

MAX_TEXT = 50_000  # characters that are read; a model that writes more without an answer will give none


@dataclass
class StreamParser:
    """Reads a text as it arrives. `feed` returns the new reasoning text; `parsed` is set the moment the
    answer's block closes.

    What is shown and parsed is the same however the pieces are cut: `text` ends with the answer block that
    counts, and what comes after is not taken in, nor what comes after MAX_TEXT characters. Of the reasoning
    everything is shown but tags and answer blocks in it, and no part of a tag ever is.
    """

    text: str = ""
    parsed: Parsed | None = None
    _shown: int = field(default=0, repr=False)

    def feed(self, piece: str) -> str:
        """Take the next piece of output; return what of the reasoning can be shown now and was not shown
        before.
        """
        if self.parsed is not None:
            return ""
        self.text = (self.text + piece)[:MAX_TEXT]
        read = find_blocks(self.text)
        if read.closed and read.cut is not None:
            self.text = self.text[: read.cut]
            self.parsed = parse(self.text)
        elif len(self.text) == MAX_TEXT:
            self.parsed = _endless(parse(self.text))
        return self._new_thinking(read)

    def finish(self) -> Parsed:
        """The output has ended: the parse of `text`."""
        if self.parsed is None:
            self.parsed = parse(self.text)
        return self.parsed

    def _new_thinking(self, read: Blocks) -> str:
        if read.reasoning is None:
            return ""
        inside = self.text[slice(*read.reasoning)]
        if not read.closed:
            inside = _settled(inside)
        visible = visible_reasoning(inside)
        new, self._shown = visible[self._shown :], max(self._shown, len(visible))
        return new


def _endless(parsed: Parsed) -> Parsed:
    """What a text of MAX_TEXT characters comes to, with a sentence about its length where that is nothing."""
    if parsed.reason is None:
        return parsed
    return replace(parsed, detail=f"The model wrote {MAX_TEXT:,} characters and gave no answer in them.")


def _settled(reasoning: str) -> str:
    """The part of an open reasoning that further text cannot change: without an answer block that has only
    begun, or a tag.
    """
    closed = reasoning.rfind(ANSWER[1])
    # the first opening that is not closed swallows those after it
    begun = reasoning.find(ANSWER[0], max(0, closed))
    if begun >= 0:
        return reasoning[:begun]
    return reasoning[: len(reasoning) - _begun(reasoning)]


def _begun(text: str) -> int:
    """How many characters at the end of `text` may be the beginning of a tag."""
    longest = min(max(map(len, TAGS)) - 1, len(text))
    return next((n for n in range(longest, 0, -1) if any(tag.startswith(text[-n:]) for tag in TAGS)), 0)
