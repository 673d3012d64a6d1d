"""Hostile inputs for everything that reads what strangers send, for a given time; counts what came of them.

    python -m bench.fuzz --seconds 300              # all targets, which share the time
    python -m bench.fuzz --target dicom --seed 7    # one of them, with other inputs
    python -m bench.fuzz --target dicom --seed 7 --only 1234    # one input again

Every input is made from its target, the seed and its number alone. An input is refused where the reader says
so by its own error, and uncaught where anything else is raised or the process dies; that is printed with the
command that repeats it. Exit code 1 where anything was uncaught.
"""

import argparse
import random
import re
import subprocess
import sys
import time
from typing import NamedTuple

from bench.fuzz_targets import TARGETS

BATCH = 100  # inputs between two lines of a child
COUNTED = re.compile(r"(\d+) inputs, (\d+) refused")
DATA = 3 << 30  # bytes of memory that a child may hold


class Count(NamedTuple):
    """What came of the inputs of one target; uncaught ones as the commands that repeat them."""

    inputs: int = 0
    refused: int = 0
    uncaught: tuple[str, ...] = ()


def run_inputs(target: str, seed: int, first: int, seconds: float) -> None:
    """Inputs from number `first` on, until the time is over or one is uncaught, which ends this process."""
    made = TARGETS[target]()
    end, done, refused, number = time.monotonic() + seconds, 0, 0, first
    try:
        while time.monotonic() < end:
            try:
                made.attack(random.Random(f"{target}/{seed}/{number}"))
            except made.refusals:
                refused += 1
            number, done = number + 1, done + 1
            if done == BATCH:
                print(f"{done} inputs, {refused} refused", flush=True)
                done = refused = 0
    finally:
        print(f"{done} inputs, {refused} refused, next {number}", flush=True)


def attack(target: str, seed: int, seconds: float) -> Count:
    """Run one target in processes of their own; one that ends early has met an input that was uncaught."""
    inputs, refused, uncaught, first = 0, 0, [], 0
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        command = [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "bench.fuzz",
            "--target",
            target,
            "--seed",
            str(seed),
        ]
        options = ["--child", str(first), "--seconds", f"{left:.1f}"]
        child = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
        counts = [tuple(map(int, found)) for found in COUNTED.findall(child.stdout)]
        inputs, refused = inputs + sum(n for n, _ in counts), refused + sum(n for _, n in counts)
        if child.returncode == 0:
            break
        first += sum(n for n, _ in counts)
        last = (child.stderr.strip().splitlines() or [f"exit code {child.returncode}"])[-1]
        uncaught.append(f"--target {target} --seed {seed} --only {first}: {last[:160]}")
        first += 1
    return Count(inputs + len(uncaught), refused, tuple(uncaught))


def limit_memory() -> None:
    """A hostile header must not take the machine with it."""
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (DATA, DATA))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--target", choices=TARGETS)
    parser.add_argument("--only", type=int, metavar="NUMBER", help="run this input alone, in this process")
    parser.add_argument("--child", type=int, metavar="NUMBER", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only is not None:
        TARGETS[args.target]().attack(random.Random(f"{args.target}/{args.seed}/{args.only}"))
        return 0
    if args.child is not None:
        limit_memory()
        run_inputs(args.target, args.seed, args.child, args.seconds)
        return 0
    names = [args.target] if args.target else list(TARGETS)
    counts = {}
    for name in names:
        counts[name] = attack(name, args.seed, args.seconds / len(names))
        print(f"{name:12}{counts[name].inputs:9,} inputs, {counts[name].refused:9,} refused, "
              f"{len(counts[name].uncaught):3} uncaught", flush=True)  # fmt: skip
    total = sum(count.inputs for count in counts.values())
    uncaught = [line for count in counts.values() for line in count.uncaught]
    print(f"{'all':12}{total:9,} inputs, {len(uncaught)} uncaught", *uncaught, sep="\n")
    return 1 if uncaught else 0


if __name__ == "__main__":
    sys.exit(main())
