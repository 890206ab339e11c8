"""What a comparison says of each row while it runs."""

from __future__ import annotations

import pytest

from lgvsc.cli.compare_commands import in_one_measure
from lgvsc.experiments.compare_table import Row


@pytest.mark.parametrize(
    ("measured", "words"),
    [
        ({"ssim": 0.5, "lpips": 0.25}, ", SSIM 0.500"),
        ({"lpips": 0.25, "ms_ssim": 0.75}, ", MS-SSIM 0.750"),
        ({"dists": 0.0}, ", DISTS 0.000"),
        ({}, ""),
    ],
)
def test_no_number_stands_for_a_metric_that_was_not_measured(measured, words):
    row = Row(
        key="a", clip="a", scheme="skem-dsa", mode="adaptive", channel="awgn", snr_db=5.0, snr_def="esn0",
        cbr_target=1e-3, cbr=1e-3, **measured,
    )  # fmt: skip
    assert in_one_measure(row, 3) == words
