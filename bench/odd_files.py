"""Draws ten odd image files as they are shown here, beside what their bare pixel values give elsewhere
(docs/odd-files.png).

    python -m bench.odd_files [--out docs/odd-files.png]

The files are made here, after kinds that users of other tools reported, and hold one picture: a thorax drawn
from ellipses, a bright spot in it. pydicom (`pixel_array`), SimpleITK and nibabel give stored or rescaled
values without a window; these are stretched from their least to their greatest value.
"""

import argparse
import io
import tempfile
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import matplotlib.pyplot as plt
import nibabel
import numpy as np
import pydicom
import SimpleITK
import tifffile
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from medreasoner.imaging import ImageError, load_image

SIDE = 160


def thorax() -> np.ndarray:
    """Hounsfield units (SIDE, SIDE) int16: air, fat, lungs, soft tissue, a vertebra, and a spot of 110 HU."""
    y, x = (np.mgrid[:SIDE, :SIDE] - SIDE / 2) / (SIDE / 2)

    def ellipse(cx: float, cy: float, rx: float, ry: float) -> np.ndarray:
        return ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 < 1

    values = np.full((SIDE, SIDE), -1000.0)
    for value, place in (
        (-100, (0, 0, 0.92, 0.72)),
        (40, (0, 0, 0.85, 0.64)),
        (-820, (-0.42, -0.03, 0.32, 0.42)),
        (-820, (0.42, -0.03, 0.32, 0.42)),
        (400, (0, 0.45, 0.13, 0.12)),
        (60, (0.05, -0.15, 0.2, 0.26)),
        (110, (-0.02, -0.2, 0.06, 0.06)),
    ):
        values[ellipse(*place)] = value
    noise = np.random.default_rng(0).normal(0, 8, values.shape)
    return np.clip(np.rint(values + noise), -1024, 3071).astype(np.int16)


HU = thorax()
GRAY = np.clip((HU + 160.0) * 255 / 400, 0, 255).astype(np.uint8)


