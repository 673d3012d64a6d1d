"""Makes the pictures in the README: the real page with the embedded model and one example answered, as a
browser shows it.

    python -m bench.picture [--example 1] [--out docs] [--truth]

writes docs/page.png, docs/page-dark.png and docs/page-phone.png.
"""

import argparse
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

from playwright.sync_api import Page, sync_playwright

from tests import chromium

PATIENCE = 300  # seconds for the page to start, on a busy machine
# name -> width, height, colour scheme, a phone or not
PICTURES = {
    "page": (1280, 900, "light", False),
    "page-dark": (1440, 900, "dark", False),
    "page-phone": (390, 844, "light", True),
}


@contextmanager
def served() -> Iterator[tuple[str, int]]:
    """The page as `make demo` serves it: (address, process id), once it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    server = subprocess.Popen(
        [sys.executable, "app.py"],
        env=os.environ | {"GRADIO_SERVER_PORT": str(port)},
        stdout=subprocess.DEVNULL,
    )
    started = time.monotonic()
    try:
        while not _answers(address):
            if server.poll() is not None or time.monotonic() - started > PATIENCE:
                raise SystemExit("the page did not start; run `python app.py` to see why")
            time.sleep(0.1)
        print(f"page ready after {time.monotonic() - started:.1f} s")
        yield address, server.pid
    finally:
        server.terminate()
        server.wait()


def _answers(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=2).close()
    except (URLError, ConnectionError, TimeoutError):
        return False
    return True


def open_example(page: Page, number: int) -> None:
    """Open the example at that place among the cards, from 0; a click would ask its question too."""
    if not page.locator("#examples").is_visible():
        page.get_by_role("button", name="Examples", exact=True).click()
    page.locator("#examples button").nth(number).dispatch_event("open")
    page.get_by_text("Ready", exact=True).wait_for()


def ask(page: Page) -> None:
    """Ask the question that stands there, and wait for the mask."""
    page.get_by_role("button", name="Ask", exact=True).click()
    page.get_by_text("Done", exact=True).wait_for()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--example", type=int, default=0, help="place among the cards, from 0")
    parser.add_argument("--question", help="instead of the example's own")
    parser.add_argument("--out", type=Path, default=Path("docs"), help="folder")
    parser.add_argument("--truth", action="store_true", help="show the true outline and the scores too")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    with served() as (address, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.find(), args=chromium.flags())
        for name, (width, height, scheme, phone) in PICTURES.items():
            size = {"width": width, "height": height}
            page = browser.new_page(viewport=size, color_scheme=scheme, is_mobile=phone, has_touch=phone)
            page.set_default_timeout(1000 * PATIENCE)
            page.goto(address)
            open_example(page, args.example)
            if args.question:
                page.get_by_label("Question").fill(args.question)
            ask(page)
            if args.truth:
                page.get_by_role("button", name="Expert outline").click()
            page.screenshot(path=args.out / f"{name}.png", animations="disabled")
            page.close()
            print(args.out / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main()
