"""What is written plays everywhere, says its colours, and is the same every time."""

import hashlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from lgvsc.core.video import Video, VideoFormat, VideoReader, VideoWriter, read_video, write_video
from lgvsc.errors import ConfigError


def moving(count, height, width):
    y, x = np.mgrid[0:height, 0:width]
    waves = [
        np.stack([128 + 100 * np.sin((x + 3 * t) / 17), 128 + 90 * np.cos((y + t) / 9), 0 * x + 90.0], -1)
        for t in range(count)
    ]
    return np.stack(waves).astype(np.uint8)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".m4v", ".MP4"])
def test_equal_frames_give_equal_bytes(tmp_path, suffix):
    frames, seen = moving(50, 45, 66), set()
    for _ in range(3):
        path = tmp_path / f"a{suffix}"
        with VideoWriter(path, VideoFormat(45, 66, Fraction(30)), metadata={"comment": "c"}) as writer:
            for pixels in frames:
                writer.write(pixels)
            writer.describe(lgvsc_provenance="[1]")
        seen.add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(seen) == 1
    back = read_video(path)
    assert back.frames.shape == frames.shape and back.fps == 30
    assert np.abs(back.frames.astype(int) - frames).mean() < 6


@pytest.mark.parametrize(("height", "matrix"), [(720, 1), (718, 6)])
def test_colours_are_tagged_as_they_are_written(tmp_path, height, matrix):
    colour = np.zeros((2, height, 64, 3), np.uint8) + np.array([13, 222, 12], np.uint8)
    write_video(tmp_path / "c.mp4", Video(colour, Fraction(10)))
    with av.open(str(tmp_path / "c.mp4")) as file:
        context = file.streams.video[0].codec_context
        assert (context.profile, context.pix_fmt) == ("High", "yuv420p")
        assert (context.colorspace, context.color_range, context.color_primaries) == (matrix, 1, 1)
        luma = next(file.decode(video=0)).to_ndarray()[height // 2, 32]
    red, blue = (0.2126, 0.0722) if matrix == 1 else (0.299, 0.114)
    assert abs(luma - (16 + 219 / 255 * (red * 13 + (1 - red - blue) * 222 + blue * 12))) <= 1.5
    assert np.abs(read_video(tmp_path / "c.mp4").frames[0, 5, 5].astype(int) - (13, 222, 12)).max() <= 4


def test_four_four_four_is_an_option_and_the_index_comes_first(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", VideoFormat(33, 35, Fraction(10)), pixel_format="yuv444p") as writer:
        for pixels in moving(3, 33, 35):
            writer.write(pixels)
    with av.open(str(tmp_path / "a.mp4")) as file:
        context = file.streams.video[0].codec_context
        assert (context.pix_fmt, context.width, context.height) == ("yuv444p", 35, 33)
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_a_suffix_that_names_no_container_is_refused_with_the_list(tmp_path):
    for name in ("a.webm", "a.avi", "a"):
        with pytest.raises(ConfigError, match=r"\.mp4, \.m4v, \.mov, \.mkv"):
            VideoWriter(tmp_path / name, VideoFormat(16, 16, Fraction(10)))
    assert list(tmp_path.iterdir()) == []


def test_names_that_look_like_protocols_and_options_are_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("2024-11-28T12:34:56.mp4", "-dash.mp4", "concat:a|b.mp4", "100%03d.mp4"):
        write_video(Path(name), Video(moving(2, 16, 16), Fraction(10)))
        assert read_video(Path(name)).frames.shape == (2, 16, 16, 3)


@pytest.mark.parametrize("rate", ["1/10", "24000/1001", "240", "1000"])
def test_rates_are_kept(tmp_path, rate):
    write_video(tmp_path / "r.mp4", Video(moving(4, 16, 16), Fraction(rate)))
    with VideoReader(tmp_path / "r.mp4") as reader:
        assert reader.format.fps == Fraction(rate) and reader.notes == []


def test_a_file_that_was_cut_off_gives_all_that_decodes(tmp_path):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (30, 64, 96, 3), dtype=np.uint8)
    write_video(tmp_path / "w.mp4", Video(noise, Fraction(15)))
    data = (tmp_path / "w.mp4").read_bytes()
    (tmp_path / "t.mp4").write_bytes(data[: len(data) * 6 // 10])
    with VideoReader(tmp_path / "t.mp4") as reader:
        count = sum(1 for _ in reader)
        assert 14 <= count < 30 and reader.format.frames == count and reader.format.fps == 15
        assert reader.damage and reader.damage in reader.notes
