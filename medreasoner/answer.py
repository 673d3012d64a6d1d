"""The output format, and nothing else knows it: prompts, rendering, parsing, parsing while it streams.

Is: `<think>…</think><answer>{"bbox": […], "points_1": […], "points_2": […]}</answer>` in both directions. Numbers stay in the model's own
frame here; `geometry.to_image` turns them into pixels.
Is not: a judge. Whether the box makes sense in an image is `geometry.repair`'s business.

Tags and keys are those of the published system (arXiv 2508.08177); its single-quoted dicts parse too.
"""

import json
import math
import re
from dataclasses import dataclass, field

KEYS = ("bbox", "points_1", "points_2")
THINK, ANSWER = ("<think>", "</think>"), ("<answer>", "</answer>")  # opening and closing tag
LENGTHS = {"bbox": 4, "points_1": 2, "points_2": 2}


@dataclass(frozen=True)
class Answer:
    """Numbers exactly as the model wrote them, in its own frame: `bbox` (4,), two `points` (2,), and the reasoning before them."""

    bbox: tuple[float, float, float, float]
    points: tuple[tuple[float, float], tuple[float, float]]
    think: str | None = None


@dataclass(frozen=True)
class Absence:
    """The answer that names no place: the target is not in the image, or the message asks for none. All three keys are null."""

    think: str | None = None


@dataclass(frozen=True)
class Parsed:
    """What a text turned out to be: an `answer`, an absence (`absent` is True), or a failure with its `reason`; exactly one of the three.

    `reason` is one of "no answer block", "not closed", "not JSON", "missing key", "wrong shape",
    "not a number". `detail` is the sentence for a person; `met` names tolerated oddities: "single quotes", "code fence", "text around the
    object", "no think block", "several answer blocks", "text outside the blocks".
    """

    answer: Answer | None
    think: str | None
    reason: str | None = None
    detail: str | None = None
    met: tuple[str, ...] = ()
    absent: bool = False


def render(answer: Answer | Absence) -> str:
    """The text a model should write for `answer`; `parse` reads the same from it. Whole numbers are written without a decimal point."""
    if isinstance(answer, Absence):
        text = json.dumps(dict.fromkeys(KEYS))
    else:
        values = (answer.bbox, *answer.points)
        text = json.dumps({key: [_plain(v) for v in row] for key, row in zip(KEYS, values, strict=True)})
    head = "" if answer.think is None else f"<think>{answer.think}</think>"
    return f"{head}<answer>{text}</answer>"


def _plain(value: float) -> float | int:
    return int(value) if float(value).is_integer() else float(value)


EXAMPLE = render(
    Answer((120, 80, 310, 260), ((200, 150), (240, 200)), think="what you see, and why it is this place")
)

TAGS = (*THINK, *ANSWER)
_TAG = re.compile("|".join(TAGS))
_FENCE = re.compile(r"^\s*```[a-zA-Z]*\s*|\s*```\s*$")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_LIST = re.compile(rf"""["'](?P<key>{"|".join(KEYS)})["']\s*:\s*\[(?P<numbers>[^\[\]]*)\]""")
MAX_BODY = 4000  # characters of an answer that are looked at; a true one has about 90


def parse(text: str) -> Parsed:
    """Read a whole model output. Never raises; a failure is a value with its reason."""
    thoughts, unthought = _split(text, "think")
    think = thoughts[0].strip() if thoughts else None
    blocks, _ = _split(text, "answer")
    met = [] if thoughts else ["no think block"]
    if not blocks:
        if "<answer>" in text:
            return Parsed(
                None, think, "not closed", "The model began an answer but never closed it.", tuple(met)
            )
        return Parsed(
            None, think, "no answer block", "The model stopped without giving an answer block.", tuple(met)
        )
    if len(blocks) > 1:
        met.append("several answer blocks")
    if _split(unthought, "answer")[1].strip():
        met.append("text outside the blocks")
    return _parse_body(blocks[0], think, met)


def _split(text: str, tag: str) -> tuple[list[str], str]:
    """The insides of all `<tag>…</tag>` blocks, and the text without the blocks. One pass, where a regular expression would be quadratic in
    a model that repeats an opening tag for ever."""
    insides, between, at = [], [], 0
    opening, closing = f"<{tag}>", f"</{tag}>"
    while (start := text.find(opening, at)) >= 0 and (end := text.find(closing, start)) >= 0:
        insides.append(text[start + len(opening) : end])
        between.append(text[at:start])
        at = end + len(closing)
    return insides, "".join(between) + text[at:]


