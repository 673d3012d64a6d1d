"""Draws the reward curves of training runs, from their records.

    python -m train.curves runs/grpo_mask runs/grpo_soft --out docs/rewards.png

One panel per reward term and one for their sum, a smoothed line per run with the logged values faintly behind
it. The sums of different reward sets cannot be compared; `train/compare.py` measures what a run is worth.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

# Okabe and Ito: told apart by everyone
COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
    "#F0E442",
)
SMOOTH = 15  # steps of the moving mean
MEAN = "/mean"


def curves(run: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Steps and values of the reward and its terms, by name. Errors: ValueError for a folder without a
    reward curve."""
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    found: dict[str, list[tuple[int, float]]] = {}
    for line in record["curve"]:
        for key, value in line.items():
            if key == "reward" or (key.startswith("rewards/") and key.endswith(MEAN)):
                found.setdefault(key.removeprefix("rewards/").removesuffix(MEAN), []).append(
                    (line["step"], value)
                )
    if "reward" not in found:
        raise ValueError(f"{run}/run.json holds no reward; expected the folder of a GRPO run")
    return {name: tuple(map(np.array, zip(*pairs, strict=True))) for name, pairs in found.items()}


def smoothed(values: np.ndarray) -> np.ndarray:
    """Mean over the last SMOOTH values, fewer at the beginning."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(0, ends - SMOOTH)
    return (sums[ends] - sums[starts]) / (ends - starts)


def draw(runs: list[Path], out: Path) -> Path:
    """Write the picture (its ending says in which format); returns its path."""
    drawn = {run.name: curves(run) for run in runs}
    names = ["reward", *sorted({name for each in drawn.values() for name in each} - {"reward"})]
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(3.4 * columns, 2.4 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel, name in zip(panels, names, strict=False):
        for colour, (label, each) in zip(COLOURS * len(drawn), drawn.items(), strict=False):
            if name in each:
                steps, values = each[name]
                panel.plot(steps, values, color=colour, alpha=0.2, linewidth=0.8)
                panel.plot(steps, smoothed(values), color=colour, label=label)
        panel.set_title("whole reward" if name == "reward" else name.replace("_", " "), fontsize=9)
        panel.tick_params(labelsize=7)
        panel.spines[["top", "right"]].set_visible(False)
    for panel in panels[len(names) :]:
        panel.set_axis_off()
    lines = panels[0].get_lines()[1::2]  # behind each smoothed line lies the one that was logged
    figure.legend(
        lines, drawn, loc="outside upper center", ncols=min(4, len(drawn)), fontsize=8, frameon=False
    )
    figure.supxlabel("optimiser step", fontsize=8)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=120)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    print(draw(args.runs, args.out))


if __name__ == "__main__":
    main()
