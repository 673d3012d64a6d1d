"""What a model wrote in its own frame, as box and points in pixels of the original image."""

from medreasoner.answer import Answer
from medreasoner.geometry import Frame, Grounding, repair, to_image, written_as_shares
from medreasoner.reasoners.base import EncodedImage


def in_pixels(
    answer: Answer, encoded: EncodedImage, frame: Frame, image_wh: tuple[int, int]
) -> tuple[Grounding, tuple[str, ...]]:
    """What a model wrote in `frame`, in pixels of the original image, made usable, and what had to be mended.

    Errors: GroundingError.
    """
    notes = ()
    if written_as_shares(answer.bbox, answer.points):
        frame, notes = (
            Frame("0..1", 1, frame.axes),
            ("The coordinates lie between 0 and 1; they were read as shares of the image's sides.",),
        )
    grounding, mended = repair(
        to_image(answer.bbox, answer.points, frame, image_wh, encoded.input_wh), image_wh
    )
    return grounding, notes + mended
