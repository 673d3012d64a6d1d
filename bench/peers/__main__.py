"""Measures the rows that are named, or all, and prints a Markdown table; with `--write` its rows replace
those of docs/experiments/speed.md.

    python -m bench.peers [first-word encode …] [--rounds 5] [--write]
"""

import argparse
import os
import re
from functools import partial
from pathlib import Path

import torch

from bench.machine import libraries, processor
from bench.peers.answers import click_to_mask, encode, encode_for_both, first_word, tokens
from bench.peers.evaluation import three_segmenters
from bench.peers.pairs import Measured, Row, measure
from bench.peers.training import grpo_step, mask_group

PAGE = Path(__file__).parents[2] / "docs" / "experiments" / "speed.md"
HEAD = (
    "| row | work | the other way | ours, s | other, s | ratio | of processor time | must | goal |\n"
    "|---|---|---|--:|--:|--:|--:|--:|--:|"
)
THEIRS = "`generate` to its end, then `SAM2ImagePredictor.set_image` and `predict`"
ROWS = {
    "click-to-mask": Row("click to mask, embedded weights, 1024 x 768", THEIRS, click_to_mask, 0.8, 0.6),
    "first-word": Row("first word, image open", "`generate` to its end", first_word, 0.25, 0.1),
    "encode": Row("encode, hiera-tiny, 512 px", "`SAM2ImagePredictor.set_image`", encode, 0.8, 0.6),
    "encode-for-both": Row(
        "the same and the reasoner's image tokens",
        "`SAM2ImagePredictor.set_image`",
        encode_for_both,
        0.8,
        0.6,
    ),
    "tokens": Row("one answer, image encoded", "plain `generate` of as many tokens", tokens, 0.67, 0.33),
    "mask-group": Row("masks of a group of 16", "transformers' `Sam2Model`, 16 times", mask_group, 0.3, 0.2),
    "three-segmenters": Row(
        "one set of answers, three segmenters, five masks",
        "encoded for each mask",
        three_segmenters,
        0.5,
        0.33,
    ),
    "grpo-step": Row("GRPO step, tiny Qwen2.5-VL", "TRL's example set up alike", grpo_step, 1.05, 0.9),
    "grpo-step-paper": Row(
        "the same with the published rewards, which draw no masks",
        "TRL's example set up alike",
        partial(grpo_step, "paper-soft"),
        1.05,
        0.9,
    ),
}


def line(name: str, row: Row, found: Measured) -> str:
    """One row of the table."""
    numbers = f"{found.ours:.3g} | {found.other:.3g} | {found.ratio:.3f} | {found.ratio_of_processor:.3f}"
    return f"| `{name}` | {row.work} | {row.other} | {numbers} | {row.must} | {row.goal} |"


def replaced(page: str, name: str, row: str) -> str:
    """`page` with `row` in the place of the row of that name, or below the table's last one."""
    old = re.compile(rf"^\| `{re.escape(name)}` \|.*$", re.M)
    if old.search(page):
        return old.sub(lambda _: row, page)
    last = max(page.rfind(f"\n| `{other}` |") for other in ROWS)
    at = page.index("\n", last + 1) if last >= 0 else page.index(HEAD) + len(HEAD)
    return f"{page[:at]}\n{row}{page[at:]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--rounds", type=int, default=5, help="pairs of each row")
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.name}")
    args = parser.parse_args()
    if unknown := set(args.rows) - set(ROWS):
        parser.error(f"no row {', '.join(unknown)}; there are {', '.join(ROWS)}")
    busy = f"load {os.getloadavg()[0]:.1f} at the start"
    print(f"{processor()}, {torch.get_num_threads()} threads, {busy}; {libraries()}\n\n{HEAD}", flush=True)
    for name in args.rows or ROWS:
        written = line(name, ROWS[name], measure(ROWS[name].make(), args.rounds))
        print(written, flush=True)
        if args.write:
            page = PAGE.read_text(encoding="utf-8")
            PAGE.write_text(replaced(page, name, written), encoding="utf-8")


if __name__ == "__main__":
    main()
