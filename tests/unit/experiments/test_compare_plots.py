"""Plots of a comparison: the right files, the right width, curves that stay apart without colour."""

from __future__ import annotations

import re

import pytest
from compare_rows import row

from lgvsc.experiments.compare_plots import LOOKS, write_plots
from lgvsc.experiments.compare_table import means

pytest.importorskip("matplotlib")


def test_each_metric_has_two_figures_of_column_width(tmp_path):
    rows = [
        row(key=f"{name}{snr}{cbr}{i}", scheme=name, snr_db=snr, cbr_target=cbr, cbr=0.95 * cbr, ms_ssim=0.5 + 0.01 * i)
        for name in ("skem-dsa", "h265-ldpc")
        for snr in (0.0, 5.0)
        for cbr in (3e-4, 6e-4)
        for i in range(3)
    ]
    paths = write_plots(means(rows), tmp_path)
    assert {path.name for path in paths} == {
        f"{kind}-ms-ssim.{ending}" for kind in ("quality", "rate") for ending in ("svg", "pdf", "png")
    }
    svg = (tmp_path / "quality-ms-ssim.svg").read_text()
    assert re.search(r'<svg[^>]* width="252(\.0)?pt"', svg)  # 3.5 inches
    assert svg.count("skem-dsa") == 1 and "n = 3" in svg and "SNR" not in svg
    again = write_plots(means(rows), tmp_path / "again")
    assert [p.read_bytes() for p in again if p.suffix != ".png"] == [
        p.read_bytes() for p in paths if p.suffix != ".png"
    ]


def test_no_two_curves_share_a_marker_or_a_dash():
    assert len({marker for _, marker, _ in LOOKS}) == len({str(dash) for _, _, dash in LOOKS}) == len(LOOKS)
