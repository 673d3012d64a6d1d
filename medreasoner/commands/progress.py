"""How far an evaluation is, for the terminal."""

import sys

from medreasoner.commands.base import say

EVERY = 20  # records between two lines where there is no terminal


class ProgressBars:
    """A bar per file on a terminal, else a line now and then. Called with (file, records done, records in
    all)."""

    def __init__(self) -> None:
        self._bars = {}

    def __call__(self, file: str, done: int, of: int) -> None:
        if sys.stderr.isatty():
            from tqdm import tqdm

            if file not in self._bars:
                self._bars[file] = tqdm(total=of, desc=file, unit="sample")
            self._bars[file].update(done - self._bars[file].n)
        elif done % EVERY == 0 or done == of:
            say(f"{file}: {done} of {of}")
