"""What propagation through volumes is worth and costs: the true box on each target's middle slice,
propagated.

Prints for each target the 3D Dice and the surface Dice at 2 mm, beside the middle slice's mask alone and the
true box on every slice, then the means, seconds per slice (`seconds_per_slice`), of that of its encoding
(`encode_seconds`), and the peak memory of the process, which keeps what it made of every slice for its
controls. With `--stock` the same frames go through the video predictor of the `sam2` package, with random
weights: for its time alone.

    python -m bench.volume --volumes ../shared/data/volumes [--only ct_lesion] [--stock]
"""

import argparse
import resource
import time
from pathlib import Path

import numpy as np

from medreasoner.evaluation.volume_targets import targets_in, volume_rows
from medreasoner.evaluation.volumes import KeptSlices, VolumeScore, means, score_target
from medreasoner.geometry import mask_to_box
from medreasoner.imaging import ImageError
from medreasoner.segmenters.base import SegmenterPrompt
from medreasoner.segmenters.registry import load_segmenter
from medreasoner.volume_masks import VolumeSlices


def row(score: VolumeScore) -> str:
    nsd = "   –" if score.nsd is None else f"{score.nsd:.2f}"
    return (
        f"{score.volume_id:20}{score.name:30}{score.dice:6.3f}{nsd:>7}{score.key_dice:8.3f}{score.key_only:8.3f}"
        f"{score.every_box:8.3f}   {score.slices} of {score.true_slices}"
    )


def stock_seconds(folder: Path, only: str) -> float:
    """Seconds per slice of the stock video predictor at 512 pixels on the first target's slices."""
    import torch

    from medreasoner.segmenters.sam2_package import build
    from medreasoner.segmenters.sam2_video import VIDEO_CLASS, VideoPropagator

    target = next(targets_in(folder, volume_rows(folder, only)[0]))
    torch.manual_seed(0)
    propagator = VideoPropagator(build("2.1", overrides=(VIDEO_CLASS,)), "stock")
    prompt = SegmenterPrompt(mask_to_box(target.mask[target.middle - 1]))
    started = time.perf_counter()
    drawn = list(propagator.propagate(VolumeSlices(target.volume, None), {target.middle: prompt}))
    return (time.perf_counter() - started) / max(1, len(drawn))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--volumes", type=Path, required=True)
    parser.add_argument("--only", default="", help="only volumes whose id begins with this")
    parser.add_argument("--segmenter", default="embedded", help="as `medreasoner ground --segmenter`")
    parser.add_argument("--stock", action="store_true", help="time the sam2 package's video predictor too")
    options = parser.parse_args()
    segmenter, scores = load_segmenter(options.segmenter), []
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
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")
    if options.stock:
        print(f"stock video predictor: {stock_seconds(options.volumes, options.only):.2f} s per slice")


if __name__ == "__main__":
    main()
