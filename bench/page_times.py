"""What a visitor waits: from the click on Ask to the first word, the box and the mask on the screen, for a
question that is asked at once, for the first question on an image that has been open for two seconds and for
a second one; and from a correction to its mask.

p50 and p95 in a real browser on the page as `make demo` serves it, the model warm, and what the first word
takes as a share of its time where it is asked at once. The model alone: `bench.latency`.

    python -m bench.page_times [--runs 20]
"""

import argparse

import numpy as np
from playwright.sync_api import Page, sync_playwright

from bench.picture import PATIENCE, ask, open_example, served
from tests import chromium

WATCHED = ("first word", "box", "mask")
OPEN_FOR = {"at once": 0, "first": 2000, "second": 0}  # milliseconds before each kind of question

# The browser takes the time of each change itself: what a test outside it waits for comes late on a busy
# machine.
WATCH = """() => {
  window.times = {};
  const note = name => window.times[name] ??= performance.now();
  const shown = () => document.querySelector("#viewer .mask path").getAttribute("d");
  document.addEventListener("click", event => {
    if (event.target.closest("#ask")) window.times = {click: performance.now()};
  }, true);
  const look = new MutationObserver(() => {
    // until the image has been read, the answer before still stands
    const { phase } = document.querySelector("#workspace").dataset;
    if (["waiting", "loading", "reading"].includes(phase)) window.times.begun = true;
    else if (window.times.begun) noteShown();
  });
  const noteShown = () => {
    if (document.querySelector("#answer .reasoning-text").textContent) note("first word");
    if (document.querySelector("#viewer .layer.box").classList.contains("drawn")) note("box");
    if (shown()) note("mask");
  };
  const everything = {subtree: true, childList: true, characterData: true, attributes: true};
  look.observe(document.querySelector("#workspace"), everything);
  window.corrected = () => new Promise(done => {
    const start = performance.now(), before = shown();
    const wait = new MutationObserver(() => {
      if (shown() === before) return;
      wait.disconnect();
      done(performance.now() - start);
    });
    wait.observe(document.querySelector("#viewer .mask path"), {attributes: true});
  });
}"""


def corrected(page: Page) -> float:
    """Milliseconds from the last key of a correction to its mask; the rest of 150 ms that the page waits for
    is in it."""
    page.get_by_role("button", name="Box, bottom right corner").focus()
    waiting = page.evaluate_handle("() => ({ done: window.corrected() })")
    page.keyboard.press("Shift+ArrowLeft")  # inwards: a box may end at the image's edge
    return waiting.evaluate("waiting => waiting.done")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=20)
    args = parser.parse_args()
    kinds = [f"{what}, {which} question" for which in OPEN_FOR for what in WATCHED]
    times: dict[str, list[float]] = {kind: [] for kind in (*kinds, "correction to mask")}
    with served() as (address, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.find(), args=chromium.flags())
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(1000 * PATIENCE)
        page.goto(address)
        page.get_by_role("button", name="Ask", exact=True).wait_for()
        page.evaluate(WATCH)
        examples = page.locator("#examples button").count()
        for run in range(args.runs + 1):
            found = {}
            for number, (which, open_for) in enumerate(OPEN_FOR.items()):
                if which != "second":
                    open_example(page, (2 * run + number) % examples)
                page.wait_for_timeout(open_for)
                ask(page)
                watched = page.evaluate("window.times")
                found |= {f"{what}, {which} question": watched[what] - watched["click"] for what in WATCHED}
            found["correction to mask"] = corrected(page)
            if run:  # the first run warms up
                for name, milliseconds in found.items():
                    times[name].append(milliseconds / 1000)
        browser.close()
    for name, seconds in times.items():
        p50, p95 = np.percentile(seconds, (50, 95))
        print(f"{name:30} p50 {p50:.2f} s   p95 {p95:.2f} s   ({len(seconds)} runs)")
    at_once, *others = (np.median(times[f"first word, {which} question"]) for which in OPEN_FOR)
    for which, median in zip(("first", "second"), others, strict=True):
        print(f"{f'first word, {which} / at once':30} {median / at_once:.2f}")


if __name__ == "__main__":
    main()
