"""Makes a component of the page from its files: `static/NAME/NAME.html` for the markup, then scripts that
show each new value."""

from pathlib import Path

import gradio as gr

from medreasoner.output.colours import COLOURS

STATIC = Path(__file__).parent / "static"
FOLLOW = "shared/follow.js"
# component -> its scripts in the order they run; all of one component share one scope
SCRIPTS = {
    "header": (),
    "viewer": (
        FOLLOW,
        "viewer/viewer.js",
        "viewer/files.js",
        "viewer/zoom.js",
        "viewer/windowing.js",
        "viewer/planes.js",
    ),
    "layers": (
        FOLLOW,
        "layers/layers.js",
        "layers/edit.js",
        "layers/box_tools.js",
        "layers/ruler.js",
        "layers/keys.js",
    ),
    "volume": ("volume/volume.js", "volume/pictures.js"),
    "examples": ("examples/examples.js",),
    "status": (FOLLOW, "status/status.js", "status/visit.js"),
    "answer": (FOLLOW, "shared/answer_block.js", "answer/answer.js"),
    "confidence": (FOLLOW, "confidence/confidence.js"),
    "comparison": (FOLLOW, "shared/answer_block.js", "comparison/comparison.js"),
    "history": (FOLLOW, "history/history.js"),
    "worth": (FOLLOW, "worth/worth.js"),
    "downloads": (FOLLOW, "downloads/downloads.js", "downloads/link.js"),
}


def component(name: str, value: object = None, **options: object) -> gr.HTML:
    """The component `name`, one of `SCRIPTS`; its element has the id `name`. `options` are those of
    `gr.HTML`."""
    return gr.HTML(
        value,
        html_template=_text(f"{name}/{name}.html"),
        js_on_load="\n".join(map(_text, SCRIPTS[name])) or None,
        elem_id=name,
        apply_default_css=False,
        **options,
    )


def style_sheet() -> str:
    """The CSS of the whole page, with the overlay's colours as variables `--overlay-NAME`."""
    colours = "".join(f"--overlay-{name}: {colour};" for name, colour in COLOURS.items())
    own = [f"{name}/{name}.css" for name in SCRIPTS if (STATIC / name / f"{name}.css").exists()]
    shared = ["shared/base.css", "shared/layout.css", "shared/choices.css", "shared/answer_block.css"]
    return f":root {{ {colours} }}\n" + "\n".join(map(_text, [*shared, *own, "shared/phone.css"]))


def _text(path: str) -> str:
    return (STATIC / path).read_text(encoding="utf-8")
