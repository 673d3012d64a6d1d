"""What is fuzzed: for each reader, how hostile inputs are made, what it may answer, and what must hold."""

import io
import json
import math
import random
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
from PIL import Image

from bench.fuzz_inputs import NUMBERS, damaged, words
from medreasoner.answer import parse
from medreasoner.answer_stream import StreamParser
from medreasoner.geometry import THOUSAND, GroundingError, repair
from medreasoner.imaging import ImageError, load_image
from medreasoner.imaging.anonymous import without_names
from medreasoner.imaging.mask_file import MaskError, read_mask_image
from medreasoner.reasoners.dialects import DIALECTS, translate
from medreasoner.text.mentions import find_mentions


class Target:
    """Attacks one reader; `refusals` are the errors by which it may refuse."""

    refusals: tuple[type[Exception], ...] = ()

    def attack(self, rng: random.Random) -> None:
        """Make an input and read it. Raises one of `refusals`, or whatever must not be."""
        raise NotImplementedError


class Parser(Target):
    """The answer: it is never an error, and a stream of it reads as the whole."""

    def attack(self, rng: random.Random) -> None:
        text = words(rng)
        whole, stream, at = parse(text), StreamParser(), 0
        while at < len(text):
            step = rng.randrange(1, 9)
            stream.feed(text[at : at + step])
            at += step
        streamed = stream.finish()
        assert (streamed.answer is None) == (parse(stream.text).answer is None), text
        assert whole.answer is None or all(map(math.isfinite, whole.answer.bbox)), text
        find_mentions(text, THOUSAND, (640, 480))
        translate(text, tuple(DIALECTS))


class Rewards(Target):
    """The rewards: finite numbers for whatever a model writes."""

    def __init__(self) -> None:
        from medreasoner.rewards import SETS, reward_functions

        self._terms = [
            f for name in SETS if not SETS[name].with_masks for f in reward_functions(name)[0]
        ]

    def attack(self, rng: random.Random) -> None:
        row = {
            "bbox_2d": [[10, 20, 300, 400]],
            "point_2d": [[[30, 40], [50, 60]]],
            "image_wh": [[840, 840]],
        }
        completions = [[{"role": "assistant", "content": words(rng)}]]
        for term in self._terms:
            (value,) = term(completions=completions, **row)
            assert value is None or math.isfinite(value), (term.__name__, completions, value)


class Images(Target):
    """Damaged pictures of every raster format, and NIfTI; what is kept of one is read, too."""

    refusals = (ImageError, MemoryError)

    def __init__(self) -> None:
        self._seeds = self._made()

    def _made(self) -> Sequence[bytes]:
        import nibabel

        grey = np.add.outer(np.arange(40), 3 * np.arange(50))
        deep, colour = (
            Image.fromarray((grey * 50).astype(np.uint16)),
            Image.fromarray(grey.astype(np.uint8)),
        )
        frames = {
            "save_all": True,
            "append_images": [colour.transpose(Image.Transpose.FLIP_LEFT_RIGHT)] * 2,
        }
        kinds = (
            *(
                (colour, "PNG", {}),
                (deep, "PNG", {}),
                (colour.convert("RGBA"), "PNG", {}),
                (deep, "TIFF", {}),
            ),
            *(
                (colour, "JPEG", {}),
                (colour.convert("RGB"), "JPEG", {"progressive": True}),
                (colour, "BMP", {}),
            ),
            *(
                (colour, "GIF", frames),
                (colour.convert("RGB"), "WEBP", frames),
                (colour, "TIFF", frames),
            ),
            *(
                (colour, "TIFF", {"compression": "tiff_lzw"}),
                (colour, "JPEG2000", {}),
                (colour, "PPM", {}),
            ),
        )
        seeds = []
        for image, kind, options in kinds:
            file = io.BytesIO()
            image.save(file, kind, **options)
            seeds.append(file.getvalue())
        for family in (nibabel.Nifti1Image, nibabel.Nifti2Image):
            seeds.append(
                family(
                    np.arange(20 * 24 * 18, dtype=np.int16).reshape(20, 24, 18), np.eye(4)
                ).to_bytes()
            )
        return seeds

    def attack(self, rng: random.Random) -> None:
        data = damaged(rng.choice(self._seeds), rng)
        loaded = load_image(data)
        assert loaded.image.mode == "RGB"
        kept = without_names(data)
        assert not kept or load_image(kept).image.size == loaded.image.size


