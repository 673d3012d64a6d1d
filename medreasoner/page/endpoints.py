"""What programs may call: `/ground`, `/ground_stream` and `/refine`, also as MCP tools.

Their docstrings are what the API page and an MCP client show. The page's own events are private.
"""

from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import numpy as np
from PIL import Image

from medreasoner.events import NOTICE, Absent, Done, Event, Failed, Located, Thinking
from medreasoner.geometry import Grounding, GroundingError
from medreasoner.imaging import ImageError, LoadedImage
from medreasoner.imaging.opener import ImageOpener
from medreasoner.messages import without_paths
from medreasoner.output.grounding_json import as_json
from medreasoner.page.model_calls import ModelCalls
from medreasoner.page.offered_models import OfferedModels
from medreasoner.page.uploads import delete_upload
from medreasoner.reasoners.base import ReasonerError
from medreasoner.segmenters.base import Click, SegmenterError


def _array(label: str, item: dict, fixed: int | None = None, **options: object) -> gr.JSON:
    """A JSON component whose schema is an array, of `fixed` items if given. `gr.JSON`'s own schema is
    `{"type": {}}`, which no MCP client accepts; a subclass would make Gradio write a file beside this one."""
    length = {} if fixed is None else {"minItems": fixed, "maxItems": fixed}
    component = gr.JSON(label=label, **options)
    component.api_info = lambda: {"type": "array", "items": item, **length}
    return component


NUMBER = {"type": "number"}
POINT = {"type": "array", "items": NUMBER, "minItems": 2, "maxItems": 2}
CLICK = {"type": "array", "items": {"anyOf": [NUMBER, {"type": "boolean"}]}, "minItems": 3, "maxItems": 3}


