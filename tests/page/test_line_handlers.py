"""Who waits for the model is told so.

python -m pytest tests/page/test_line_handlers.py
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import gradio as gr
import numpy as np

from medreasoner.imaging import load_image
from medreasoner.page.page import Page
from medreasoner.page.session import Session
from tests.page.test_run_handlers import Endless, click


def test_who_waits_is_told_the_place_in_line_and_the_last_word_changes_nothing():
    page, image = Page(Endless(), []), load_image(np.zeros((32, 32), np.uint8))
    first, second = Session(image), Session(image)
    run = page.runs.ask(first, "Where?", click(first))
    next(run)

    async def hear() -> list[dict]:
        heard = []
        async for values in page.waiting.wait(second, click(second, "second")):
            heard.append(values)
            if len(heard) == 1:
                second.tasks.begun.add("second")
        return heard

    with ThreadPoolExecutor(1) as thread:  # a browser of another test may have its loop in this one
        told, after = thread.submit(asyncio.run, hear()).result()
    assert told[page.layout.status]["text"] == "Waiting for a free place: next in line"
    assert after == gr.skip(), "Gradio hands over the last value once more, after the run has begun"
    run.close()
