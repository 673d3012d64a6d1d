"""Which kind of image a reasoning says it looks at."""

import pytest

from medreasoner.text.modalities import named_modality


@pytest.mark.parametrize(
    "think, named",
    [
        ("On this axial CT the liver is on the left.", "CT"),
        ("Computed tomography shows a round lesion.", "CT"),
        ("An ultrasound. On an MRI it would differ.", "Ultrasound"),
        ("This mammogram shows a mass.", "Mammography"),
        ("In this OCT the layers part.", "OCT"),
        ("That describes a T12 vertebra. Let us look at the optic disc, opt for the left.", None),
        ("", None),
    ],
)
def test_the_first_name_counts_and_short_words_are_no_names(think, named):
    assert named_modality(think) == named
