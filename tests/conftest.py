"""Fixtures that several test files share."""

from tests.visit import address, browser, files, served, visit  # noqa: F401