def dicom(values: np.ndarray, **attributes: object) -> bytes:
    """A DICOM file of grey values."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["odd files"])
    dataset = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    dataset.Rows, dataset.Columns = values.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8 * values.dtype.itemsize
    dataset.HighBit, dataset.PixelRepresentation = dataset.BitsStored - 1, int(values.dtype.kind == "i")
    dataset.PixelData = values.tobytes()
    for name, value in attributes.items():
        setattr(dataset, name, value)
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def nifti(values: np.ndarray, **fields: object) -> bytes:
    """A NIfTI volume of three such slices, stored as its picture is shown."""
    image = nibabel.Nifti1Image(np.repeat(values.T[::-1, ::-1, None], 3, 2), np.diag([1, 1, 4, 1]))
    for name, value in fields.items():
        image.header[name] = value
    return image.to_bytes()


def tiff(values: np.ndarray, **options: object) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, values, metadata=None, **options)
    return file.getvalue()


def without_sform(data: bytes) -> bytes:
    """A NIfTI file whose sform says that it is one and holds only zeros."""
    header = nibabel.Nifti1Header(data[:348], check=False)
    header["sform_code"], header["srow_x"], header["srow_y"], header["srow_z"] = 1, 0, 0, 0
    header["qform_code"] = 1
    return header.binaryblock + data[348:]


PADDED = np.where(HU < -900, np.int16(-32768), (HU - HU.min()).astype(np.int16))
CT = {"Modality": "CT", "RescaleIntercept": "-1024", "RescaleSlope": "1", "RescaleType": "HU"}
FILES: dict[str, tuple[str, bytes]] = {
    "MR, padding of -32768": (".dcm", dicom(PADDED, Modality="MR", PixelPaddingValue=-32768)),
    "CT without a window": (".dcm", dicom((HU + 1024).astype(np.uint16), **CT)),
    "MONOCHROME1": (
        ".dcm",
        dicom(255 - GRAY, Modality="DX", PhotometricInterpretation="MONOCHROME1"),
    ),
    "overlay in the upper bits": (
        ".dcm",
        dicom(
            (GRAY.astype(np.uint16) * 16) | (np.indices(GRAY.shape).sum(0) % 40 < 2).astype(np.uint16) << 12,
            Modality="MR",
            BitsStored=12,
            HighBit=11,
            WindowCenter="2040",
            WindowWidth="4080",
        ),
    ),
    "RescaleSlope 0": (".dcm", dicom(GRAY.astype(np.uint16) * 16, RescaleSlope="0", RescaleIntercept="0")),
    "PixelSpacing 0,5": (
        ".dcm",
        dicom((HU + 1024).astype(np.uint16), **CT, PixelSpacing=["0.5", "0.5"]).replace(
            b"0.5\\0.5", b"0,5\\0,5"
        ),
    ),
    "CT as NIfTI": (".nii", nifti(HU)),
    "sform of zeros": (".nii", without_sform(nifti(GRAY.astype(np.int16)))),
    "16-bit TIFF, WhiteIsZero": (
        ".tif",
        tiff(65535 - GRAY.astype(np.uint16) * 200, photometric="miniswhite"),
    ),
    "16-bit PNG with opacity": (
        ".png",
        imagecodecs.png_encode(
            np.stack(
                [
                    np.where(HU < -900, np.uint16(65535), GRAY.astype(np.uint16) * 60),
                    np.where(HU < -900, np.uint16(0), np.uint16(65535)),
                ],
                axis=-1,
            )
        ),
    ),
}


def ours(path: Path) -> np.ndarray:
    return np.asarray(load_image(path).image)


def by_pydicom(path: Path) -> np.ndarray:
    return stretched(pydicom.dcmread(path).pixel_array)


def by_simpleitk(path: Path) -> np.ndarray:
    values = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))
    if path.suffix == ".nii":
        return stretched(values[1, ::-1, ::-1])
    return stretched(values[0] if path.suffix == ".dcm" else values)


def by_nibabel(path: Path) -> np.ndarray:
    values = np.asarray(nibabel.load(path).dataobj)[:, :, 1]
    return stretched(values[::-1, ::-1].T)


def stretched(values: np.ndarray) -> np.ndarray:
    """Values as 8 bits from their least to their greatest; of several samples the first."""
    values = (values[..., 0] if values.ndim > 2 else values).astype(float)
    low, high = np.nanmin(values), np.nanmax(values)
    return np.nan_to_num((values - low) * 255 / max(high - low, 1e-9)).astype(np.uint8)


READERS: dict[str, tuple[Callable[[Path], np.ndarray], tuple[str, ...]]] = {
    "MedReasoner": (ours, (".dcm", ".nii", ".tif", ".png")),
    "pydicom": (by_pydicom, (".dcm",)),
    "SimpleITK": (by_simpleitk, (".dcm", ".nii", ".tif", ".png")),
    "nibabel": (by_nibabel, (".nii",)),
}


def draw(folder: Path, out: Path) -> None:
    """One column a file, one row a reader."""
    figure, axes = plt.subplots(len(READERS), len(FILES), figsize=(2 * len(FILES), 2.15 * len(READERS)))
    for column, (title, (suffix, data)) in enumerate(FILES.items()):
        path = folder / f"{column}{suffix}"
        path.write_bytes(data)
        axes[0, column].set_title(title, fontsize=9)
        for row, (name, (read, kinds)) in enumerate(READERS.items()):
            axis = axes[row, column]
            axis.set_xticks([])
            axis.set_yticks([])
            if column == 0:
                axis.set_ylabel(name, fontsize=10)
            if suffix not in kinds:
                axis.spines[:].set_visible(False)
                continue
            try:
                picture = read(path)
                axis.imshow(picture, cmap="gray", vmin=0, vmax=255)
            except (ImageError, RuntimeError, ValueError, OSError):
                axis.text(0.5, 0.5, "refused", ha="center", va="center", transform=axis.transAxes)
    figure.tight_layout(pad=0.4)
    figure.savefig(out, dpi=80)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs/odd-files.png"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        draw(Path(folder), options.out)


if __name__ == "__main__":
    main()
