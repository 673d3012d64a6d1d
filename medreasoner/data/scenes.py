"""What the images of each known source show: body regions, sides, which way up, and which images not to use.

One entry a source in `scenes/*.yaml`, written after looking at its images. A source without an entry is taken
as it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import yaml
from PIL import Image

from medreasoner.data.category import BODY

FOLDER = Path(__file__).parent / "scenes"
TRANSPOSE = {
    "none": None,
    "90": Image.Transpose.ROTATE_270,  # PIL turns counter-clockwise
    "180": Image.Transpose.ROTATE_180,
    "270": Image.Transpose.ROTATE_90,
    "flip": Image.Transpose.FLIP_TOP_BOTTOM,
    "mirror": Image.Transpose.FLIP_LEFT_RIGHT,
    "transverse": Image.Transpose.TRANSVERSE,
}
BY_IMAGE = "by image"


@dataclass(frozen=True)
class Scene:
    """What is known of a source's images.

    Args:
        source: the dataset's name.
        scene, scenes_more: noun phrases for what every image of it is.
        body: body regions (of `category.BODY`) that an image may show in part; any other is surely not in
            view. () where nothing is known.
        plane: axial, coronal, sagittal, projection or other.
        patient_left: where the patient's left lies on the upright image: "left", "right", "unknown", or
            "none" (a sagittal slice).
        turn: what makes an image upright, a key of TRANSPOSE (degrees are clockwise), or "by image", then
            `turns` has it by image id.
        complete: classes that are labelled wherever they are visible, so that no label means: not in this
            slice.
        exclude: image id -> why it is not used; or one string for the whole source.
        exclude_targets: image id -> class -> why this class of it is not used.
        lowest_part: for vertebrae stacked in one class: the level of the lowest; the parts above follow in
            order.
        medical: False for pictures that are no medical image (`build/not_medical.py`).
        note: what else was seen.
    """

    source: str
    scene: str = ""
    scenes_more: tuple[str, ...] = ()
    body: tuple[str, ...] = ()
    plane: str = "other"
    patient_left: str = "unknown"
    turn: str = "none"
    complete: tuple[str, ...] = ()
    exclude: Mapping[str, str] | str = field(default_factory=dict)
    exclude_targets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    turns: Mapping[str, str] = field(default_factory=dict)
    lowest_part: str | None = None
    medical: bool = True
    note: str = ""

    def __post_init__(self) -> None:
        for turn in {self.turn, *self.turns.values()} - {BY_IMAGE}:
            if turn not in TRANSPOSE:
                raise ValueError(
                    f"source {self.source!r}: turn must be one of {', '.join(TRANSPOSE)}, got {turn!r}"
                )
        if unknown := set(self.body) - set(BODY):
            raise ValueError(
                f"source {self.source!r}: body must be of {', '.join(BODY)}; got {', '.join(sorted(unknown))}"
            )

    @property
    def phrases(self) -> tuple[str, ...]:
        """Every noun phrase for an image of this source; () where none is known."""
        return tuple(filter(None, (self.scene, *self.scenes_more)))

    def excluded(self, image_id: str) -> str | None:
        """Why this image is not used, or None if it is."""
        return self.exclude if isinstance(self.exclude, str) else self.exclude.get(image_id)

    def upright(self, picture: Image.Image, image_id: str) -> Image.Image:
        """The picture, or a mask of it, turned as it is usually displayed; the same object where it is
        upright already.
        """
        turn = self.turns.get(image_id, "none") if self.turn == BY_IMAGE else self.turn
        return picture if TRANSPOSE[turn] is None else picture.transpose(TRANSPOSE[turn])

    def patient_side(self, image_side: str) -> str:
        """The patient's side ("left" or "right") that lies on this side of the image, "" where it is not
        known.
        """
        if self.patient_left not in ("left", "right"):
            return ""
        return image_side if self.patient_left == "left" else {"left": "right", "right": "left"}[image_side]


@cache
def scenes(folder: Path = FOLDER) -> dict[str, Scene]:
    """Every known scene by its source.

    ValueError names a file with a source that comes twice or has an unknown field.
    """
    found: dict[str, Scene] = {}
    for path in sorted(folder.glob("*.yaml")):
        for entry in yaml.safe_load(path.read_text(encoding="utf-8")):
            values = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
            try:
                scene = Scene(**values)
            except TypeError as error:
                raise ValueError(
                    f"{path.name}: the entry {entry.get('source')!r} has a field it should not have ({error})"
                ) from None
            if scene.source in found:
                raise ValueError(f"{path.name}: the source {scene.source!r} is there twice")
            found[scene.source] = scene
    return found


def scene_of(source: str) -> Scene:
    """The scene of a source; one that knows nothing where the source is not known."""
    return scenes().get(source) or Scene(source)