class Dicom(Images):
    """Damaged DICOM files that pydicom brings."""

    def _made(self) -> Sequence[bytes]:
        from pydicom.data import get_testdata_files

        files = [Path(path) for path in get_testdata_files("*.dcm")]
        return [
            path.read_bytes() for path in files if path.is_file() and path.stat().st_size < 100_000
        ]


class Masks(Images):
    """Damaged mask files."""

    refusals = (MaskError, MemoryError)

    def attack(self, rng: random.Random) -> None:
        read_mask_image(damaged(rng.choice(self._seeds), rng))


class Checkpoints(Target):
    """What a model's folder says of itself."""

    refusals = (ValueError,)
    KEYS = (
        *(
            "format",
            "frame",
            "square",
            "max_pixels",
            "prompt_sha256",
            "segmenter",
            "absence",
            "multimask",
            "specks",
        ),
        *(
            "looks",
            "base_model_name_or_path",
            "revision",
            "architectures",
            "model_type",
            "weight_map",
            "other",
        ),
    )

    VALID = MappingProxyType(
        {
            "medreasoner.json": {"format": 1, "looks": 2},
            "adapter_config.json": {"base_model_name_or_path": "a/b"},
        }
    )

    def __init__(self) -> None:
        from medreasoner.reasoners.checkpoint import open_config

        self._folder, self._open_config = Path(tempfile.mkdtemp(prefix="fuzz-")), open_config

    def attack(self, rng: random.Random) -> None:
        from medreasoner.manifest import Manifest, adapter_base
        from medreasoner.reasoners.base import ReasonerError

        for name in ("medreasoner.json", "config.json", "adapter_config.json"):
            values = {rng.choice(self.KEYS): rng.choice(NUMBERS) for _ in range(rng.randrange(6))}
            values |= rng.choice(({}, {"format": 1}, {"model_type": "qwen2_5_vl"}))
            values = self.VALID.get(name, {}) if rng.random() < 0.5 else values
            text = "[" * 100_000 if rng.random() < 0.02 else json.dumps(values)
            (self._folder / name).write_bytes(
                damaged(text.encode(), rng) if rng.random() < 0.3 else text.encode()
            )
        try:
            self._open_config(self._folder)
        except ReasonerError as error:
            assert "\n" not in str(error)
        (self._folder / "config.json").unlink()
        adapter_base(self._folder)
        Manifest.read(self._folder)


class Refine(Target):
    """What a browser or a program sends to have a mask drawn again."""

    refusals = (GroundingError,)

    def __init__(self) -> None:
        from medreasoner.page.endpoints import read_prompt

        self._read = read_prompt

    def attack(self, rng: random.Random) -> None:
        def some(length: int) -> object:
            return (
                [rng.choice(NUMBERS) for _ in range(length)]
                if rng.random() < 0.9
                else rng.choice(NUMBERS)
            )

        box = [1, 2, 30, 40] if rng.random() < 0.5 else some(rng.randrange(6))
        points = [some(2), some(2)] if rng.random() < 0.9 else some(2)
        clicks = (
            [some(3) for _ in range(rng.randrange(3))]
            if rng.random() < 0.9
            else rng.choice(NUMBERS)
        )
        grounding, _ = self._read(box, points, clicks)
        repaired, _ = repair(grounding, (64, 48))
        assert all(0 <= value <= 64 for value in repaired.box)


TARGETS: dict[str, Callable[[], Target]] = {
    "parser": Parser,
    "rewards": Rewards,
    "images": Images,
    "masks": Masks,
    "checkpoints": Checkpoints,
    "refine": Refine,
    "dicom": Dicom,
}
