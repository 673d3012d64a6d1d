"""Training rows of the embedded VLM: a view of an image and several conversations about it, worded as at inference.

Rows are drawn without end: row n is the same whenever it is asked for, and every row has fresh wordings and reasonings, a fresh window of
the image and, now and then, a question about what the image does not show. Besides the text a conversation carries what the dense losses
(`train/embedded/losses.py`) need: the box, and where the target lies on the image-token grid.

Sets must have been written by `medreasoner data build`: rows are made from `stages/1_regions.jsonl`, which holds the measured facts.
"""

import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from medreasoner.answer import Absence, Answer, render
from medreasoner.data.absence import absent_question
from medreasoner.data.build.measuring import Measured
from medreasoner.data.build.writers.offline import vary, wording
from medreasoner.data.build.writers.reasonings import reasoning
from medreasoner.data.scenes import Scene, scene_of
from medreasoner.data.taxonomy import Category, categories
from medreasoner.geometry import Frame, Grounding, from_image
from medreasoner.prompts import Prompt
from medreasoner.text.places import place_words, size_word

GRID = 16  # image tokens a side
FINE = 64  # cells a side in which a target's mask is kept
ABSENT_SHARE = 0.18  # of conversations ask for what is not in the image
ZOOMED_SHARE = 0.6  # of rows show a window of the image
SMALLEST = 0.55  # side of a window, as a share of the image's
MIRRORED = {  # sets where a mirror image could be another patient's
    "busi", "us_breast_busi", "us_breast_busbra", "hc18_fetal_head", "us_liver_lesion", "us_nerve_usgra", "us_carotid", "isic2017",
    "kvasir_seg", "endo_edd2020", "endo_larynx_vocalfolds", "histo_glomeruli", "cyto_wbc_krd", "mammo_cesm", "octa_faz", "oct_lesions",
    "ct_brain_haemorrhage_ich", "ct_brain_haemorrhage_mbh", "ct_stroke_cpaisd", "mri_brain_ms_flair", "mri_ms_lesions_lit",
    "mri_brain_tumour_t2", "mri_brain_tumour_brisc", "mri_brain_tumour_brisc2026", "mri_brain_metastasis_t2", "mri_glioma_fets21_t2",
    "mri_glioma_utsw_t2", "mri_prostate158", "mri_prostate_multisite", "mri_prostate_promise12", "mri_nasopharynx", "petct_mri_sarcoma",
    "idrid_optic_disc", "fundus_disc_drishti", "fundus_disc_cup_huz", "fundus_rop_ridge", "xray_knee_femur", "mri_fetal_brain_mial",
}  # fmt: skip
SWAP = {"left": "right", "right": "left", "": ""}


@dataclass(frozen=True)
class Target:
    """One target of one image.

    Args:
        side: of the patient; image_side: of the image; each "left", "right" or "".
        box, points: xyxy and two xy, as shares (0..1) of the image's sides.
        coverage: (64, 64) float32, 0..1, the share of each cell that the mask covers.
        ratio: height of the image over its width.
    """

    category: Category
    side: str
    image_side: str
    box: np.ndarray
    points: np.ndarray
    coverage: np.ndarray
    measured: Measured
    ratio: float


@dataclass(frozen=True)
class Picture:
    """One image with its targets, () where it shows none that can be asked for; `classes` are the names its class mask holds."""

    path: str
    dataset: str
    case: str
    scene: Scene
    classes: tuple[str, ...]
    targets: tuple[Target, ...]


@dataclass(frozen=True)
class View:
    """What a row shows of its image: a window xyxy as shares of the sides, mirrored left to right or not."""

    window: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    mirrored: bool = False

    def points(self, points: np.ndarray) -> np.ndarray:
        """Points (N, 2) of the image as shares of the view."""
        x1, y1, x2, y2 = self.window
        moved = (np.asarray(points, float) - [x1, y1]) / [x2 - x1, y2 - y1]
        return np.stack([1 - moved[:, 0], moved[:, 1]], 1) if self.mirrored else moved

    def box(self, box: np.ndarray) -> np.ndarray:
        """A box (4,) of the image as shares of the view, cut at its edges."""
        corners = self.points(np.reshape(box, (2, 2))).clip(0, 1)
        return np.concatenate([corners.min(0), corners.max(0)])


