"""HEIC, the pictures of telephones, through pi-heif: libheif and libde265, which decode and do not encode."""

import io

from PIL import Image

FILE_TYPE = b"ftyp"  # the first box of a file, with its brands (ISO 14496-12)
GENERIC = (b"mif1", b"msf1")  # of a container, whatever it holds
HEVC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs")


def is_heic(data: bytes) -> bool:
    """Whether a file begins as a container of HEVC pictures does."""
    if data[4:8] != FILE_TYPE:
        return False
    brands = data[8 : min(int.from_bytes(data[:4], "big"), 256)]
    return data[8:12] in HEVC or (data[8:12] in GENERIC and any(brand in brands for brand in HEVC))


def open_heic(data: bytes) -> Image.Image:
    """The file as Pillow opens others: its size is known, nothing is decoded. It is upright already.

    Colours of 10 and 12 bits come as their upper 8. Errors: SyntaxError for damage.
    """
    from pi_heif import HeifImageFile

    return HeifImageFile(io.BytesIO(data))
