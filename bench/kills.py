"""Kills without warning, and what is lost by them: evaluation, building, review, push and pull, each killed
at random moments and taken up again.

    python -m bench.kills --kills 100 --seed 0

After each kill what was finished must still be there, and in the end the result must be that of a run which
nobody disturbed. Push and pull go through the unmodified client to the tests' Hub on loopback. The jobs are
in `kill_jobs.py`.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

from bench.kill_jobs import JOBS, Job

KILLS_IN_A_ROW = 3  # before the work is left to end
SAID = "said"  # file with the words of the last process
PATIENCE = 600  # seconds for work that nobody disturbs


def started(job: Job) -> int:
    """The process that does the work of `job`; what it says goes into a file."""
    process = os.fork()
    if process:
        return process
    said = os.open(job.folder / SAID, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(said, 1)
    os.dup2(said, 2)
    code = 1
    try:
        job.work()
        code = 0
    finally:
        if code:
            traceback.print_exc()
            sys.stderr.flush()
        os._exit(code)


def ended(process: int, seconds: float) -> int | None:
    """The exit code of a process that ends within `seconds`, None for one that does not."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    return None


def undisturbed(job: Job) -> float:
    """Let the work end; the seconds it took. Errors: SystemExit where it does not succeed."""
    begun = time.monotonic()
    code = ended(started(job), PATIENCE)
    if code != 0:
        raise SystemExit(f"{job.name}: undisturbed work failed:\n{(job.folder / SAID).read_text()}")
    return time.monotonic() - begun


def attack(job: Job, kills: int, rng: random.Random) -> list[str]:
    """Kill `job` that many times; what was lost, as sentences."""
    job.begin()
    usual, lost, done = undisturbed(job), list(job.wrong_at_the_end()), 0
    while done < kills:
        job.begin()
        for _ in range(min(KILLS_IN_A_ROW, kills - done)):
            process = started(job)
            if ended(process, rng.uniform(0, usual)) is not None:
                break  # it was quicker
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            done += 1
            lost += [f"{job.name}, kill {done}: {what}" for what in job.lost_by_a_kill()]
        undisturbed(job)
        lost += [f"{job.name}, after kill {done}: {what}" for what in job.wrong_at_the_end()]
    return lost


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=100, help="over all jobs together")
    parser.add_argument("--only", choices=[kind.name for kind in JOBS])
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    kinds = [kind for kind in JOBS if args.only in (None, kind.name)]
    share, lost = -(-args.kills // len(kinds)), []
    for kind in kinds:
        with tempfile.TemporaryDirectory() as folder, kind(Path(folder)) as job:
            found = attack(job, share, random.Random(f"{job.name}/{args.seed}"))
        print(f"{job.name:10}{share:5} kills, {len(found)} lost", *found, sep="\n", flush=True)
        lost += found
    print(f"{'all':10}{share * len(kinds):5} kills, {len(lost)} lost")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