def load_pictures(folders: Sequence[Path], split: str = "train") -> list[Picture]:
    """The images of one split of built sets."""
    table, pictures = categories(), []
    for folder in folders:
        for line in (folder / "stages" / "1_regions.jsonl").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if row["split"] == split and row.get("image"):
                targets = tuple(
                    _target(folder, row, each, table) for each in row["targets"] if each["name"] in table
                )
                scene = scene_of(row["dataset"])
                path = str(folder / row["image"])
                pictures.append(
                    Picture(path, row["dataset"], row["case"], scene, tuple(row["classes"]), targets)
                )
    return pictures


def _target(folder: Path, row: dict, target: dict, table: dict[str, Category]) -> Target:
    mask = np.asarray(Image.open(folder / target["mask"])) > 127
    height, width = mask.shape
    facts = target["measured"] | {"neighbours": tuple(map(tuple, target["measured"]["neighbours"]))}
    return Target(
        table[target["name"]],
        target["side"],
        target["image_side"],
        np.array(target["box"]) / [width, height, width, height],
        np.array(target["points"]) / [width, height],
        coverage_of(mask, FINE),
        Measured(**facts),
        height / width,
    )


def coverage_of(mask: np.ndarray, grid: int = GRID, view: View = View()) -> np.ndarray:
    """(grid, grid) float32: the mean of a mask (H, W), 0..1, over each cell of a grid laid over the view; the grid need not divide it."""
    height, width = mask.shape
    x1, y1, x2, y2 = view.window
    sums = np.pad(mask.astype(np.float64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    rows, cols = (
        np.linspace(y1 * height, y2 * height, grid + 1),
        np.linspace(x1 * width, x2 * width, grid + 1),
    )
    corner = ndimage.map_coordinates(sums, np.meshgrid(rows, cols, indexing="ij"), order=1, mode="nearest")
    inside = corner[1:, 1:] - corner[:-1, 1:] - corner[1:, :-1] + corner[:-1, :-1]
    cell = height * (y2 - y1) * width * (x2 - x1) / grid**2
    found = (inside / cell).clip(0, 1).astype(np.float32)
    return found[:, ::-1].copy() if view.mirrored else found


def kinds_of(targets: Sequence[Target], view: View = View()) -> np.ndarray:
    """(16, 16) int: the category that covers each image token of a view, 0 for none, else 1 + its index in the table; small ones on top."""
    order = {name: i + 1 for i, name in enumerate(categories())}
    kinds = np.zeros((GRID, GRID), np.int64)
    for target in sorted(targets, key=lambda each: -each.coverage.sum()):
        coverage = coverage_of(target.coverage, GRID, view)
        if coverage.max() > 0:
            kinds[coverage > min(0.3, 0.9 * coverage.max())] = order[target.category.name]
    return kinds


def draw_view(picture: Picture, asked: Sequence[Target], rng: random.Random) -> View:
    """A random view that holds the boxes of all `asked` targets."""
    mirrored = picture.dataset in MIRRORED and rng.random() < 0.5
    if rng.random() > ZOOMED_SHARE:
        return View(mirrored=mirrored)
    paired = {
        target.category.name for target in asked if target.image_side
    }  # "the left one" means nothing without the other
    needed = [*asked, *(target for target in picture.targets if target.category.name in paired)]
    boxes = np.array([target.box for target in needed]) if needed else np.array([[0.4, 0.4, 0.6, 0.6]])
    low, high = boxes[:, :2].min(0), boxes[:, 2:].max(0)
    side = rng.uniform(max(SMALLEST, *(high - low)), 1.0)
    x, y = (rng.uniform(max(0.0, high[i] - side), min(low[i], 1 - side)) for i in (0, 1))
    return View((x, y, x + side, y + side), mirrored)


def seen_in(target: Target, view: View) -> Measured:
    """What was measured of a target, as it is in a view: place and size anew, left and right exchanged in a mirrored one."""
    box = tuple(view.box(target.box))
    side, height = place_words(box, (1, 1))
    neighbours = target.measured.neighbours
    if view.mirrored:
        neighbours = tuple((_exchanged(relation), _exchanged(name)) for relation, name in neighbours)
    return replace(
        target.measured, side=side, height=height, size=size_word(box, (1, 1)), neighbours=neighbours
    )


def _exchanged(words: str) -> str:
    return " ".join(SWAP.get(word, word) for word in words.split(" "))


def conversation(
    target: Target, view: View, prompt: Prompt, frame: Frame, direct: bool, rng: random.Random
) -> dict:
    """One question about a target and its answer: a random wording, a reasoning written from the measured facts, coordinates in `frame`.

    Returns: `prompt`, `system` and `completion` as text, `box01` (4,) xyxy as shares of the view, `coverage` (256,), `present` True.
    """
    side, image_side = target.side, target.image_side
    if view.mirrored:
        side, image_side = SWAP[side], SWAP[image_side]
    question = vary(wording(target.category, target.category.questions, rng, side, image_side), rng)
    think = reasoning(target.category, seen_in(target, view), rng, side, image_side)
    box, points = view.box(target.box), view.points(target.points).clip(0, 1)
    numbers = from_image(Grounding(tuple(box), tuple(map(tuple, points))), frame, (1, 1))
    answer = Answer(_whole(numbers[0]), tuple(map(_whole, numbers[1])), None if direct else think)
    return {
        "prompt": prompt.text(question, think=not direct),
        "system": prompt.system,
        "completion": render(answer),
        "box01": box.tolist(),
        "coverage": coverage_of(target.coverage, GRID, view).ravel().tolist(),
        "present": True,
    }


def absent_conversation(picture: Picture, prompt: Prompt, direct: bool, rng: random.Random) -> dict:
    """One message about what the image does not show, and the answer that says so; the keys are those of `conversation`."""
    seen = [target.category.with_article(target.side) for target in picture.targets]
    drawn = absent_question(picture.scene, picture.classes, seen, categories(), training=True, rng=rng)
    return {
        "prompt": prompt.text(vary(drawn.question, rng), think=not direct),
        "system": prompt.system,
        "completion": render(Absence(None if direct else drawn.think)),
        "box01": [0.0, 0.0, 1.0, 1.0],
        "coverage": [0.0] * GRID**2,
        "present": False,
    }


def _whole(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(float(round(v)) for v in values)


class Rows:
    """Row n of an endless series: an image, a view of it and `turns` conversations.

    Args:
        weights: how often a set's images are drawn, by modality; 1 for those not named.
        even: 0..1; at 0 every image is drawn equally often, at 1 every set.
        direct_share: 0..1, of conversations answer without reasoning.
    """

    def __init__(
        self,
        pictures: Sequence[Picture],
        prompt: Prompt,
        frame: Frame,
        *,
        turns: int,
        even: float = 0.5,
        direct_share: float = 0.12,
        seed: int = 0,
    ) -> None:
        self.pictures, self.prompt, self.frame = list(pictures), prompt, frame
        self.turns, self.direct_share, self.seed = turns, direct_share, seed
        sets = Counter(picture.dataset for picture in pictures)
        weights = [
            sets[picture.dataset] ** -even * max(1, len(picture.targets)) ** 0.5 for picture in pictures
        ]
        self.cumulative = np.cumsum(weights) / sum(weights)

    def __getitem__(self, n: int) -> dict:
        rng = random.Random(f"{self.seed}/{n}")
        picture = self.pictures[
            min(int(np.searchsorted(self.cumulative, rng.random())), len(self.pictures) - 1)
        ]
        asked = [target for target in self._asked(picture, rng)]
        view = draw_view(picture, [target for target in asked if target is not None], rng)
        conversations = [
            absent_conversation(picture, self.prompt, rng.random() < self.direct_share, rng)
            if target is None
            else conversation(target, view, self.prompt, self.frame, rng.random() < self.direct_share, rng)
            for target in asked
        ]
        kinds = kinds_of(picture.targets, view).ravel().tolist()
        return {"image": picture.path, "view": view, "kinds": kinds, "conversations": conversations}

    def _asked(self, picture: Picture, rng: random.Random) -> list[Target | None]:
        """For each conversation the target that is asked for, None for one that the image does not show; targets take turns."""
        if not picture.targets:
            return [None] * max(1, self.turns // 2)
        order = [
            t
            for _ in range(self.turns // len(picture.targets) + 1)
            for t in rng.sample(picture.targets, len(picture.targets))
        ]
        return [None if rng.random() < ABSENT_SHARE else target for target in order[: self.turns]]
