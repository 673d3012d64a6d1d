"""Draws a sheet of samples with their ground truth, each named by modality and category."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from medreasoner.data.sample import Sample
from medreasoner.messages import cut
from medreasoner.output.colours import COLOURS
from medreasoner.output.overlay import overlay

TILE, CAPTION, COLUMNS = 300, 28, 4  # pixels of a tile's side, pixels of the line below it, tiles in a row
LONGEST = 100  # letters of a caption that are measured
MARGIN = 6  # pixels around an image in its tile


def contact_sheet(samples: Sequence[Sample]) -> Image.Image:
    """Errors: SampleError, ImageError."""
    width = min(COLUMNS, len(samples)) * TILE
    height = -(-len(samples) // COLUMNS) * (TILE + CAPTION)
    sheet = Image.new("RGB", (width, height), COLOURS["ground"])
    font = ImageFont.load_default(15)
    for place, sample in enumerate(samples):
        drawn = _drawn(sample)
        drawn.thumbnail((TILE - 2 * MARGIN, TILE - 2 * MARGIN), Image.Resampling.LANCZOS)
        x, y = place % COLUMNS * TILE, place // COLUMNS * (TILE + CAPTION)
        sheet.paste(drawn, (x + (TILE - drawn.width) // 2, y + (TILE - drawn.height) // 2 + MARGIN))
        caption = cut(f"{sample.modality}: {'absent: ' if sample.absent else ''}{sample.category}", LONGEST)
        while font.getlength(caption) > TILE - 16:
            caption = caption[:-2].rstrip() + "…"
        middle = (x + TILE // 2, y + TILE + CAPTION // 2 - 2)
        ImageDraw.Draw(sheet).text(middle, caption, COLOURS["words"], font, anchor="mm")
    return sheet


def _drawn(sample: Sample) -> Image.Image:
    """Its image with what is true of it; the image alone where nothing is there. Errors: SampleError,
    ImageError."""
    if sample.absent:
        return sample.load_image()
    mask = None if sample.mask is None else sample.load_mask()
    return overlay(sample.load_image(), sample.truth(), mask, notice=False)
