"""Files that are small to send and large to open, and files as large as may be sent.

What repeats is packed once and written many times, so that a file which unpacks to gigabytes is made in
seconds.
"""

import gzip
import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pydicom
from PIL import Image
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import CTImageStorage, DeflatedExplicitVRLittleEndian, generate_uid

SIDE = 10_000  # pixels; 100 megapixels are the most that is opened
SENT = 199 << 20  # bytes; 200 MiB are the most that is taken
PIECE = 1 << 20


def zeros_deflated(count: int) -> bytes:
    """A raw deflate stream of `count` zero bytes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = packer.compress(bytes(PIECE)) + packer.flush(zlib.Z_FULL_FLUSH)
    rest = packer.compress(bytes(count % PIECE)) + packer.flush()
    return piece * (count // PIECE) + rest


def nifti() -> bytes:
    """100 megapixels of float64, 763 MiB unpacked."""
    header = nibabel.Nifti1Image(np.zeros((1, 1, 1)), np.eye(4)).header
    header.set_data_shape((SIDE, SIDE, 1))
    start = header.binaryblock + bytes(352 - 348)
    data = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = data.compress(start) + data.flush(zlib.Z_FULL_FLUSH) + zeros_deflated(8 * SIDE * SIDE)
    crc, size = zlib.crc32(start), 8 * SIDE * SIDE
    for _ in range(size // PIECE):
        crc = zlib.crc32(bytes(PIECE), crc)
    crc = zlib.crc32(bytes(size % PIECE), crc)
    head = gzip.compress(b"")[:10]
    return head + packed + struct.pack("<II", crc, (len(start) + size) & 0xFFFFFFFF)


def rgba_png() -> bytes:
    """100 megapixels of colour and opacity, 381 MiB unpacked."""
    size = SIDE * (4 * SIDE + 1)
    adler = (size % 65521) << 16 | 1  # of zeros: the low half stays 1, the high half counts them
    pixels = b"\x78\xda" + zeros_deflated(size) + struct.pack(">I", adler)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def webp() -> bytes:
    return _saved(Image.new("RGB", (SIDE, SIDE)), "WEBP", lossless=True, method=0, quality=0)


def gif() -> bytes:
    """40 frames of 100 megapixels."""
    one = _saved(Image.new("L", (SIDE, SIDE)), "GIF")
    begin = one.index(b"\x2c", 13 + 3 * 2 ** ((one[10] & 7) + 1))
    return one[:begin] + one[begin:-1] * 40 + b"\x3b"


def deflated_dicom() -> bytes:
    """2,000 frames of a megapixel in 16 bits, 3.9 GiB unpacked."""
    dataset, meta = pydicom.Dataset(), pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = DeflatedExplicitVRLittleEndian, CTImageStorage
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    dataset.SOPClassUID, dataset.NumberOfFrames = CTImageStorage, 2000
    dataset.Rows = dataset.Columns = 1024
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation, dataset.SamplesPerPixel = 15, 0, 1
    dataset.PhotometricInterpretation, dataset.Modality = "MONOCHROME2", "CT"
    plain, file = DicomBytesIO(), io.BytesIO()
    plain.is_implicit_VR, plain.is_little_endian = False, True
    write_dataset(plain, dataset)
    size = 2000 * 1024 * 1024 * 2
    start = plain.getvalue() + struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, size)
    pydicom.dcmwrite(file, _with_meta(meta), enforce_file_format=True)
    head = file.getvalue()[: _end_of_meta(file.getvalue())]
    data = zlib.compressobj(9, zlib.DEFLATED, -15)
    return head + data.compress(start) + data.flush(zlib.Z_FULL_FLUSH) + zeros_deflated(size)


def noise_png() -> bytes:
    """As many bytes as may be sent, which do not pack."""
    rows = SENT // (3 * 8000)
    pixels = np.random.default_rng(0).integers(0, 256, (rows - 10, 8000, 3), np.uint8)
    return _saved(Image.fromarray(pixels), "PNG", compress_level=0)


def float_tiff() -> bytes:
    """As many bytes as may be sent, in 32-bit floats."""
    side = int((SENT / 4 - 1000) ** 0.5)
    return _saved(Image.fromarray(np.random.default_rng(0).random((side, side), np.float32)), "TIFF")


def _saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def _with_meta(meta: pydicom.dataset.FileMetaDataset) -> pydicom.Dataset:
    dataset = pydicom.Dataset()
    dataset.file_meta = meta
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    return dataset


def _end_of_meta(data: bytes) -> int:
    """Where the file meta information ends, from its group length."""
    return 144 + struct.unpack("<I", data[140:144])[0]


FILES: dict[str, Callable[[], bytes]] = {
    "float64.nii.gz": nifti,
    "rgba.png": rgba_png,
    "flat.webp": webp,
    "frames.gif": gif,
    "deflated.dcm": deflated_dicom,
    "noise.png": noise_png,
    "float32.tif": float_tiff,
}


def written(folder: Path, name: str) -> Path:
    """One of `FILES`, in `folder`."""
    path = folder / name
    path.write_bytes(FILES[name]())
    return path
