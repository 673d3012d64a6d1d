"""The card of a Space, which configures it too."""

from pathlib import Path

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from medreasoner.events import NOTICE
from medreasoner.hub.card import render
from medreasoner.hub.repository import MARKER
from space.content import Content
from space.requirements import PYTHON, pins


def card(content: Content) -> str:
    """README.md of the Space: the front matter that configures it, and what a visitor should know."""
    head = {
        "title": content.title,
        "emoji": "🩻",
        "colorFrom": "gray",
        "colorTo": "yellow",
        "sdk": "gradio",
        "sdk_version": pins()["gradio"],
        "python_version": PYTHON,
        "app_file": "app.py",
        "header": "mini",
        "fullWidth": True,
        "startup_duration_timeout": "1h",
        "short_description": "Reasons aloud, then shows box, points and mask",
        "models": content.models,
        "datasets": list(content.datasets),
        "tags": ["medical", "reasoning", "visual-grounding", "segmentation", "research-only"],
        "license": "apache-2.0",
        "preload_from_hub": [content.model] if content.preload else [],
    }
    head = {key: value for key, value in head.items() if value != []}
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, keep_trailing_newline=True
    )
    values = {
        "head": yaml.safe_dump(head, sort_keys=False, allow_unicode=True),
        "marker": MARKER,
        "notice": NOTICE,
        "content": content,
    }
    values["cite"] = render("cite.md.jinja")
    return templates.get_template("README.md.jinja").render(values)
