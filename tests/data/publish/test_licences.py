"""What sources write of a licence, as the Hub names it."""

import pytest

from medreasoner.data.publish.licences import licence_id


@pytest.mark.parametrize(
    "text,name",
    [
        ("CC0 (Kaggle copy of BUSI)", "cc0-1.0"),
        ("CC BY 4.0 (README, HuBMAP)", "cc-by-4.0"),
        ("CC BY-SA 4.0 (MSD)", "cc-by-sa-4.0"),
        ("CC-BY-NC-SA-4.0", "cc-by-nc-sa-4.0"),
        ("CC BY 3.0", "cc-by-3.0"),
        ("Apache-2.0 (README)", "apache-2.0"),
        ("TCIA CDD-CESM (CC BY 4.0 from memory)", None),
        ("CC BY 4.0 as part of HyperKvasir (reported)", None),
        ("not stated", None),
        ("", None),
    ],
)
def test_a_licence_is_what_its_text_begins_with(text, name):
    assert licence_id(text) == name
