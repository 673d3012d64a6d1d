"""What the runs of a report were made with and on what data, and what they took."""

from collections.abc import Sequence

from medreasoner.evaluation.report.parts import NOWHERE, Part, Table, number, plain
from medreasoner.evaluation.report.runs import Run, mixed

DIGITS = 16  # of a digest


def different_data(runs: Sequence[Run]) -> Part | None:
    """A warning where the runs were scored on different data."""
    if not mixed(runs):
        return None
    words = [
        "These runs were not scored on the same samples. Their rows stand side by side and must not be "
        "compared; no differences between them are computed. The digest is of questions, images and truths: "
        "where it is the same, so are they."
    ]
    rows = [[run.name, run.set, str(run.summary.n), run.summary.data_sha256[:DIGITS]] for run in runs]
    return Part("Different data", words, Table(["", "Set", "Samples", "Digest"], rows))


def cost(runs: Sequence[Run]) -> Part:
    """Time and tokens."""
    rows = []
    for run in runs:
        spent = run.summary.cost
        tokens = f"{spent.tokens_in:,} in, {spent.tokens_out:,} out" if spent.counted else NOWHERE
        first_token = run.summary.median_timings_s.get("first_token")
        rates = [spent.samples_per_s, spent.seconds_per_answer, first_token, spent.tokens_per_s]
        rows.append([run.name, *map(number, rates), tokens])
    header = ["", "Samples / s", "Answer, s", "First token, s", "Tokens / s", "Tokens"]
    words = [
        "On the machine of the run, controls left out. Samples per second are of the whole run: encoding, "
        "answers, masks and scores. The other times are medians; first token and tokens per second are "
        "known only where answers were streamed one by one. Nothing is known where a run only scored "
        "another run's answers."
    ]
    return Part("Speed", words, Table(header, rows))


def made_with(runs: Sequence[Run]) -> Part:
    """Data, models, prompt and weights of each run."""
    facts = {
        "Set": [run.summary.set for run in runs],
        "Read from": [run.summary.data for run in runs],
        "Digest of the data": [run.summary.data_sha256[:DIGITS] for run in runs],
        "Samples": [run.summary.n for run in runs],
        "Model": [run.summary.run.model for run in runs],
        "Segmenter": [run.summary.run.segmenter for run in runs],
        "It sees": [run.summary.run.prompts for run in runs],
        "Frame": [run.summary.run.frame for run in runs],
        "Reasoning": [run.summary.run.think for run in runs],
        "Prompt": [run.summary.run.prompt for run in runs],
        "Weights": [run.summary.run.weights for run in runs],
    }
    rows = [[title, *map(plain, values)] for title, values in facts.items()]
    return Part("How it was made", [], Table(["", *(run.name for run in runs)], rows))