def _parse_body(body: str, think: str | None, met: list[str]) -> Parsed:
    def failed(reason: str, detail: str) -> Parsed:
        return Parsed(None, think, reason, detail, tuple(met))

    if len(body) > MAX_BODY:
        return failed(
            "not JSON", f"The answer is {len(body)} characters long; a box and two points need about 90."
        )
    bare = _FENCE.sub("", _FENCE.sub("", body))
    if bare.strip() != body.strip():
        met.append("code fence")
    found = re.search(r"\{.*?\}", bare, re.DOTALL)  # the object is flat: it ends at its first closing brace
    if found is None:
        return failed("not JSON", f"The answer holds no object: {body.strip()[:80]!r}.")
    if found.group() != bare.strip():
        met.append("text around the object")
    literal = found.group()
    if "'" in literal:
        met.append("single quotes")
        literal = literal.replace("'", '"')
    try:
        fields = json.loads(literal)
    except (ValueError, RecursionError) as error:
        return failed("not JSON", f"The answer is not valid JSON ({error}).")
    missing = [key for key in KEYS if key not in fields]
    if missing:
        return failed("missing key", f"The answer lacks {', '.join(missing)}.")
    if all(fields[key] is None for key in KEYS):
        return Parsed(None, think, met=tuple(met), absent=True)
    for key in KEYS:
        values = fields[key]
        if not isinstance(values, list) or len(values) != LENGTHS[key]:
            return failed("wrong shape", f"{key} must be {LENGTHS[key]} numbers, got {str(values)[:60]}.")
        if not all(_is_number(v) for v in values):
            return failed("not a number", f"{key} must hold finite numbers, got {str(values)[:60]}.")
    bbox, first, second = (tuple(float(v) for v in fields[key]) for key in KEYS)
    return Parsed(Answer(bbox, (first, second), think), think, met=tuple(met))


def coordinate_spans(text: str) -> tuple[tuple[int, int], ...]:
    """Where in `text` the eight numbers stand that `parse` reads from it: (start, end) in characters, the box first, then the points.
    () where they cannot be told, or are not eight."""
    start = text.find(TAGS[2])
    end = text.find("}", start)  # the object is flat
    lists = (
        {found["key"]: found.span("numbers") for found in _LIST.finditer(text, start, end)}
        if 0 <= start < end
        else {}
    )
    spans = [number.span() for key in KEYS if key in lists for number in _NUMBER.finditer(text, *lists[key])]
    return tuple(spans) if len(spans) == sum(LENGTHS.values()) else ()


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return -1e9 < value < 1e9 and math.isfinite(value)


class Closing(str):
    """The piece of a stream that closes an answer, from a reasoner that can tell how probable the numbers in it were: a string with
    `coordinate_probability`, 0..1, see `events.Done`."""

    coordinate_probability: float | None

    def __new__(cls, text: str, coordinate_probability: float | None) -> "Closing":
        piece = super().__new__(cls, text)
        piece.coordinate_probability = coordinate_probability
        return piece


@dataclass
class StreamParser:
    """Reads a text as it arrives. `feed` returns the new reasoning text; `parsed` is set the moment the answer's block closes.

    What is shown and parsed is the same however the pieces are cut: `text` ends with the first answer block that closes, and what comes
    after is not taken in; the reasoning ends at the next tag of any kind, and no part of a tag is ever shown.
    """

    text: str = ""
    parsed: Parsed | None = None
    _shown: int = field(default=0, repr=False)

    def feed(self, piece: str) -> str:
        """Take the next piece of output; return what of the reasoning can be shown now and was not shown before."""
        if self.parsed is not None:
            return ""
        self.text += piece
        start = self.text.find("<answer>")
        end = self.text.find("</answer>", start) if start >= 0 else -1
        if end >= 0:
            self.text = self.text[: end + len("</answer>")]
            self.parsed = parse(self.text)
        return self._new_thinking()

    def finish(self) -> Parsed:
        """The output has ended: the parse of `text`."""
        if self.parsed is None:
            self.parsed = parse(self.text)
        return self.parsed

    def _new_thinking(self) -> str:
        start = self.text.find("<think>")
        if start < 0:
            return ""
        begin = max(start + len("<think>"), self._shown)
        tag = _TAG.search(self.text, begin)
        end = tag.start() if tag else len(self.text) - _begun(self.text[begin:])
        self._shown = end
        return self.text[begin:end]


def _begun(text: str) -> int:
    """How many characters at the end of `text` may be the beginning of a tag."""
    longest = min(max(map(len, TAGS)) - 1, len(text))
    return next((n for n in range(longest, 0, -1) if any(tag.startswith(text[-n:]) for tag in TAGS)), 0)
