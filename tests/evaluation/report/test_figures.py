"""Figures are well-formed and true to scale.

python -m pytest tests/evaluation/report/test_figures.py
"""

from xml.etree import ElementTree

import pytest

from medreasoner.evaluation.report import figures
from medreasoner.evaluation.report.figures import Bar, forest, reliability


def test_figures_are_well_formed_and_true_to_scale():
    svg = forest([Bar("a <model>", 0.5, 0.4, 0.6), Bar("control", 0.1, 0.05, 0.2, "control", 7)], "Box IoU")
    tree = ElementTree.fromstring(svg)
    lines = [e for e in tree.iter("{http://www.w3.org/2000/svg}line") if "interval" in e.get("class")]
    ends = [(float(e.get("x1")), float(e.get("x2"))) for e in lines]
    assert ends[0] == pytest.approx(
        (figures.LABEL + figures.PLOT * 0.4, figures.LABEL + figures.PLOT * 0.6)
    ), "the axis ends at 1"
    assert "control (7)" in svg and "a &lt;model&gt;" in svg
    ElementTree.fromstring(reliability([(0.5, 0.4, 3), (0.9, 0.9, 12)], "Predicted IoU", "True IoU"))
