"""Paired differences from an anchor: values by hand, clips that are missing, directions."""

import pytest

from lgvsc.experiments.compare_table import Row
from lgvsc.experiments.differences import difference_table, differences


def row(name, clip, trial=0, error="", **values):
    return Row(
        key=f"{name}{clip}{trial}", clip=clip, scheme=name, mode="adaptive", channel="awgn", snr_db=0.0,
        snr_def="esn0", cbr_target=3e-4, cbr=3e-4, trial=trial, error=error, **values,
    )  # fmt: skip


ANCHOR = [row("av1-ldpc", clip, lpips=value, ms_ssim=0.7) for clip, value in zip("abc", (0.6, 0.5, 0.4), strict=True)]


def test_the_mean_its_interval_and_who_is_ahead_are_those_of_student():
    ours = [row("skem-dsa", clip, lpips=value) for clip, value in zip("abc", (0.5, 0.3, 0.45), strict=True)]
    (found,) = differences([*ANCHOR, *ours], "av1-ldpc")
    assert (found.metric, found.n, found.ahead) == ("lpips", 3, 2)
    assert found.mean == pytest.approx((-0.1 - 0.2 + 0.05) / 3)
    deviation = (((-0.1 + 0.25 / 3) ** 2 + (-0.2 + 0.25 / 3) ** 2 + (0.05 + 0.25 / 3) ** 2) / 2) ** 0.5
    assert found.half_width == pytest.approx(4.303 * deviation / 3**0.5, rel=1e-3)


def test_trials_of_a_clip_count_once_and_clips_without_a_partner_not_at_all():
    ours = [row("skem-dsa", "a", trial, ms_ssim=value) for trial, value in enumerate((0.6, 0.9))]
    ours += [row("skem-dsa", "z", ms_ssim=0.1), row("skem-dsa", "b", error="no frames")]
    (found,) = differences([*ANCHOR, *ours], "av1-ldpc")
    assert (found.metric, found.n, found.ahead) == ("ms_ssim", 1, 1)
    assert found.mean == pytest.approx(0.05) and found.half_width is None


def test_a_table_for_people_has_a_line_for_each_point():
    ours = [row("skem-dsa", clip, lpips=0.4, ms_ssim=0.6, sharpness=3.0) for clip in "ab"]
    header, lines = difference_table(differences([*ANCHOR, *ours], "av1-ldpc"))
    assert header == ["CBR limit", "SNR dB", "scheme", "n", "MS-SSIM", "LPIPS"]
    assert lines == [["3.0e-04", "0", "skem-dsa", "2", "-0.100 ± 0.000 (0)", "-0.150 ± 0.635 (2)"]]
    assert difference_table(differences(ANCHOR, "av1-ldpc"))[1] == []
