"""Class names as one types them."""

import pytest

from medreasoner.data.build.source_files import SourceError, read_labels


def test_class_names_are_read_from_a_line():
    assert read_labels("1=spleen; 2 = left kidney ,3=liver") == {1: "spleen", 2: "left kidney", 3: "liver"}
    with pytest.raises(SourceError, match='written "1=spleen; 2=liver"'):
        read_labels("spleen")
