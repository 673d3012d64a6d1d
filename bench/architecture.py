"""Draws docs/architecture.svg: how data gets from a request to the screen, with one real run in it.

    python -m bench.architecture [--example 1] [--out docs/architecture.svg]

Run it again when a file that it names moves (tests/test_docs.py notices), and look at the result.
"""

import argparse
import json
import textwrap
from collections.abc import Iterable
from html import escape
from pathlib import Path

from PIL import Image

from medreasoner import MedReasoner
from medreasoner.events import Done
from medreasoner.output.colours import COLOURS
from medreasoner.output.contours import contours
from medreasoner.output.data_url import image_data_url

EXAMPLES = Path("medreasoner/examples")
WIDTH, HEIGHT = 1240, 700
COLUMNS = (24, 276, 520, 764, 1008)  # left edges of the cards
CARD, GAP = 208, 36  # width of a card, and of the space between two
TOP, EVENTS, SCREEN = 76, 296, 560  # upper edges of the three rows
PAPER, WHITE, INK, GREY, LINE, ACCENT = "#F4F2ED", "#FFFFFF", "#1C1F23", "#5C636B", "#B9B4A8", "#1F5446"
STYLE = f"""
text {{ font: 13px system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif; fill: {INK} }}
.title {{ font-size: 16px; font-weight: 600 }} .note {{ fill: {GREY} }} .flow {{ fill: {ACCENT} }}
.path {{ font: 12px ui-monospace, Menlo, 'DejaVu Sans Mono', monospace; fill: {ACCENT} }}
.quote {{ font: 12.5px Georgia, 'DejaVu Serif', serif }}
.card {{ fill: {WHITE}; stroke: {LINE} }} .event {{ fill: {WHITE}; stroke: {ACCENT} }}
.arrow {{ fill: none; stroke: {ACCENT}; stroke-width: 2; marker-end: url(#tip) }}
.frame {{ fill: none; stroke: {LINE}; stroke-dasharray: 5 4 }}
"""

Area = tuple[float, float, float, float]  # x, y, width, height in units of the figure


def label(x: float, y: float, text: str, kind: str = "note", anchor: str = "start") -> str:
    return f'<text x="{x}" y="{y}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'


def lines(x: float, y: float, texts: Iterable[str], kind: str = "note") -> str:
    return "".join(label(x, y + 17 * n, text, kind) for n, text in enumerate(texts))


def box(area: Area, kind: str) -> str:
    x, y, width, height = area
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="8" class="{kind}"/>'


def card(area: Area, title: str, path: str, notes: Iterable[str]) -> str:
    x, y = area[0] + 14, area[1]
    heads = label(x, y + 26, title, "title") + label(x, y + 45, path, "path")
    return box(area, "card") + heads + lines(x, y + 68, notes)


def arrow(path: str) -> str:
    return f'<path d="{path}" class="arrow"/>'


def picture(area: Area, image: Image.Image, drawn: str = "") -> str:
    """`image` cut to fill `area`, with `drawn` over it, which is in pixels of the image."""
    x, y, width, height = area
    url = image_data_url(image, "JPEG", longest=400, quality=82)
    return (
        f'<svg x="{x}" y="{y}" width="{width}" height="{height}" preserveAspectRatio="xMidYMid slice" '
        f'viewBox="0 0 {image.width} {image.height}">'
        f'<image width="{image.width}" height="{image.height}" href="{url}"/>{drawn}</svg>'
    )


def box_and_points(done: Done) -> str:
    """Box and numbered points in pixels of the image."""
    unit = max(done.image_wh) / 180  # about one unit of the figure
    x1, y1, x2, y2 = done.grounding.box
    size = f'x="{x1}" y="{y1}" width="{x2 - x1}" height="{y2 - y1}"'
    parts = [f'<rect {size} fill="none" stroke="{COLOURS["box"]}" stroke-width="{2 * unit}"/>']
    for number, (x, y) in enumerate(done.grounding.points, 1):
        parts.append(f'<circle cx="{x}" cy="{y}" r="{6 * unit}" fill="{COLOURS["points"]}"/>')
        digit = f'x="{x}" y="{y + 3 * unit}" text-anchor="middle" style="font-size:{9 * unit}px"'
        parts.append(f"<text {digit}>{number}</text>")
    return "".join(parts)


def mask_outline(done: Done) -> str:
    """The mask's outline with a thin fill, in pixels of the image."""
    unit = max(done.image_wh) / 180
    rings = [" L".join(f"{x:.0f} {y:.0f}" for x, y in ring[::3]) for ring in contours(done.mask)]
    path = "".join(f"M{ring}Z" for ring in rings)
    colour = COLOURS["mask"]
    return f'<path d="{path}" fill="{colour}55" stroke="{colour}" stroke-width="{2 * unit}"/>'


def request(image: Image.Image, question: str, credit: str) -> str:
    """The first column: what is given. `credit` is the image's source and licence."""
    x = COLUMNS[0]
    notes = ("PNG to DICOM and NIfTI,", "as RGB of 8 bits a channel")
    return (
        card((x, TOP, CARD, 420), "Request", "imaging/read.py", notes)
        + picture((x + 14, TOP + 106, CARD - 28, 180), image)
        + lines(x + 14, TOP + 312, textwrap.wrap(f"“{question}”", 27), "quote")
        + lines(x + 14, TOP + 384, textwrap.wrap(credit, 26))
    )


