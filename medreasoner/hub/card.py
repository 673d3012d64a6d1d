"""A model's card: what `evaluate` (summary.json) and training (run.json) wrote, laid out by a template in
`templates/`. What is not known is said to be unknown. `publish.py` sends it.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from medreasoner.evaluation.summary import Summary
from medreasoner.events import NOTICE
from medreasoner.geometry import Frame
from medreasoner.hub import card_tables
from medreasoner.hub.metadata import CardFields, front_matter
from medreasoner.hub.repository import MARKER
from medreasoner.json_files import read_json
from medreasoner.manifest import Manifest, adapter_base
from medreasoner.reasoners.families import ANY_OTHER, FAMILIES
from medreasoner.segmenters.base import MEDSAM2

LONG = 200  # a recorded value of more letters is left to run.json


def model_card(
    folder: Path, repo_id: str, manifest: Manifest, summary: Summary | None, given: CardFields
) -> str:
    """The README.md of the model in `folder`; `manifest` is the one to be published. Errors: ValueError for
    files that are no JSON."""
    based = adapter_base(folder)
    config = read_json(folder / "config.json") if based is None else {}
    run = read_json(folder / "run.json") if (folder / "run.json").exists() else {}
    base = given.base or (based[0] if based and is_hub_id(based[0]) else None)
    frame = manifest.frame or (
        FAMILIES.get(config["model_type"], ANY_OTHER).frame if "model_type" in config else None
    )
    return render(
        "model.md.jinja",
        metadata=front_matter(
            repo_id, replace(given, base=base), based is not None, summary, carbon(run), run.get("hardware")
        ),
        repo_id=repo_id,
        base=base,
        adapter=based is not None,
        architecture=", ".join(config.get("architectures") or [config.get("model_type", "that of its base")]),
        frame=in_words(frame),
        prompt_sha256=manifest.prompt_sha256,
        segmenter=_segmenter_in_words(manifest.segmenter),
        run=_recorded(run),
        sources=run.get("sources"),
        spent=spent(run),
        result=None if summary is None else result(summary),
        dataset=given.dataset,
        licence=given.licence,
    )


def render(template: str, **values: object) -> str:
    """A template of `cards/` filled in; a value that is missing is an error, not a hole."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder = Path(__file__).parent / "templates"
    environment = Environment(
        loader=FileSystemLoader(folder), undefined=StrictUndefined, keep_trailing_newline=True
    )
    text = environment.get_template(template).render(marker=MARKER, notice=NOTICE, **values)
    return re.sub(r"\n{3,}", "\n\n", text)


def is_hub_id(text: str) -> bool:
    """Whether `text` looks like owner/name on the Hub and is no folder here."""
    owner, _, name = text.partition("/")
    return bool(owner and name) and "/" not in name and not owner.startswith(".") and not Path(text).exists()


def in_words(frame: Frame | None) -> str:
    """How a model writes coordinates, for a sentence."""
    if frame is None:
        return "as its base model does"
    if frame.limit is None:
        return "in pixels of the image as the model sees it, after resizing"
    order = ", y before x" if frame.axes == "yx" else ""
    return f"as whole numbers from 0 to {frame.limit:g}, the far edge of the image{order}"


def carbon(run: dict) -> tuple[float, str] | None:
    """(kilograms of CO2 equivalent, what measured them): `co2_kg` and `co2_source` of a training record, None
    where nothing was measured.

    Errors: ValueError for a number that does not say where it comes from.
    """
    kilograms, source = run.get("co2_kg"), run.get("co2_source")
    if kilograms is None:
        return None
    if type(kilograms) not in (int, float) or not isinstance(source, str) or not source:
        expected = "run.json must give a number as co2_kg and what measured it as co2_source"
        raise ValueError(f"{expected}, got {kilograms!r} and {source!r}; complete it, or take both out")
    return kilograms, source


def spent(run: dict) -> str:
    """Hardware, time and carbon of a training record, in words."""
    took = f", about {run['minutes']:g} minutes" if "minutes" in run else ""
    measured = carbon(run)
    said = f"{measured[0]:g} kg CO2eq ({measured[1]})" if measured else "not measured"
    return f"Hardware: {run.get('hardware', 'not recorded')}{took}. Carbon: {said}."


def result(summary: Summary) -> dict:
    """What the template shows of an evaluation."""
    box_iou = summary.overall.get("box_iou")
    return {
        "n": summary.n,
        "cases": box_iou and box_iou.clusters,
        "segmenter": summary.run.segmenter,
        "command": summary.command or "python -m medreasoner evaluate",
        "table": card_tables.results(summary, "**this model**"),
        "modalities": card_tables.modalities(summary),
        "answers": card_tables.answers(summary),
    }


def _recorded(run: dict) -> list[tuple[str, object]]:
    """The short facts of a training record, its options among them."""
    facts = {
        **run.get("options", {}),
        **{key: value for key, value in run.items() if key not in ("options", "curve", "sources", "legs")},
    }
    return [
        (name, _cell(value)) for name, value in facts.items() if value is not None and len(str(value)) <= LONG
    ]


def _cell(value: object) -> str:
    text = (
        ", ".join(map(str, value))
        if isinstance(value, Sequence) and not isinstance(value, str)
        else str(value)
    )
    return text.replace("|", "\\|").replace("\n", " ")


def _segmenter_in_words(segmenter: str | None) -> str:
    if segmenter is None:
        return f"none of its own; {MEDSAM2} is taken from the Hub"
    return (
        f"[{segmenter}](https://huggingface.co/{segmenter}), taken from there"
        if "/" in segmenter
        else f"in the folder `{segmenter}`"
    )
