"""The card of a published set counts what is in it and says what is missing."""

import numpy as np
from PIL import Image

from medreasoner.data.publish.publish_set import publish_set
from medreasoner.hub.repository import MARKER
from tests.publish_set import draw


def test_the_card_counts_and_says_what_is_missing(tmp_path):
    publish_set(draw(tmp_path / "set"), tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    for line in (
        "| train | 4 | 4 |",
        "| CT | 2 | 1 |",
        "| part 1 | 2 | 1 |",
        "| drawn | 2 | CC BY 4.0 (README) | this test |",
        "- Samples without a mask: 1.",
        "- Licence to be confirmed before use, samples of drawn: 2; "
        "stated as “unknown (CC BY 4.0 from memory)”.",
        "Research use only. Not for diagnosis.",
        MARKER,
        "## Intended use and limits",
        "arXiv preprint arXiv:2508.08177",
    ):
        assert line in card, line
    assert "No images of: MRI, Ultrasound" in card
    with Image.open(tmp_path / "out" / "figures" / "samples.png") as sheet:
        assert sheet.width > 500 and len(np.unique(np.asarray(sheet).reshape(-1, 3), axis=0)) > 100
