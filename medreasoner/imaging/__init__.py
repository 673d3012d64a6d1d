"""Reads any image a user may give (raster, DICOM, NIfTI, array) as RGB of 8 bits a channel; `load_image` is
the way in.
"""

from medreasoner.imaging.read import load_image
from medreasoner.imaging.types import ImageError, LoadedImage, ViewOptions, ViewSelection
from medreasoner.imaging.volume import Volume, load_volume

__all__ = ["ImageError", "LoadedImage", "ViewOptions", "ViewSelection", "Volume", "load_image", "load_volume"]
