"""Grows a mask through a volume with the memory of SAM 2 and MedSAM2: the video predictor of the `sam2`
package, whose frames are the slices.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from sam2.sam2_video_predictor import SAM2VideoPredictor
from sam2.utils.transforms import SAM2Transforms

from medreasoner.messages import first_line
from medreasoner.segmenters.base import SegmenterError, SegmenterPrompt
from medreasoner.segmenters.propagation import SliceMask, Slices

VIDEO_CLASS = "++model._target_=sam2.sam2_video_predictor.SAM2VideoPredictor"  # in Hydra's notation
TARGET = 1  # the only object that is followed


class VideoPropagator:
    """See `propagation.Propagator`. `SliceMask.score` is the chance, by the model's own estimate, that the
    target is in the slice.

    Args:
        model: in evaluation mode, with the weights of its memory.
    """

    def __init__(self, model: SAM2VideoPredictor, name: str) -> None:
        self.name, self._model = name, model

    def propagate(
        self,
        slices: Slices,
        seeds: Mapping[int, SegmenterPrompt],
        stop: threading.Event | None = None,
    ) -> Iterator[SliceMask]:
        """See `Propagator.propagate`; all seeds are in the memory before the first further slice is drawn.

        The predictor encodes the slices itself, so that only their pictures are asked for.
        """
        stop = stop or threading.Event()
        try:
            state = self._begun(slices)
            for number, prompt in sorted(seeds.items()):
                if stop.is_set():
                    return
                yield SliceMask(number, self._prompted(state, number, prompt), 1.0)
            for reverse in (False, True):
                yield from self._follow(state, min(seeds), set(seeds), reverse, stop)
        except RuntimeError as error:
            raise SegmenterError(f"{self.name} could not follow the target: {first_line(error)}") from error

    def _begun(self, slices: Slices) -> dict:
        """What `SAM2VideoPredictor.init_state` (sam2 1.1.0) makes of a video file, of slices instead."""
        width, height = slices.picture(1).size
        device = self._model.device
        return {
            "images": _Frames(slices, SAM2Transforms(self._model.image_size, mask_threshold=0.0)),
            "num_frames": slices.count,
            "offload_video_to_cpu": False,
            "offload_state_to_cpu": False,
            "video_height": height,
            "video_width": width,
            "device": device,
            "storage_device": device,
            **{
                key: {}
                for key in ("point_inputs_per_obj", "mask_inputs_per_obj", "cached_features", "constants")
            },
            **{key: OrderedDict() for key in ("obj_id_to_idx", "obj_idx_to_id")},
            "obj_ids": [],
            **{
                key: {}
                for key in ("output_dict_per_obj", "temp_output_dict_per_obj", "frames_tracked_per_obj")
            },
        }

    def _prompted(self, state: dict, number: int, prompt: SegmenterPrompt) -> np.ndarray:
        """The mask (H, W) bool of a slice that was asked or corrected."""
        points, labels = prompt.labelled_points()
        _, _, logits = self._model.add_new_points_or_box(
            state,
            number - 1,
            TARGET,
            points=np.asarray(points, np.float32) if points else None,
            labels=np.asarray(labels, np.int32) if points else None,
            box=None if prompt.box is None else np.asarray(prompt.box, np.float32),
        )
        return (logits[0, 0] > 0).cpu().numpy()

    def _follow(
        self, state: dict, begin: int, seeds: set[int], reverse: bool, stop: threading.Event
    ) -> Iterator[SliceMask]:
        """From a seed to one end of the volume, until the target is gone beyond the last seed."""
        last = min(seeds) if reverse else max(seeds)
        for frame, _, logits in self._model.propagate_in_video(state, begin - 1, reverse=reverse):
            number, mask = frame + 1, (logits[0, 0] > 0).cpu().numpy()
            if stop.is_set():
                return
            if number in seeds:
                continue
            beyond = number < last if reverse else number > last
            if beyond and not mask.any():
                return
            if mask.any():
                outputs = state["output_dict_per_obj"][0]["non_cond_frame_outputs"][frame]
                yield SliceMask(number, mask, float(outputs["object_score_logits"].float().sigmoid().max()))


class _Frames:
    """The slices as the predictor takes them: (3, S, S) float, normalised; each is made when it is asked
    for.
    """

    def __init__(self, slices: Slices, transforms: SAM2Transforms) -> None:
        self._slices, self._transforms = slices, transforms

    def __len__(self) -> int:
        return self._slices.count

    def __getitem__(self, frame: int) -> torch.Tensor:
        return self._transforms(np.asarray(self._slices.picture(frame + 1)))
