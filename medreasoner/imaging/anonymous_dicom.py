"""A DICOM file without names: the description of the pixels, the pixels, and what is read of the header."""

import io

from pydicom import Dataset, dcmwrite
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataset import FileMetaDataset

from medreasoner.imaging.dicom_header import ATTRIBUTES, ELEMENT_ERRORS, GROUPS, SEQUENCES

# groups of what describes pixels, and of the pixels
IMAGE_GROUP, PIXEL_GROUP = 0x0028, 0x7FE0
FUNCTIONAL_GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")


def nameless_dicom(dataset: Dataset) -> bytes:
    """The description of the pixels, the pixels, and what `FrameHeader` reads; b"" for damage."""
    kept = Dataset()
    kept.preamble, kept.file_meta = bytes(128), FileMetaDataset()
    kept.file_meta.TransferSyntaxUID = dataset.file_meta.TransferSyntaxUID
    for tag in dataset.keys():
        if tag.group in (IMAGE_GROUP, PIXEL_GROUP) and dictionary_has_tag(tag) and dictionary_VR(tag) != "SQ":
            kept[tag] = dataset.get_item(tag)
    _take(dataset, kept)
    for name in FUNCTIONAL_GROUPS:
        if items := _items(dataset, name):
            setattr(kept, name, [_groups(item) for item in items])
    file = io.BytesIO()
    implicit, little = dataset.original_encoding
    kept.set_original_encoding(implicit, little)
    try:
        dcmwrite(file, kept, implicit_vr=implicit, little_endian=little, enforce_file_format=False)
    except (*ELEMENT_ERRORS, AttributeError, TypeError, KeyError):  # of pydicom 3, for damaged elements
        return b""
    return file.getvalue()


def _groups(item: Dataset) -> Dataset:
    kept = Dataset()
    for name in GROUPS:
        if parts := _items(item, name):
            part = Dataset()
            _take(parts[0], part)
            setattr(kept, name, [part])
    return kept


def _take(dataset: Dataset, kept: Dataset) -> None:
    """Copy ATTRIBUTES; of the items of sequences only what describes images or has numbers."""
    for name in ATTRIBUTES:
        if name not in dataset:
            continue
        if name in SEQUENCES:
            setattr(kept, name, [_numbers_of(item) for item in _items(dataset, name)])
        else:
            element = dataset.get_item(name)
            kept[element.tag] = element


def _numbers_of(item: Dataset) -> Dataset:
    kept = Dataset()
    for tag in item.keys():
        element = item.get_item(tag)
        if tag.group == IMAGE_GROUP or element.VR in ("US", "SS", "UL", "SL", "FL", "FD"):
            kept[tag] = element
    return kept


def _items(dataset: Dataset, name: str) -> list[Dataset]:
    try:
        return list(dataset.get(name) or [])
    except ELEMENT_ERRORS:
        return []
