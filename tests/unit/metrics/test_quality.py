import math

import numpy as np
import pytest

from lgvsc.errors import ConfigError, ShapeError
from lgvsc.metrics.quality import QualityMeter, psnr_db


def flat(value: int, height: int = 200, width: int = 190):
    return np.full((height, width, 3), value, np.uint8)


def test_psnr_by_hand():
    """One channel of three off by 6: MSE 12, 10 log10(255^2 / 12). No wrap-around from 8 bits."""
    rebuilt = flat(250).copy()
    rebuilt[..., 1] = 244
    assert psnr_db(flat(250), rebuilt) == pytest.approx(10 * math.log10(255**2 / 12))
    assert psnr_db(flat(0), flat(255)) == pytest.approx(0.0)
    assert psnr_db(flat(3), flat(3)) is None


def test_psnr_is_averaged_in_decibels_and_identical_frames_are_apart():
    meter = QualityMeter()
    meter.add(flat(100), flat(101))
    meter.add(flat(100), flat(110))
    meter.add(flat(100), flat(100))
    result = meter.result()
    assert result.psnr_db == pytest.approx((20 * math.log10(255) + 20 * math.log10(25.5)) / 2)
    assert (result.frames, result.identical_frames) == (3, 1)
    assert result.ssim is not None and result.ssim < 1.0
    assert result.absent == {}


def test_every_measures_the_first_and_each_kth():
    meter = QualityMeter(every=3)
    for offset in (1, 90, 90, 1, 90):
        meter.add(flat(100), flat(100 + offset))
    result = meter.result()
    assert (result.frames, result.every) == (2, 3)
    assert result.psnr_db == pytest.approx(20 * math.log10(255))


def test_what_is_absent_says_why():
    empty = QualityMeter().result()
    assert empty.psnr_db is None and empty.frames == 0 and set(empty.absent) == {"psnr_db", "ssim", "ms_ssim"}
    small = QualityMeter()
    small.add(flat(10, 120, 300), flat(10, 120, 300))
    result = small.result()
    assert result.psnr_db is None and "identical" in result.absent["psnr_db"]
    assert result.ssim == 1.0
    assert result.ms_ssim is None and "120" in result.absent["ms_ssim"]


def test_misuse_raises():
    with pytest.raises(ShapeError):
        QualityMeter().add(flat(1), flat(1, 100))
    with pytest.raises(ShapeError):
        QualityMeter().add(flat(1), flat(1).astype(np.float32))
    with pytest.raises(ConfigError):
        QualityMeter(every=0)
