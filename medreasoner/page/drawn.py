"""Components of our own: HTML, script and style from the files beside this one.

Is: `page/NAME.html` once, then its scripts, which put each new value on the page. Is not: any state or wiring.
"""

from pathlib import Path

import gradio as gr

from medreasoner.output.overlay import COLOURS

STATIC = Path(__file__).parent / "static"
STYLES = ("shared/style.css", "viewer/viewer.css")


def drawn(name: str, value: object = None, scripts: tuple[str, ...] = (), **options: object) -> gr.HTML:
    """The component `name`. `scripts` run after follow.js, in one scope; without any it only stands there."""
    return gr.HTML(
        value,
        html_template=_text(f"{name}/{name}.html"),
        js_on_load="\n".join(
            _text(f"{script}.js") for script in ("shared/follow", *(f"{name}/{script}" for script in scripts))
        )
        if scripts
        else None,
        elem_id=name,
        apply_default_css=False,
        **options,
    )


def style() -> str:
    """The style sheet, with the project's colours as variables."""
    colours = "".join(f"--seen-{name}: {colour};" for name, colour in COLOURS.items())
    return f":root {{ {colours} }}\n" + "\n".join(_text(name) for name in STYLES)


def _text(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")
