"""What the tests of training share."""

from pathlib import Path

import pytest

from tests.train.sets import make_built_set


@pytest.fixture(scope="module")
def built_set(tmp_path_factory) -> Path:
    return make_built_set(tmp_path_factory.mktemp("data"))
