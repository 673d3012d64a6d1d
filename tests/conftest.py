"""Fixtures that several test files share."""

from tests.recorded_page import address, files, served  # noqa: F401
from tests.visit import browser, visit  # noqa: F401
