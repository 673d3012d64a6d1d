"""MedReasoner: a vision-language model thinks aloud about a medical image and a clinical question, and shows
where it looks.

`from medreasoner import MedReasoner` is the way in; nothing heavy is imported before a name is asked for.
"""

import importlib

_HOME = {
    "MedReasoner": "medreasoner.model",
    "GroundingFailed": "medreasoner.last_event",
    "ReasonerError": "medreasoner.reasoners.base",
    "ImageError": "medreasoner.imaging",
    "load_image": "medreasoner.imaging",
    "load_volume": "medreasoner.imaging",
    "SegmenterError": "medreasoner.segmenters.base",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'medreasoner' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
