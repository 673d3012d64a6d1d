"""What is fuzzed: the name of each target, and what makes it."""

from collections.abc import Callable

from bench.fuzz_checkpoints import Checkpoints
from bench.fuzz_images import Dicom, Images, Masks
from bench.fuzz_target import Target
from bench.fuzz_texts import Parser, Refine, Rewards

TARGETS: dict[str, Callable[[], Target]] = {
    "parser": Parser,
    "rewards": Rewards,
    "images": Images,
    "masks": Masks,
    "checkpoints": Checkpoints,
    "refine": Refine,
    "dicom": Dicom,
}