class Endpoints:
    """The functions behind the endpoints.

    Args:
        models: those that may be asked.
        opener: of the images that are sent.
    """

    def __init__(self, models: OfferedModels, opener: ImageOpener) -> None:
        self._models, self._opener = models, opener

    def place(self) -> None:
        """Add the endpoints to the `gr.Blocks` around it; the components that give them their types are
        hidden."""
        model = {"concurrency_id": "model", "queue": True}
        with gr.Row(visible=False):
            image, question = gr.File(label="image", type="filepath"), gr.Textbox(label="question")
            prompt = [_array("box", NUMBER, 4), _array("points", POINT, 2), _array("clicks", CLICK, value=[])]
            name = gr.Textbox("", label="model")
            answer, mask = gr.JSON(label="grounding"), gr.Image(label="mask", format="png", type="pil")
            asked, button = [image, question, name], gr.Button()
            button.click(self.ground, asked, [answer, mask], api_name="ground", **model)
            button.click(self.ground_stream, asked, [answer], api_name="ground_stream", **model)
            button.click(self.refine, [image, *prompt, name], [answer, mask], api_name="refine")

    def ground(self, image: str, question: str, model: str = "") -> tuple[dict, Image.Image | None]:
        """Find the place in a medical image that a question is about. Research use only. Not for diagnosis.

        Args:
            image: a PNG, JPEG, TIFF, WebP, DICOM or NIfTI file.
            question: what to look for, in a clinician's words.
            model: which of the page's models to ask, by the name that the page shows; the first if left out.

        Returns:
            The contents of `grounding.json` (`found`, reasoning, box and points in pixels of the image,
            times), and the mask: 0/255 grey, in the image's size. Where `found` is false, box, points and
            mask are null.
        """
        loaded, calls = self._open(image), self._calls(model)
        *_, last = calls.events(loaded.image, question or "")
        result = _result(last)
        mask = _grey(result.mask) if isinstance(result, Done) else None
        return as_json(result, loaded, calls.model.provenance(question)), mask

    def ground_stream(self, image: str, question: str, model: str = "") -> Iterator[dict]:
        """The same as `ground`, told while it happens: the reasoning as it grows, box and points as soon as
        they are known, then what `grounding.json` holds. Research use only. Not for diagnosis.

        Args:
            image: a PNG, JPEG, TIFF, WebP, DICOM or NIfTI file.
            question: what to look for, in a clinician's words.
            model: which of the page's models to ask, by the name that the page shows; the first if left out.

        Yields:
            {"state": "thinking", "think": the reasoning so far}, then {"state": "located", "box_xyxy",
            "points_xy", "think"}, then {"state": "done", ...} with everything that `ground` gives as JSON.
        """
        loaded, calls, think = self._open(image), self._calls(model), ""
        for event in calls.events(loaded.image, question or ""):
            match event:
                case Thinking(text):
                    think += text
                    yield {"state": "thinking", "think": think}
                case Located(grounding):
                    yield {"state": "located", "think": think, **_coordinates(grounding)}
                case Done() | Absent() | Failed():
                    yield {
                        "state": "done",
                        **as_json(_result(event), loaded, calls.model.provenance(question)),
                    }

    def refine(
        self, image: str, box: list, points: list, clicks: list, model: str = ""
    ) -> tuple[dict, Image.Image]:
        """Draw the mask for a box, two points and further clicks of your own; no question is asked. Research
        use only. Not for diagnosis.

        Args:
            image: a PNG, JPEG, TIFF, WebP, DICOM or NIfTI file.
            box: [x1, y1, x2, y2] in pixels of the image.
            points: two [x, y] inside the target.
            clicks: up to 64 of [x, y, belongs]: true where the target is, false where it is not; [] for none.
            model: whose segmenter is to draw, as for `ground`.

        Returns:
            {"box_xyxy", "points_xy", "clicks", "mask_iou_estimate", "seconds", "notes", "notice"}, and the
            mask: 0/255 grey, in the image's size.
        """
        loaded, calls = self._open(image), self._calls(model)
        try:
            refined = calls.refine(loaded.image, *read_prompt(box, points, clicks))
        except (GroundingError, SegmenterError) as error:
            raise gr.Error(f"{error}.", print_exception=False) from error
        facts = {
            **_coordinates(refined.grounding),
            "clicks": [list(click) for click in refined.clicks],
            "mask_iou_estimate": refined.score,
            "seconds": refined.seconds,
            "notes": list(refined.notes),
            "notice": NOTICE,
        }
        return facts, _grey(refined.mask)

    def _calls(self, model: str | None) -> ModelCalls:
        """The calls to the model of that name, which is loaded if nobody has asked it yet."""
        try:
            return self._models.calls(self._models.named(model or ""))
        except (ReasonerError, SegmenterError) as error:
            raise gr.Error(f"{error}.", print_exception=False) from error

    def _open(self, path: str | None) -> LoadedImage:
        """The image in an uploaded file, which is deleted at once."""
        if path is None:
            raise gr.Error("There is no image; give one as a file.", print_exception=False)
        try:
            return self._opener.open(Path(path)).loaded
        except ImageError as error:
            raise gr.Error(without_paths(str(error)), print_exception=False) from error
        finally:
            delete_upload(path)


def read_prompt(box: object, points: object, clicks: object) -> tuple[Grounding, tuple[Click, ...]]:
    """What a browser or a program sent, as a grounding and clicks; nothing about it is trusted. Errors:
    GroundingError."""
    try:
        x1, y1, x2, y2 = (float(value) for value in box)
        (ax, ay), (bx, by) = ((float(x), float(y)) for x, y in points)
        clicked = tuple((float(x), float(y), bool(positive)) for x, y, positive in clicks or [])
    except (TypeError, ValueError, OverflowError) as error:
        raise GroundingError(
            "expected a box of four numbers [x1, y1, x2, y2], two points [[x, y], [x, y]] and clicks "
            f"[[x, y, true or false], …], got {str([box, points, clicks])[:120]}"
        ) from error
    return Grounding((x1, y1, x2, y2), ((ax, ay), (bx, by))), clicked


def _result(event: Event) -> Done | Absent:
    if isinstance(event, Failed):
        raise gr.Error(event.message, print_exception=False)
    return event


def _coordinates(grounding: Grounding) -> dict:
    return {"box_xyxy": list(grounding.box), "points_xy": [list(point) for point in grounding.points]}


def _grey(mask: np.ndarray) -> Image.Image:
    return Image.fromarray(mask.astype(np.uint8) * 255)
