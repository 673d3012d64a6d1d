"""Finds a browser for the browser tests: one that is installed, else Playwright's own, else the system's
package.

As a program, which `make test` runs first, it installs one if there is none. Without a browser the tests that
need one are skipped; where CI is set they fail.

    python -m tests.chromium
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

# the shell first: it draws no window, and takes less of the processor for it
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-sync",
    "--no-first-run",
]


def find() -> str | None:
    """Path of a Chromium or Chrome, or None."""
    for name in NAMES:
        found = shutil.which(name)
        if found:
            return found
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if Path(own).exists() else None


def flags() -> list[str]:
    """Command-line flags for a browser under test: no traffic of its own, and no sandbox for root, who may
    not have one."""
    return [*FLAGS, "--no-sandbox"] if os.geteuid() == 0 else FLAGS


def fetch() -> str | None:
    """`find`, after trying what can be tried to have one."""
    as_root = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]
    ways = [[sys.executable, "-m", "playwright", "install", "--only-shell", "chromium"]]
    if shutil.which("apt-get") and (not as_root or shutil.which("sudo")):
        install = [*as_root, "apt-get", "install", "-qy", "--no-install-recommends", "fonts-dejavu-core"]
        ways += [[*as_root, "apt-get", "update", "-q"], *([*install, name] for name in NAMES[:2])]
    for way in ways:
        if found := find():
            return found
        print("no browser yet:", *way, file=sys.stderr)
        subprocess.run(way, stdout=sys.stderr, check=False)
    return find()


if __name__ == "__main__":
    print(fetch() or "no browser could be had; the browser tests will be skipped (with CI set they fail)")
