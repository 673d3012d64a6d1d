"""What the Hub reads from a model's repository besides its weights: the card's front matter and the evaluation results.

Is: huggingface_hub's own card data, filled from a summary of `evaluate`. Is not: the card's text; that is `card.py`.
Format of `.eval_results`: huggingface.co/docs/hub/eval-results.
"""

MEASURES = {"box_iou": "Box IoU", "acc_50": "Acc@0.5", "mask_dice": "Mask Dice"}
TAGS = ["medical", "visual-grounding", "segmentation", "research-only", "medreasoner"]


def front_matter(
    repo_id: str,
    base: str | None,
    adapter: bool,
    licence: str | None,
    dataset: str | None,
    summary: dict | None,
    carbon: tuple[float, str] | None,
    hardware: str | None = None,
) -> str:
    """YAML without its fences. Results (`model-index`) are in it where both a summary and the data set's id are known.

    `carbon` is in kilograms of CO2 equivalent, with its source, see `card.carbon`.
    """
    from huggingface_hub import EvalResult, ModelCardData

    results = [
        EvalResult(
            task_type="image-segmentation",
            task_name="Medical reasoning grounding",
            dataset_type=dataset,
            dataset_name=dataset,
            metric_type=key,
            metric_name=name,
            metric_value=round(value, 4),
        )
        for key, name, value in measured(summary)
        if dataset
    ]
    data = ModelCardData(
        license=licence,
        library_name="peft" if adapter else "transformers",
        pipeline_tag="image-text-to-text",
        tags=TAGS,
        base_model=base,
        base_model_relation=("adapter" if adapter else "finetune") if base else None,
        datasets=[dataset] if dataset else None,
        model_name=repo_id.split("/")[-1],
        eval_results=results or None,
        co2_eq_emissions=_emissions(carbon, hardware),
    )
    return data.to_yaml().strip()


def eval_results(dataset: str, summary: dict) -> str:
    """The contents of a file in `.eval_results/`."""
    import yaml
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    how = f"n={summary['n']}, segmenter {summary['segmenter']}, {'with' if summary['think'] else 'without'} reasoning"
    if summary.get("command"):
        how += f"; {summary['command']}"
    entries = []
    for key, _, value in measured(summary):
        low, high = (summary["overall"][key][side] for side in ("low", "high"))
        notes = f"95 % interval {low:.4f} to {high:.4f}, {how}"
        entries.append(EvalResultEntry(dataset_id=dataset, task_id=key, value=round(value, 4), notes=notes))
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


def measured(summary: dict | None) -> list[tuple[str, str, float]]:
    """(key, name, mean) of what was measured."""
    overall = {} if summary is None else summary["overall"]
    return [(key, name, overall[key]["mean"]) for key, name in MEASURES.items() if overall.get(key)]