def models() -> str:
    """The row in which the run happens: reasoner, answer, segmenter."""
    reasoner, answer, segmenter, beside = COLUMNS[1:]
    middle, start = TOP + 62, COLUMNS[0] + CARD // 2
    into = segmenter + CARD // 2
    reads = ("a vision-language model", "writes its reasoning and an", "answer, token by token")
    parses = ("read as it is written; its", "numbers become pixels of", "the original image")
    draws = ("box and two points", "become a mask; the image", "was encoded meanwhile")
    gives = ("ground() gives the run", "as a stream of events", "to all who ask")
    return (
        box((reasoner - 18, TOP - 20, beside - reasoner, 182), "frame")
        + label(beside, TOP + 8, "pipeline.py", "path")
        + lines(beside, TOP + 34, gives)
        + card((reasoner, TOP, CARD, 142), "Reasoner", "reasoners/", reads)
        + card((answer, TOP, CARD, 142), "Answer", "answer.py · geometry.py", parses)
        + card((segmenter, TOP, CARD, 142), "Segmenter", "segmenters/", draws)
        + arrow(f"M{COLUMNS[0] + CARD} {middle} H{reasoner - 3}")
        + arrow(f"M{reasoner + CARD} {middle} H{answer - 3}")
        + arrow(f"M{answer + CARD} {middle} H{segmenter - 3}")
        + arrow(
            f"M{start} {TOP} V38 Q{start} 28 {start + 10} 28 H{into - 10} Q{into} 28 {into} 38 V{TOP - 3}"
        )
        + label(answer + CARD // 2, 20, "the same image, encoded while the reasoner thinks", "flow", "middle")
    )


def events(image: Image.Image, done: Done) -> str:
    """The row of events, each with what it held in this run."""
    thinking, located, segmented, last = COLUMNS[1:]
    parts = [label(thinking - 18, EVENTS - 16, "events.py", "path")]
    for x, title in zip(COLUMNS[1:], ("Thinking", "Located", "Segmented", "Done"), strict=True):
        middle = x + CARD // 2
        parts += [box((x, EVENTS, CARD, 200), "event"), label(x + 14, EVENTS + 26, title, "title")]
        parts.append(arrow(f"M{middle} {EVENTS + 200} V{SCREEN - 3}"))
        if x != last:
            parts.append(arrow(f"M{middle} {TOP + 142} V{EVENTS - 3}"))
            parts.append(arrow(f"M{x + CARD} {EVENTS + 22} h{GAP - 3}"))
    words = textwrap.wrap(" ".join(done.think.split()), 29, max_lines=9, placeholder=" …")
    whole = ("the whole run again, which", "the blocking call returns")
    absent = ("Absent instead: the model", "says the target is not there")
    failed = ("Failed instead: a reason", "and a sentence")
    area = (EVENTS + 38, CARD - 28, 148)
    marks = box_and_points(done)
    return "".join(parts) + (
        lines(thinking + 14, EVENTS + 48, words, "quote")
        + picture((located + 14, *area), image, marks)
        + picture((segmented + 14, *area), image, mask_outline(done) + marks)
        + lines(last + 14, EVENTS + 48, (*whole, "", *absent, "", *failed))
    )


def screens() -> str:
    """The last row: who shows the events."""
    cards = (
        ("Page", "page/ · app.py", ("draws each event as it", "comes; serves programs too")),
        ("Command line", "commands/ground.py", ("streams the reasoning;", "writes JSON, mask, overlay")),
        ("Python", "model.py", ("MedReasoner.stream(…)", "and .ground(…)")),
        ("Evaluation", "evaluation/", ("scores the same events", "against the truth")),
    )
    rail = f"M{COLUMNS[1] + CARD // 2} {EVENTS + 232} H{COLUMNS[-1] + CARD // 2}"
    return (
        label(COLUMNS[0], SCREEN + 26, "Screen", "title")
        + lines(COLUMNS[0], SCREEN + 48, ("All four receive", "the same events."))
        + f'<path d="{rail}" stroke="{ACCENT}" stroke-width="2"/>'
        + "".join(card((x, SCREEN, CARD, 106), *texts) for x, texts in zip(COLUMNS[1:], cards, strict=True))
    )


def draw(image: Image.Image, question: str, credit: str, done: Done) -> str:
    """The whole figure as SVG; fonts are the reader's own."""
    title = "From a request to the screen: request, reasoner, answer, segmenter, events, and who shows them"
    tip = f'<path d="M0 0L8 4L0 8z" fill="{ACCENT}"/>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">'
        f"<title>{title}</title><style>{STYLE}</style><defs>"
        '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" orient="auto">'
        f'{tip}</marker></defs><rect width="{WIDTH}" height="{HEIGHT}" fill="{PAPER}"/>'
        f"{request(image, question, credit)}{models()}{events(image, done)}{screens()}</svg>\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--example", type=int, default=1, help="place in medreasoner/examples/examples.json, from 0"
    )
    parser.add_argument("--out", type=Path, default=Path("docs/architecture.svg"))
    args = parser.parse_args()
    example = json.loads((EXAMPLES / "examples.json").read_text(encoding="utf-8"))[args.example]
    image = Image.open(EXAMPLES / example["image"]).convert("RGB")
    done = MedReasoner.from_pretrained().ground(image, example["question"])
    credit = f"{example['source']}, {example['licence']}"
    args.out.write_text(draw(image, example["question"], credit, done), encoding="utf-8")
    print(args.out)


if __name__ == "__main__":
    main()
