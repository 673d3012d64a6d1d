"""How work grows with what it is given: megapixels of an image, letters of a question, rows of a set, slices
of a volume.

Prints for each the seconds of the processor at every size, which other work on the machine disturbs little,
and the exponent between each size and the one before: 1 is linear, 0 is constant.

    python -m bench.growth [image question rows slices] [--plot docs/growth.png]
"""

import argparse
import io
import itertools
import math
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import nibabel
import numpy as np
from PIL import Image

from bench.growth_plot import draw
from bench.machine import processor
from medreasoner.data.load import load
from medreasoner.imaging.read import load_image
from medreasoner.imaging.volume import load_volume
from medreasoner.question import MAX_QUESTION
from tests.sets import folder, row

Sized = tuple[int, Callable[[], object]]
SIDE = 128  # pixels of a volume's slice


def images(megapixels: tuple[int, ...] = (1, 5, 20, 50)) -> Iterator[Sized]:
    """A JPEG of a smooth picture with noise, read as an uploaded file is."""
    for number in megapixels:
        side = int((number * 1e6) ** 0.5)
        small = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
        file = io.BytesIO()
        Image.fromarray(small).resize((side, side)).save(file, "JPEG")
        yield number, partial(load_image, file.getvalue())


def questions(letters: tuple[int, ...] = (10, 100, 500, MAX_QUESTION)) -> Iterator[Sized]:
    """The first word of the embedded model's answer, its image encoded before."""
    from bench.peers.answers import pair, picture

    encoded = pair().reasoner.encode(picture())
    words = "which part of this scan explains the pain that does not go away at night "
    for number in letters:
        text = (words * (number // len(words) + 1))[:number]

        def first_word(text: str = text) -> None:
            pieces = pair().reasoner.stream(encoded, text)
            next(pieces)
            pieces.close()

        yield number, first_word


def sets(rows: tuple[int, ...] = (100, 1000, 10_000, 100_000)) -> Iterator[Sized]:
    """All samples of a set in the project's format, which share one picture."""
    with TemporaryDirectory() as parent:
        for number in rows:
            path = folder(Path(parent) / str(number), *(row(id=str(one)) for one in range(number)))
            yield number, lambda path=path: sum(1 for _ in load(path))


def volumes(slices: tuple[int, ...] = (10, 50, 150, 300)) -> Iterator[Sized]:
    """A NIfTI volume opened, and all its slices shown."""
    for number in slices:
        voxels = np.random.default_rng(0).integers(0, 400, (SIDE, SIDE, number), np.int16)
        data = nibabel.Nifti1Image(voxels, np.diag([1.0, 1.0, 2.0, 1.0])).to_bytes()

        def shown(data: bytes = data) -> None:
            volume = load_volume(data)
            for each in range(1, volume.shape[0] + 1):
                volume.slice(each)

        yield number, shown


PARTS = {"image": images, "question": questions, "rows": sets, "slices": volumes}
UNITS = {"image": "megapixels", "question": "letters", "rows": "rows", "slices": "slices"}


def busy_seconds(work: Callable[[], object], runs: int = 2) -> float:
    """Seconds of the processor of the fastest run."""
    taken = []
    for _ in range(runs):
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
    return min(taken)


def exponents(found: list[tuple[int, float]]) -> list[float]:
    """The slope of the logarithms between each size and the one before."""
    return [
        math.log(after / before) / math.log(more / less)
        for (less, before), (more, after) in itertools.pairwise(found)
    ]


def table(name: str, found: list[tuple[int, float]]) -> str:
    """One row of the Markdown table."""
    seconds = ", ".join(f"{size:,}: {taken:.3g}" for size, taken in found)
    return f"| `{name}` | {UNITS[name]} | {seconds} | {', '.join(f'{one:.2f}' for one in exponents(found))} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--plot", type=Path, help="a picture to draw it in, see `bench.growth_plot`")
    args = parser.parse_args()
    if unknown := set(args.parts) - set(PARTS):
        parser.error(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    print(
        f"{processor()}\n\n| part | of | seconds of the processor | exponents |\n|---|---|---|---|",
        flush=True,
    )
    found = {}
    for name in args.parts or PARTS:
        found[name] = [(size, busy_seconds(work)) for size, work in PARTS[name]()]
        print(table(name, found[name]), flush=True)
    if args.plot:
        draw(found, UNITS, args.plot)


if __name__ == "__main__":
    main()
