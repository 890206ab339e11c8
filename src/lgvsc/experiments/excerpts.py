"""The beginning of a video as a file of its own, without loss, so that every scheme gets the very same pictures."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import av

from lgvsc.core.files import part_path
from lgvsc.core.video import VideoReader


def excerpt(source: Path, seconds: float, folder: Path) -> Path:
    """The first ``seconds`` of a video, coded without loss in RGB.

    A file that was made before is taken as it is. The same source, length and x264 give the same bytes, and these
    name the clip wherever noise is drawn.

    Raises:
        InputError: The source is no video.
    """
    path = folder / f"{source.stem}.{seconds:g}s.mp4"
    if path.is_file():
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
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path
