"""A label map fits its volume's grid, whatever format either has."""

import nibabel
import numpy as np

from medreasoner.data.build.volume_files import read_volume_and_labels
from tests.data.build.volumes_drawn import dicom_series, head


def test_a_nifti_label_map_fits_a_dicom_series_on_its_grid(tmp_path):
    values, marks = head()
    dicom_series(tmp_path / "Ann", values)
    affine = np.diag([0.8, 0.8, 5.0, 1.0])
    affine[:2, 3] = 20 - 59 * 0.8, 10 - 49 * 0.8  # DICOM counts from the right and from the front
    nibabel.save(nibabel.Nifti1Image(marks, affine), tmp_path / "Ann.nii.gz")
    volume, labels = read_volume_and_labels(tmp_path / "Ann", tmp_path / "Ann.nii.gz")
    assert np.array_equal(labels.values, marks) and np.allclose(volume.values, values)
    assert volume.modality == "CT" and labels.names == {}
