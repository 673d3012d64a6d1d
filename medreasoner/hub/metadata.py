"""What the Hub reads from a model's repository besides its weights: the card's front matter and the
evaluation results. Format of `.eval_results`: huggingface.co/docs/hub/eval-results.
"""

from dataclasses import dataclass

from medreasoner.evaluation.columns import HUB, Column, columns
from medreasoner.evaluation.summary import Summary
from medreasoner.metrics import Interval

DIGITS = 4  # of a result
TAGS = ["medical", "visual-grounding", "segmentation", "research-only", "medreasoner"]


@dataclass(frozen=True)
class CardFields:
    """Card fields supplied by the user; None if omitted.

    Args:
        licence: of the weights, as the Hub spells it: "apache-2.0", "cc-by-sa-4.0".
        dataset: id on the Hub of the data set that was evaluated on.
        base: id on the Hub of the model it was trained from; an adapter says it itself.
    """

    licence: str | None = None
    dataset: str | None = None
    base: str | None = None


def front_matter(
    repo_id: str,
    given: CardFields,
    adapter: bool,
    summary: Summary | None,
    carbon: tuple[float, str] | None,
    hardware: str | None = None,
) -> str:
    """YAML without its fences. Results (`model-index`) are in it where both a summary and the data set's id
    are known.

    Args:
        adapter: the repository holds a PEFT adapter.
        carbon: kilograms of CO2 equivalent, and what measured them.
    """
    from huggingface_hub import EvalResult, ModelCardData

    results = [
        EvalResult(
            task_type="image-segmentation",
            task_name="Medical reasoning grounding",
            dataset_type=given.dataset,
            dataset_name=given.dataset,
            metric_type=column.key,
            metric_name=column.label,
            metric_value=round(interval.mean, DIGITS),
        )
        for column, interval in measured(summary)
        if given.dataset
    ]
    data = ModelCardData(
        license=given.licence,
        library_name="peft" if adapter else "transformers",
        pipeline_tag="image-text-to-text",
        tags=TAGS,
        base_model=given.base,
        base_model_relation=("adapter" if adapter else "finetune") if given.base else None,
        datasets=[given.dataset] if given.dataset else None,
        model_name=repo_id.split("/")[-1],
        eval_results=results or None,
        co2_eq_emissions=_emissions(carbon, hardware),
    )
    return data.to_yaml().strip()


def eval_results(dataset: str, summary: Summary) -> str:
    """The contents of a file in `.eval_results/`."""
    import yaml
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    how = f"n={summary.n}, segmenter {summary.run.segmenter}, "
    how += f"{'with' if summary.run.think else 'without'} reasoning"
    if summary.command:
        how += f"; {summary.command}"
    entries = []
    for column, interval in measured(summary):
        notes = f"95 % interval {interval.low:.4f} to {interval.high:.4f}, {how}"
        value = round(interval.mean, DIGITS)
        entries.append(EvalResultEntry(dataset_id=dataset, task_id=column.key, value=value, notes=notes))
    return yaml.safe_dump(eval_result_entries_to_yaml(entries), sort_keys=False)


def _emissions(carbon: tuple[float, str] | None, hardware: str | None) -> dict | None:
    """As the Hub wants it: in grams."""
    if carbon is None:
        return None
    kilograms, source = carbon
    return {
        "emissions": kilograms * 1000,
        "source": source,
        **({"hardware_used": hardware} if hardware else {}),
    }


def measured(summary: Summary | None) -> list[tuple[Column, Interval]]:
    """The columns that the Hub shows, where they were measured."""
    if summary is None:
        return []
    row = {**summary.overall, **(summary.presence or {})}
    return [(column, row[column.key]) for column in columns(shown=HUB) if row.get(column.key)]
