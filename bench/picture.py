"""The pictures in the README: the real page with the embedded model, one example asked, as a browser shows it.

python -m bench.picture [--example 1] [--out docs/page.png] [--dark] [--phone]
"""

import argparse
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.error import URLError

from playwright.sync_api import sync_playwright

from tests import chromium


def serve(port: int) -> subprocess.Popen:
    """The page as `make demo` serves it; returns once it answers."""
    server = subprocess.Popen([sys.executable, "app.py"], env=os.environ | {"GRADIO_SERVER_PORT": str(port)}, stdout=subprocess.DEVNULL)
    started = time.monotonic()
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=2).close()
        except (URLError, ConnectionError, TimeoutError):
            if server.poll() is not None or time.monotonic() - started > 120:
                raise SystemExit("the page did not start; run `python app.py` to see why") from None
            time.sleep(0.1)
        else:
            print(f"page ready after {time.monotonic() - started:.1f} s")
            return server


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--example", type=int, default=0, help="place in the strip, from 0")
    parser.add_argument("--question", help="instead of the example's own")
    parser.add_argument("--out", type=Path, default=Path("docs/page.png"))
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--phone", action="store_true")
    args = parser.parse_args()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = serve(port)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium.find(), args=chromium.flags())
            size = {"width": 390, "height": 844} if args.phone else {"width": 1280, "height": 900}
            page = browser.new_page(viewport=size, color_scheme="dark" if args.dark else "light")
            page.goto(f"http://127.0.0.1:{port}")
            page.locator("#examples button").nth(args.example).click()
            page.get_by_text("Ready", exact=True).wait_for()
            if args.question:
                page.get_by_label("Question").fill(args.question)
            page.get_by_role("button", name="Ask", exact=True).click()
            page.get_by_text("Done", exact=True).wait_for(timeout=60_000)
            args.out.parent.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=args.out)
            browser.close()
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
