"""``lgvsc measure`` on files."""

import json
from fractions import Fraction

import numpy as np
import pytest
from typer.testing import CliRunner

from lgvsc.cli.main import app
from lgvsc.core.video import Video, write_video
from lgvsc.errors import ConfigError, InputError


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A clip of 8 frames, a copy with noise, one a frame shorter, one of another size."""
    folder = tmp_path_factory.mktemp("measure")
    rng = np.random.Generator(np.random.PCG64(1))
    still = np.kron(rng.integers(30, 220, (12, 12, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    frames = np.stack([np.roll(still, 3 * k, axis=1) for k in range(8)])
    noisy = np.clip(frames + rng.normal(0, 20, frames.shape), 0, 255).astype(np.uint8)
    made = {"source": frames, "noisy": noisy, "short": noisy[:7], "small": frames[:, :64, :64]}
    for name, content in made.items():
        write_video(folder / f"{name}.mp4", Video(np.ascontiguousarray(content), Fraction(24)))
    return {name: folder / f"{name}.mp4" for name in made}


def run(*arguments):
    return CliRunner().invoke(app, ["measure", *map(str, arguments), "--quiet"])


def test_json_has_the_keys_of_reports(files):
    names = "psnr,ssim,ms_ssim,lpips,flicker,e_warp,sharpness"
    found = json.loads(run(files["source"], files["noisy"], "--metrics", names, "--every", "3", "--json").stdout)
    for key in ("psnr_db", "ssim", "ms_ssim", "lpips", "flicker", "e_warp", "sharpness"):
        assert found[key] > 0 and found["details"][key]["frames"] in (2, 3), key
    assert found["frames"] == 8 and found["frames_of"] == {"source": 8, "rebuilt": 8} and found["absent"] == {}
    same = json.loads(run(files["source"], files["source"], "--metrics", "lpips,ms_ssim", "--json").stdout)
    assert same["lpips"] == pytest.approx(0, abs=1e-6) and same["ms_ssim"] == 1.0


def test_table_names_direction_and_weights(files):
    done = run(files["source"], files["noisy"], "--metrics", "lpips,sharpness")
    assert done.exit_code == 0 and "LPIPS" in done.stdout and "lower" in done.stdout and "as source" in done.stdout


def test_vmaf_and_neg(files):
    pytest.importorskip("imageio_ffmpeg")
    found = json.loads(run(files["source"], files["noisy"], "--metrics", "vmaf,vmaf_neg", "--json").stdout)
    assert 0 <= found["vmaf"] <= 100 and 0 <= found["vmaf_neg"] <= 100 and found["vmaf"] != found["vmaf_neg"]
    assert found["details"]["vmaf_neg"]["version"] == "vmaf_v0.6.1neg" and found["details"]["vmaf"]["frames"] == 8


def test_of_a_longer_video_the_rest_is_left_out_and_a_note_says_so(files):
    done = run(files["source"], files["short"], "--metrics", "psnr,vmaf", "--json")
    found = json.loads(done.stdout)
    assert found["frames"] == 7 and found["details"]["psnr_db"]["frames"] == 7 and "8 and 7" in found["absent"]["vmaf"]
    assert "8 frames against 7" in done.stderr


def test_other_sizes_and_unknown_names_are_refused(files, tmp_path):
    assert isinstance(run(files["source"], files["small"]).exception, InputError)
    assert "64x64" in str(run(files["source"], files["small"]).exception)
    assert isinstance(run(files["source"], files["noisy"], "--metrics", "psnrr").exception, ConfigError)
    assert isinstance(run(files["source"], tmp_path / "none.mp4").exception, InputError)
