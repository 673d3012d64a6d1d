"""What made a set of records: names, prompt, frame, and fingerprints of local weights."""

import hashlib
from dataclasses import replace
from pathlib import Path

from medreasoner.evaluation.options import Options
from medreasoner.evaluation.record import RunInfo
from medreasoner.evaluation.saved_answers import SavedAnswers
from medreasoner.manifest import EMBEDDED_FOLDER, EMBEDDED_NAME
from medreasoner.reasoners.base import Reasoner

FORMAT = 2  # of records; those of another format are not continued
HASH_DIGITS = 16
WEIGHT_FILES = (".json", ".jinja", ".safetensors")


def run_info(reasoner: Reasoner | SavedAnswers, segmenter: str, options: Options) -> RunInfo:
    """Of a run with the segmenter of that name. Saved answers keep what made them, but for the second
    stage."""
    if isinstance(reasoner, SavedAnswers):
        weights = reasoner.run.weights.split(" ")[0]
        run = replace(reasoner.run, answers=str(reasoner.folder))
    else:
        weights, prompt = fingerprint(reasoner.name), reasoner.prompt.sha256[:HASH_DIGITS]
        run = RunInfo(model=reasoner.name, prompt=prompt, think=options.think, writes=reasoner.frame.name)
    return replace(
        run,
        format=FORMAT,
        segmenter=segmenter,
        frame=(options.frame or reasoner.frame).name,
        prompts=options.prompts,
        weights=f"{weights} {fingerprint(segmenter)}".strip(),
    )


def fingerprint(name: str) -> str:
    """Sixteen hex digits that change when a file of a local model changes (name, size or time), "" for a
    model that is not a local folder. It keeps records of a model from being continued by its retrained
    successor in the same folder."""
    folder = EMBEDDED_FOLDER if name == EMBEDDED_NAME else Path(name)
    if not folder.is_dir():
        return ""
    files = sorted(path for path in folder.rglob("*") if path.suffix in WEIGHT_FILES)
    stats = [(str(path.relative_to(folder)), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return hashlib.sha256(repr(stats).encode()).hexdigest()[:HASH_DIGITS]
