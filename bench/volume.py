"""What propagation through volumes is worth and costs: the true box on each target's middle slice,
propagated.

Prints for each target the 3D Dice and the surface Dice at 2 mm, beside the middle slice's mask alone and the
true box on every slice, then the means, seconds per slice (`seconds_per_slice`), of that of its encoding
(`encode_seconds`), and the peak memory of the process, which keeps what it made of every slice for its
controls. With `--stock` the first target's frames go through ours once more and through the video predictor
of the `sam2` package, with random weights: for its time alone. With `--slices` nothing is scored: the first
volume is laid to and fro up to so many slices, for time and memory.

    python -m bench.volume --volumes ../shared/data/volumes [--only ct_lesion] [--stock | --slices 300]
"""

import argparse
import resource
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from medreasoner.evaluation.volume_targets import VolumeTarget, targets_in, volume_rows
from medreasoner.evaluation.volumes import KeptSlices, VolumeScore, means, score_target
from medreasoner.geometry import mask_to_box
from medreasoner.imaging import ImageError, Volume
from medreasoner.segmenters.base import Segmenter, SegmenterPrompt
from medreasoner.segmenters.propagation import Propagator, propagator_of
from medreasoner.segmenters.registry import load_segmenter
from medreasoner.volume_masks import VolumeSlices


def row(score: VolumeScore) -> str:
    nsd = "   –" if score.nsd is None else f"{score.nsd:.2f}"
    return (
        f"{score.volume_id:20}{score.name:30}{score.dice:6.3f}{nsd:>7}{score.key_dice:8.3f}{score.key_only:8.3f}"
        f"{score.every_box:8.3f}   {score.slices} of {score.true_slices}"
    )


def stock() -> Propagator:
    """The video predictor of the `sam2` package at 512 pixels, with random weights."""
    import torch

    from medreasoner.segmenters.sam2_package import build
    from medreasoner.segmenters.sam2_video import VIDEO_CLASS, VideoPropagator

    torch.manual_seed(0)
    return VideoPropagator(build("2.1", overrides=(VIDEO_CLASS,)), "stock")


class Watched(VolumeSlices):
    """The slices of a volume, the numbers of those that were looked at, and the seconds of encoding them."""

    def __init__(self, volume: Volume, segmenter: Segmenter) -> None:
        super().__init__(volume, segmenter)
        self.seen: set[int] = set()
        self.encoding = 0.0

    def encode(self, number: int) -> object:
        started = time.perf_counter()
        encoded = super().encode(number)
        self.encoding += time.perf_counter() - started
        return encoded

    def picture(self, number: int) -> Image.Image:
        self.seen.add(number)
        return super().picture(number)


def timed(name: str, propagator: Propagator, target: VolumeTarget, segmenter: Segmenter) -> str:
    """A line with the seconds per slice looked at, from the true box on the middle one, encoding included."""
    prompt = SegmenterPrompt(mask_to_box(target.mask[target.middle - 1]))
    started = time.perf_counter(), time.process_time()
    slices = Watched(target.volume, segmenter)
    drawn = sum(1 for _ in propagator.propagate(slices, {target.middle: prompt}))
    wall, busy = time.perf_counter() - started[0], time.process_time() - started[1]
    seen = len(slices.seen)
    each = f"{wall / seen:.3f} s a slice, of the processor {busy / seen:.2f} s"
    if slices.encoding:  # the video predictor takes the pictures, and encodes them itself
        each += f", {slices.encoding / seen:.3f} s by the clock for opening and encoding it"
    return f"{name}: {drawn} masks in {seen} of {slices.count} slices; {each}"


def lengthened(target: VolumeTarget, slices: int) -> VolumeTarget:
    """A target in its volume laid to and fro up to `slices`."""
    there = range(len(target.mask))
    to_and_fro = [*there, *there[-2:0:-1]]
    order = [to_and_fro[at % len(to_and_fro)] for at in range(slices)]
    shown = target.volume.show
    volume = replace(
        target.volume,
        shape=(slices, *target.volume.shape[1:]),
        show=lambda number: shown(order[number - 1] + 1),
    )
    return replace(target, volume=volume, mask=target.mask[order])


def peak_memory() -> str:
    return f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--volumes", type=Path, required=True)
    parser.add_argument("--only", default="", help="only volumes whose id begins with this")
    parser.add_argument("--segmenter", default="embedded", help="as `medreasoner ground --segmenter`")
    parser.add_argument("--stock", action="store_true", help="time the sam2 package's video predictor too")
    parser.add_argument("--slices", type=int, help="instead: time and memory of a volume of so many slices")
    options = parser.parse_args()
    segmenter, scores = load_segmenter(options.segmenter), []
    if options.slices or options.stock:
        first = next(targets_in(options.volumes, volume_rows(options.volumes, options.only)[0]))
    if options.slices:
        long = lengthened(first, options.slices)
        print(timed(segmenter.name, propagator_of(segmenter), long, segmenter), peak_memory(), sep="\n")
        return
    print(f"{'volume':20}{'target':30}{'Dice':>6}{'NSD':>7}{'middle':>8}{'alone':>8}{'boxes':>8}   slices")
    for volume in volume_rows(options.volumes, options.only):
        slices = None
        try:
            for target in targets_in(options.volumes, volume):
                slices = slices or KeptSlices(target.volume, segmenter)
                scores.append(score_target(target, segmenter, slices=slices))
                print(row(scores[-1]), flush=True)
        except ImageError as error:
            print(f"left out: {volume['id']}: {error}", flush=True)
    print({name: round(value, 3) for name, value in means(scores).items()})
    distances = sorted({away for one in scores for away in one.by_distance})
    by_distance = {
        away: round(float(np.mean([one.by_distance[away] for one in scores if away in one.by_distance])), 2)
        for away in distances
    }
    print(f"Dice by slices from the middle: {by_distance}")
    print(peak_memory())
    if options.stock:
        print(timed(segmenter.name, propagator_of(segmenter), first, segmenter))
        print(timed("stock video predictor", stock(), first, segmenter))


if __name__ == "__main__":
    main()
