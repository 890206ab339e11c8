"""Sound files that look damaged: joined recordings, GIFs without delays, what FFmpeg reads in part."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from lgvsc.core.gif import as_shown
from lgvsc.core.video import VideoReader
from lgvsc.errors import InputError


def greys(count, first=20):
    """Pictures that can be told apart by their light."""
    return [np.full((64, 96, 3), first + 15 * index, np.uint8) for index in range(count)]


def recorded(path, pictures, codec="libx264", begins=0, kind=None):
    with av.open(str(path), "w", format=kind) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for index, pixels in enumerate(pictures, begins):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path.read_bytes()


def lights(reader):
    return [round((float(frame.pixels.mean()) - 20) / 15) for frame in reader]


@pytest.mark.parametrize("kind", ["mpegts", "mpeg"])
@pytest.mark.parametrize("begins", [(0, 0), (0, 90_000), (90_000, 0)])
def test_joined_recordings_are_no_damaged_ones(tmp_path, kind, begins):
    codec = "libx264" if kind == "mpegts" else "mpeg2video"
    pieces = [recorded(tmp_path / f"{at}", greys(12), codec, at, kind) for at in begins]
    (tmp_path / "both.ts").write_bytes(b"".join(pieces))
    with VideoReader(tmp_path / "both.ts") as reader:
        assert reader.format.fps == 25 and reader.format.frames == 24
        assert lights(reader) == 2 * list(range(12))
        assert reader.damage is None and len(reader.notes) == 1
        assert "its times jump in one place" in reader.notes[0]


def test_a_recording_with_a_hole_is_a_damaged_one_joined_or_not(tmp_path):
    random = np.random.default_rng(0)
    noise = [random.integers(0, 256, (64, 96, 3), np.uint8) for _ in range(40)]
    whole = recorded(tmp_path / "a.ts", noise)
    middle = len(whole) // 188 // 2 * 188
    holed = whole[:middle] + whole[middle + 20 * 188 :]
    for data in (holed, holed + whole, whole + holed):
        (tmp_path / "b.ts").write_bytes(data)
        with VideoReader(tmp_path / "b.ts") as reader:
            for _ in reader:
                pass
            assert reader.damage


def animation(path, **how):
    pictures = [Image.fromarray(pixels) for pixels in greys(6)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], **how)
    return path


def without_extensions(data):
    """The blocks of a GIF that are pictures."""
    at = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    kept = bytearray(b"GIF87a" + data[6:at])
    while data[at] != 0x3B:
        start, is_picture = at, data[at] == 0x2C
        flags = data[at + 9] if is_picture else 0
        at += 11 if is_picture else 2
        at += 3 << (flags & 7) + 1 if flags & 0x80 else 0
        while data[at]:
            at += data[at] + 1
        at += 1
        kept += data[start:at] if is_picture else b""
    return bytes(kept + data[at:])


@pytest.mark.parametrize(
    ("delay_ms", "fps", "told"), [(0, 10, True), (10, 10, True), (20, 50, False), (100, 10, False), (None, 10, True)]
)
def test_a_gif_without_delays_is_shown_as_in_browsers(tmp_path, delay_ms, fps, told):
    path = animation(tmp_path / "a.gif", duration=delay_ms or 0)
    if delay_ms is None:
        path.write_bytes(without_extensions(path.read_bytes()))
    with VideoReader(path) as reader:
        assert (reader.format.fps, reader.format.frames) == (fps, 6)
        assert lights(reader) == list(range(6))
        assert reader.notes == ["pictures without a delay stand for 0.1 s, as in browsers"] * told


def test_only_gifs_are_changed_and_broken_ones_never(tmp_path):
    path = animation(tmp_path / "a.gif", duration=0)
    data = path.read_bytes()
    assert as_shown(path) != data
    for cut in range(0, len(data) - 1, 7):
        path.write_bytes(data[:cut])
        as_shown(path)
    path.write_bytes(b"RIFF" + data)
    assert as_shown(path) is None


def test_transparency_that_is_not_read_is_told(tmp_path):
    path = tmp_path / "a.webm"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx-vp9", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuva420p"
        for pixels in greys(3):
            clear = np.dstack([pixels, np.zeros((64, 96), np.uint8)])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(clear, format="rgba")))
        container.mux(stream.encode(None))
    with VideoReader(path) as reader:
        assert lights(reader) == [0, 1, 2]
        assert "transparency is left out" in reader.notes[0] and len(reader.notes) == 1


def test_an_animated_webp_is_called_that(tmp_path):
    pictures = [Image.fromarray(pixels) for pixels in greys(3)]
    pictures[0].save(tmp_path / "a.webp", save_all=True, append_images=pictures[1:], duration=40)
    try:
        with VideoReader(tmp_path / "a.webp") as reader:  # of an FFmpeg that reads it
            assert lights(reader) == [0, 1, 2]
    except InputError as error:
        assert "animated WebP" in str(error)
    pictures[1].save(tmp_path / "b.webp", lossless=True)
    with VideoReader(tmp_path / "b.webp") as reader:
        assert lights(reader) == [1]
