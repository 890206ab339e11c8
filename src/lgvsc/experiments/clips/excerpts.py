"""The beginning of a video as a file of its own, without loss, so that every scheme gets the very same pictures."""

from __future__ import annotations

from fractions import Fraction
from itertools import islice
from pathlib import Path

import av

from lgvsc.core.files import part_path
from lgvsc.core.video import OnNotes, VideoReader
from lgvsc.errors import InputError
from lgvsc.record import fingerprint
from lgvsc.training.pictures import square


def excerpt(source: Path, seconds: float, folder: Path, on_notes: OnNotes = lambda _: None) -> Path:
    """The first ``seconds`` of a video, coded without loss in RGB.

    A file that was made of it before is taken as it is. The same source, length and x264 give the same bytes, and these
    name the clip wherever noise is drawn.

    Args:
        on_notes: Called with what was changed on reading the source.

    Raises:
        InputError: The source is no video.
    """
    path = folder / f"{source.stem}.{seconds:g}s.mp4"
    if made_of(path, source):
        return path
    folder.mkdir(parents=True, exist_ok=True)
    part = part_path(path)
    try:
        with VideoReader(source) as reader, av.open(str(part), "w", format="mp4") as container:
            stream = container.add_stream("libx264rgb", rate=reader.format.fps)
            stream.width, stream.height, stream.pix_fmt = reader.format.width, reader.format.height, "rgb24"
            stream.options = {"qp": "0", "preset": "ultrafast"}
            stream.codec_context.thread_count = 1
            for frame in islice(reader, max(1, round(seconds * reader.format.fps))):
                picture = av.VideoFrame.from_ndarray(frame.pixels, format="rgb24")
                picture.pts, picture.time_base = frame.index, 1 / reader.format.fps
                container.mux(stream.encode(picture))
            container.mux(stream.encode(None))
            on_notes(reader.notes)
        part.replace(path)
        origin_of(path).write_text(fingerprint(source) + "\n", encoding="utf-8")
    finally:
        part.unlink(missing_ok=True)
    return path


def sampled(
    source: Path,
    folder: Path,
    *,
    frames: int,
    fps: int,
    side: int,
    start_s: float = 0.0,
    on_notes: OnNotes = lambda _: None,
) -> Path:
    """A few frames of a video at a rate of its own, their middle scaled to a square, coded without loss in RGB.

    A file that was made of it before is taken as it is. GVSC's clips are made like this: 8 frames of 256x256 at 4 fps.

    Args:
        start_s: Where in the source to begin.
        on_notes: Called with what was changed on reading the source.

    Raises:
        InputError: The source is no video, or too short.
    """
    at = f"@{start_s:g}" if start_s else ""
    path = folder / f"{source.stem}{at}.{frames}x{side}.{fps}fps.mp4"
    if made_of(path, source):
        return path
    folder.mkdir(parents=True, exist_ok=True)
    pictures = []
    with VideoReader(source) as reader:
        wanted = [round((start_s + index / fps) * reader.format.fps) for index in range(frames)]
        for frame in islice(reader, wanted[-1] + 1):
            pictures += [square(frame.pixels, side)] * wanted.count(frame.index)
        on_notes(reader.notes)
    if len(pictures) < frames:
        raise InputError(f"{source} has {len(pictures)} of {frames} frames at {fps} fps from {start_s:g} s on")
    part = part_path(path)
    try:
        with av.open(str(part), "w", format="mp4") as container:
            stream = container.add_stream("libx264rgb", rate=fps)
            stream.width, stream.height, stream.pix_fmt = side, side, "rgb24"
            stream.options = {"qp": "0", "preset": "ultrafast"}
            stream.codec_context.thread_count = 1
            for index, pixels in enumerate(pictures):
                picture = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                picture.pts, picture.time_base = index, Fraction(1, fps)
                container.mux(stream.encode(picture))
            container.mux(stream.encode(None))
        part.replace(path)
        origin_of(path).write_text(fingerprint(source) + "\n", encoding="utf-8")
    finally:
        part.unlink(missing_ok=True)
    return path


def made_of(path: Path, source: Path) -> bool:
    """Whether a file is there and was made of this source, not of another one of the same name."""
    if not path.is_file():
        return False
    origin = origin_of(path)
    if origin.is_file():
        return origin.read_text(encoding="utf-8").strip() == fingerprint(source)
    return path.stat().st_mtime >= source.stat().st_mtime  # of a release that did not write it down


def origin_of(path: Path) -> Path:
    """Where the digest of what a clip was made of stands."""
    return path.with_name(f"{path.name}.source")
