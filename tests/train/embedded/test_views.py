"""`train/embedded/views.py`: a window of an image, mirrored or not, with boxes, masks and maps that fit it."""

import numpy as np
import pytest
import torch

from train.embedded.views import UNCHANGED, View, coverage_of, shown

CORNER = View((0.0, 0.0, 0.5, 0.5))


def test_coverage_is_the_share_of_each_cell():
    mask = np.zeros((160, 320), bool)
    mask[10:20, 20:40] = True  # cell (1, 1) whole
    mask[0:10, 0:10] = True  # half of cell (0, 0)
    coverage = coverage_of(mask)
    assert coverage[1, 1] == pytest.approx(1) and coverage[0, 0] == pytest.approx(0.5)
    assert coverage.sum() == pytest.approx(1.5)


def test_coverage_keeps_the_area_when_the_grid_does_not_divide_the_image():
    mask = np.random.default_rng(0).random((123, 211)) > 0.7
    assert coverage_of(mask).mean() == pytest.approx(mask.mean(), abs=1e-6)


def test_coverage_of_a_window_is_that_of_the_cut_out_part():
    mask = np.random.default_rng(0).random((64, 64)) > 0.5
    cut = View((0.25, 0.5, 0.75, 1.0))
    assert np.allclose(coverage_of(mask, 16, cut), coverage_of(mask[32:, 16:48]), atol=1e-6)
    mirrored = View(cut.window, mirrored=True)
    assert np.allclose(coverage_of(mask, 16, mirrored), coverage_of(mask, 16, cut)[:, ::-1])


def test_a_box_grows_in_a_window_and_is_cut_at_its_edges():
    assert CORNER.box(np.array([0.1, 0.2, 0.3, 0.9])) == pytest.approx([0.2, 0.4, 0.6, 1.0])
    mirrored = View(CORNER.window, mirrored=True)
    assert mirrored.box(np.array([0.1, 0.2, 0.3, 0.9])) == pytest.approx([0.4, 0.4, 0.8, 1.0])
    assert mirrored.points(np.array([[0.1, 0.2]])).tolist() == [[pytest.approx(0.8), pytest.approx(0.4)]]


def test_a_map_is_cut_and_mirrored_as_its_image():
    rows, columns = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    full = torch.stack([rows, columns], -1)  # (32, 32, 2): each cell holds its place
    assert shown(full, UNCHANGED) is full
    assert torch.equal(shown(full, View(mirrored=True)), full.flip(1))
    part = shown(full, CORNER)
    assert part.shape == full.shape and part[..., 0].max() < 16 and part[..., 1].max() < 16
    assert part[8, 24].tolist() == pytest.approx([8.5 / 2 - 0.5, 24.5 / 2 - 0.5])
