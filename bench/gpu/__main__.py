"""Runs the parts one after the other, and writes what each found as soon as it is there.

    python -m bench.gpu [--size 7b] [--device cuda] [--out runs/gpu]

A part that fails is recorded with its reason and the next one runs; one for which no time is left is recorded
as not run. Exits with 1 where a part failed.
"""

import argparse
import gc
import json
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import torch

from bench.gpu.answers import batch, embedded, one_answer
from bench.gpu.sizes import SIZES, Size
from bench.gpu.step import step
from bench.gpu.table import markdown
from bench.machine import libraries, processor

SECONDS = 420  # in which a part may still begin; `gpu.sh` ends the run after 480

PARTS: dict[str, Callable[[Size, str], dict]] = {
    "one streamed answer, SDPA": lambda size, device: one_answer(size, device, "sdpa"),
    "one streamed answer, eager": lambda size, device: one_answer(size, device, "eager"),
    "a batch": batch,
    "GRPO step, ours": lambda size, device: step(size, device, rewards="mask"),
    "GRPO step, TRL's example": lambda size, device: step(size, device, rewards=None),
    "the embedded pair": embedded,
}


def machine(device: str) -> dict[str, str]:
    """What the figures were measured on, and with."""
    gpu = "none" if device == "cpu" else torch.cuda.get_device_name()
    return {"GPU": gpu, "CPU": processor(), "with": libraries()}


def run(size: Size, device: str, parts: dict[str, Callable], report: Callable[[dict], None]) -> dict:
    """What each part found, its failure, or that no time was left; `report` gets all of it after each."""
    began, found = time.monotonic(), {}
    for name, part in parts.items():
        if time.monotonic() - began > SECONDS:
            found[name] = {"not run": f"{SECONDS} s had passed"}
        else:
            print(name, flush=True)
            try:
                found[name] = part(size, device)
            except (ArithmeticError, LookupError, OSError, RuntimeError, TypeError, ValueError) as error:
                traceback.print_exc()
                found[name] = {"failed": f"{type(error).__name__}: {error}"}
        gc.collect()
        report(found)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=SIZES, default="7b")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--out", type=Path, default=Path("runs/gpu"))
    args = parser.parse_args()
    if args.device != "cpu" and not torch.cuda.is_available():
        sys.exit("there is no GPU that torch can use; --size tiny --device cpu tries the parts on the CPU")
    args.out.mkdir(parents=True, exist_ok=True)
    about = {"machine": machine(args.device), "size": args.size, "device": args.device}

    def write(found: dict) -> None:
        everything = {**about, "parts": found}
        (args.out / "gpu.json").write_text(json.dumps(everything, indent=1) + "\n", encoding="utf-8")
        (args.out / "gpu.md").write_text(markdown(everything), encoding="utf-8")

    found = run(SIZES[args.size], args.device, PARTS, write)
    print((args.out / "gpu.md").read_text(encoding="utf-8"))
    sys.exit(any("failed" in part for part in found.values()))


if __name__ == "__main__":
    main()
