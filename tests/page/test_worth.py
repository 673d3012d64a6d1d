"""What a model's card says it is worth on a kind of image."""

import pytest

from medreasoner.manifest import EMBEDDED_FOLDER
from medreasoner.page.worth import Worth

CARD = """
| modality | n | box IoU | mask Dice |
|---|---|---|---|
| CT | 19 | 0.204 [0.077, 0.375] | 0.243 |
| X-ray angiography | 1 | 0.000 | 0.000 |

| modality | something else |
|---|---|
| MRI | 3 |
"""


@pytest.mark.parametrize(
    "modality, said",
    [
        ("CT", "on CT: box overlap 0.20 in 19 questions"),
        ("MRI", "on MRI: never tested on this kind of image"),
        (None, "on all kinds of image together: box overlap 0.19 in 20 questions"),
    ],
)
def test_the_line_is_that_of_the_card(modality, said):
    assert Worth(CARD).sentence(modality) == said


def test_a_model_without_a_card_was_never_tested(tmp_path):
    assert Worth.of_folder(None).sentence(None) == "never tested"
    assert Worth.of_folder(tmp_path).sentence("CT") == "on CT: never tested on this kind of image"


def test_the_embedded_models_card_can_be_read():
    assert "box overlap" in Worth.of_folder(EMBEDDED_FOLDER).sentence("Ultrasound")
