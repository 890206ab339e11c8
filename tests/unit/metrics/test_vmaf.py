import sys
from fractions import Fraction

import numpy as np
import pytest

from lgvsc.core.video import Video, write_video
from lgvsc.errors import InputError
from lgvsc.metrics.vmaf import vmaf


@pytest.fixture
def files(tmp_path):
    rng = np.random.Generator(np.random.PCG64(1))
    still = np.kron(rng.integers(30, 220, (12, 12, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    frames = np.stack([np.roll(still, 3 * k, axis=1) for k in range(6)])
    noisy = np.clip(frames + rng.normal(0, 40, frames.shape), 0, 255).astype(np.uint8)
    paths = tmp_path / "a b:c.mp4", tmp_path / "-same.mp4", tmp_path / "noisy.mp4"
    for path, content in zip(paths, (frames, frames, noisy), strict=True):
        write_video(path, Video(content, Fraction(24)))
    return paths


def test_same_file_scores_high_and_noise_scores_low(files):
    pytest.importorskip("imageio_ffmpeg")
    source, same, noisy = files
    good, bad = vmaf(source, same), vmaf(source, noisy)
    assert good.score is not None and good.score > 90, good.reason
    assert bad.score is not None and bad.score < good.score - 20, bad.reason


def test_without_the_extra_it_says_so(files, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    result = vmaf(files[0], files[1])
    assert result.score is None and "lgvsc[bench]" in result.reason


def test_other_sizes_and_missing_files(files, tmp_path):
    pytest.importorskip("imageio_ffmpeg")
    write_video(tmp_path / "small.mp4", Video(np.zeros((2, 64, 64, 3), np.uint8), Fraction(24)))
    result = vmaf(files[0], tmp_path / "small.mp4")
    assert result.score is None and result.reason.startswith("ffmpeg failed")
    with pytest.raises(InputError):
        vmaf(tmp_path / "none.mp4", files[0])
