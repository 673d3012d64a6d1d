"""Rows of the embedded VLM's SFT without end: an image, a view of it, and several conversations about it.

Row n is the same whenever it is asked for, and every row has fresh wordings and reasonings, a fresh window of
the image and, now and then, a question about what the image does not show.
"""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from medreasoner.geometry import Frame
from medreasoner.prompts import Prompt
from train.embedded.conversations import absent_conversation, conversation
from train.embedded.pictures import Picture, Target, kinds_of
from train.embedded.views import View

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


class Rows:
    """Row n of an endless series: an image, a view of it and `turns` conversations.

    Args:
        turns: conversations about each image; half as many where it shows no target.
        even: 0..1; at 0 every image is drawn equally often, at 1 every set.
        direct_share: 0..1, of conversations answer without reasoning.
        absent_share: 0..1, of conversations ask for what is not in the image.
        oftener: data set -> how many times as often its images are drawn.
        choices: sentences of each kind that reasonings are drawn from, None for all.
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
        absent_share: float = 0.12,
        oftener: Mapping[str, float] = MappingProxyType({}),
        choices: int | None = None,
        seed: int = 0,
    ) -> None:
        self.pictures, self.prompt, self.frame = list(pictures), prompt, frame
        self.turns, self.direct_share, self.seed = turns, direct_share, seed
        self.absent_share, self.choices = absent_share, choices
        sets = Counter(picture.dataset for picture in pictures)
        weights = [
            oftener.get(picture.dataset, 1.0)
            * sets[picture.dataset] ** -even
            * max(1, len(picture.targets)) ** 0.5
            for picture in pictures
        ]
        self.cumulative = np.cumsum(weights) / sum(weights)

    def __getitem__(self, n: int) -> dict:
        rng = random.Random(f"{self.seed}/{n}")
        picture = self.pictures[
            min(int(np.searchsorted(self.cumulative, rng.random())), len(self.pictures) - 1)
        ]
        asked, view = self._viewed(picture, rng)
        conversations = [self._conversation(picture, target, view, rng) for target in asked]
        kinds = kinds_of(picture.targets, view).ravel().tolist()
        return {"image": picture.path, "view": view, "kinds": kinds, "conversations": conversations}

    def _viewed(self, picture: Picture, rng: random.Random) -> tuple[list[Target | None], View]:
        """What is asked about the picture, and the view of it that a row shows."""
        asked = self._asked(picture, rng)
        return asked, draw_view(picture, [target for target in asked if target is not None], rng)

    def _conversation(self, picture: Picture, target: Target | None, view: View, rng: random.Random) -> dict:
        direct = rng.random() < self.direct_share
        if target is None:
            return absent_conversation(picture, self.prompt, direct, rng, self.choices)
        return conversation(
            target, view, self.prompt, self.frame, direct, rng, picture.targets, choices=self.choices
        )

    def _asked(self, picture: Picture, rng: random.Random) -> list[Target | None]:
        """For each conversation the target that is asked for, None for one that the image does not show;
        targets take turns.
        """
        if not picture.targets:
            return [None] * max(1, self.turns // 2)
        order = [
            t
            for _ in range(self.turns // len(picture.targets) + 1)
            for t in rng.sample(picture.targets, len(picture.targets))
        ]
        return [None if rng.random() < self.absent_share else target for target in order[: self.turns]]
