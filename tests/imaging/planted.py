"""Files of ten formats in which a patient's name stands wherever the format has room for one."""

import gzip
import io

import nibabel
import numpy as np
import pydicom
from PIL import ExifTags, Image, PngImagePlugin, TiffImagePlugin
from pydicom.uid import DeflatedExplicitVRLittleEndian

from tests.medical import DEEP, GRAY, dicom, encoded

NAME = "DOE^JANE^19451231"
FRAMES = [Image.fromarray(np.roll(GRAY, 7 * number, axis=1)) for number in range(3)]


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = exif[ExifTags.Base.Artist] = NAME
    exif[ExifTags.Base.Orientation] = 6
    return exif


def _dicom(deflated: bool = False) -> bytes:
    dataset = pydicom.dcmread(io.BytesIO(dicom(DEEP)))
    dataset.PatientName, dataset.PatientID, dataset.StudyDescription = NAME, NAME, f"for {NAME}"
    dataset.add_new((0x0009, 0x0010), "LO", "MAKER")
    dataset.add_new((0x0009, 0x1001), "LO", NAME)
    dataset.RequestAttributesSequence = [pydicom.Dataset()]
    dataset.RequestAttributesSequence[0].ScheduledProcedureStepDescription = NAME
    if deflated:
        dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def _nifti(kind: type) -> bytes:
    volume = kind(np.arange(20 * 24 * 18, dtype=np.int16).reshape(20, 24, 18), np.eye(4))
    volume.header["descrip"] = volume.header["aux_file"] = NAME.encode()
    volume.header["intent_name"] = NAME.encode()[:15]
    volume.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", NAME.encode()))
    return volume.to_bytes()


def _png() -> bytes:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Patient", NAME)
    texts.add_itxt("Patient", NAME, zip=True)
    return encoded(Image.fromarray(DEEP.astype(np.uint16)), pnginfo=texts, exif=_exif())


def _tiff(pages: int) -> bytes:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[ExifTags.Base.ImageDescription] = tags[ExifTags.Base.Artist] = NAME
    tags[65000] = NAME
    image = Image.fromarray(DEEP.astype(np.uint16)) if pages == 1 else FRAMES[0]
    more = {"save_all": True, "append_images": FRAMES[1:]} if pages > 1 else {}
    return encoded(image, "TIFF", tiffinfo=tags, **more)


def _jpeg() -> bytes:
    return encoded(Image.fromarray(GRAY), "JPEG", comment=NAME, exif=_exif())


def planted() -> dict[str, bytes]:
    """The files by name."""
    many = {"save_all": True, "append_images": FRAMES[1:]}
    return {
        "deep.dcm": _dicom(),
        "deflated.dcm": _dicom(deflated=True),
        "volume.nii": _nifti(nibabel.Nifti1Image),
        "volume.nii.gz": gzip.compress(_nifti(nibabel.Nifti2Image)),
        "deep.png": _png(),
        "deep.tif": _tiff(1),
        "pages.tif": _tiff(3),
        "frames.gif": encoded(FRAMES[0], "GIF", comment=NAME, **many),
        "frames.webp": encoded(FRAMES[0].convert("RGB"), "WEBP", lossless=True, exif=_exif(), xmp=NAME, **many),
        "photograph.jpg": _jpeg(),
    }


def holds_name(data: bytes) -> bool:
    """Whether the name can be found in `data`, as it is or unpacked."""
    unpacked = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else b""
    name = NAME.encode()
    return any(part in data or part in unpacked for part in (name, name[:8], NAME.encode("utf-16-le")))


