"""How fast samples are read and measured: samples per second with one and two processes, and the peak memory
of a process.

Every row is read by `load`, its picture and mask are decoded, and box, points and what the words are made of
are measured by the functions of the build's first stage: on synthetic rows, written as parquet for the
purpose, and on a set of one's own. Beside the rate stands the processor time of a sample, which other work on
the machine changes less. No words are written.

    python -m bench.data [--rows 100000] [--data runs/data] [--processes 1 2]
"""

import argparse
import io
import multiprocessing
import re
import tempfile
import time
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from tqdm import tqdm

from medreasoner.data.build.measuring import measure
from medreasoner.data.load import load
from medreasoner.data.sample import Sample
from medreasoner.geometry import mask_to_box, mask_to_points

SIDE = 128  # pixels of a synthetic image
DIFFERENT = 500  # synthetic pictures; they are repeated under new ids
FILE = 5000  # rows of a parquet file at most; each process takes whole files
Part = tuple[Path, int, int]  # a set, and which of its samples: from the first, every so many


def png(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return file.getvalue()


def picture(rng: np.random.Generator) -> dict:
    """A noisy image with one brighter ellipse, and its mask."""
    x, y, a, b = rng.uniform((0.3, 0.3, 0.08, 0.08), (0.7, 0.7, 0.25, 0.25)) * SIDE
    v, u = np.mgrid[:SIDE, :SIDE]
    mask = ((u - x) / a) ** 2 + ((v - y) / b) ** 2 <= 1
    grey = rng.normal(90, 12, (SIDE, SIDE)) + 60 * mask
    return {
        "image": {"bytes": png(grey.clip(0, 255).astype(np.uint8))},
        "mask": {"bytes": png(mask.astype(np.uint8) * 255)},
    }


def write(folder: Path, rows: int) -> list[Path]:
    """Parquet files of the project's own columns with so many rows in all."""
    rng = np.random.default_rng(0)
    pictures = [picture(rng) for _ in range(min(rows, DIFFERENT))]
    words = {"question": "What stands out?", "modality": "Ultrasound", "category": "mass"}
    files, size = [], min(FILE, -(-rows // 8))
    for start in tqdm(range(0, rows, size), desc="writing", mininterval=20):
        numbers = range(start, min(start + size, rows))
        table = pa.Table.from_pylist(
            [{"id": str(n), "case": str(n), **words, **pictures[n % len(pictures)]} for n in numbers]
        )
        files.append(folder / f"train-{len(files):05}.parquet")
        pq.write_table(table, files[-1], row_group_size=500)
    return files


def measured(sample: Sample) -> None:
    """What the build's first stage does with a region, but for writing it down."""
    grey = np.asarray(sample.load_image().convert("L"), np.float32)
    mask = sample.load_mask()
    mask_to_points(mask)
    measure(grey, mask, mask_to_box(mask))


def work(part: Part) -> tuple[int, float, int]:
    """How many samples were measured, in how many seconds of the processor, and the process's peak memory so
    far in MiB (0 where /proc does not tell)."""
    source, first, every = part
    count, begun = 0, time.process_time()
    present = (sample for sample in load(source) if not sample.absent)
    for sample in islice(present, first, None, every):
        measured(sample)
        count += 1
    status = Path("/proc/self/status")
    peak = re.search(r"VmHWM:\s+(\d+)", status.read_text()) if status.exists() else None
    return count, time.process_time() - begun, int(peak[1]) // 1024 if peak else 0


def timed(name: str, parts: list[Part], processes: int) -> None:
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        pool.map(abs, range(processes * 4))  # the processes are up
        begun = time.perf_counter()
        counts, used, peaks = zip(*pool.imap_unordered(work, parts), strict=True)
        seconds = time.perf_counter() - begun
    count = sum(counts)
    rates = f"{count / seconds:7.0f} samples/s  {1000 * sum(used) / count:6.2f} ms of processor a sample"
    print(
        f"{name:20} {count:7} samples  {processes} at work {rates}  peak {max(peaks)} MiB a process",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000, help="synthetic rows; 0 for none")
    parser.add_argument("--data", type=Path, help="a set of one's own, as `load` reads it")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    args = parser.parse_args()
    if args.data:
        for processes in args.processes:
            timed(str(args.data), [(args.data, n, processes) for n in range(processes)], processes)
    if args.rows:
        with tempfile.TemporaryDirectory() as folder:
            files = write(Path(folder), args.rows)
            for processes in args.processes:
                timed("synthetic", [(file, 0, 1) for file in files], processes)


if __name__ == "__main__":
    main()
