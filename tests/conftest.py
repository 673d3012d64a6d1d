"""Fixtures that several test files share, and the order of the files."""

import pytest

from medreasoner.model import MedReasoner
from tests.recorded_page import address, files, served  # noqa: F401
from tests.visit import browser, visit  # noqa: F401


@pytest.fixture(scope="session")
def embedded() -> MedReasoner:
    """The pair that is shipped; loaded once, for it takes some seconds, and no answer changes it."""
    return MedReasoner.from_pretrained(device="cpu")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take long come first, so that no process is left alone with one of them at the end."""
    long = {
        item.path for item in items if item.get_closest_marker("slow") or item.get_closest_marker("browser")
    }
    items.sort(key=lambda item: item.path not in long)
