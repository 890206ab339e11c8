"""Pictures and video in a form that a browser plays from inside a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Collection
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from lgvsc.core.video import Frame, Pixels, VideoReader

MAX_SIDE = 480
MAX_SECONDS = 60.0
THUMBNAIL_WIDTH = 160
# Two minutes of video under this rate, in base64, stay under ten megabytes.
MAX_RATE = "500k"
BUFFER = "1000k"


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """The beginning of a video, encoded for a browser.

    Attributes:
        data: MP4, H.264, 4:2:0.
        frames, of_frames: How many frames are in it, and how many the file has.
        pictures: The frames that were asked for, by index, as decoded, reduced to thumbnails.
    """

    data: bytes
    frames: int
    of_frames: int
    width: int
    height: int
    fps: Fraction
    pictures: dict[int, Pixels] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        return self.frames >= self.of_frames


def browser_clip(path: Path, *, max_seconds: float = MAX_SECONDS, pictures_at: Collection[int] = ()) -> Clip:
    """Encode the first ``max_seconds`` of a file, at most 480 pixels a side.

    Raises:
        InputError: The file is no video.
    """
    pictures: dict[int, Pixels] = {}
    memory = io.BytesIO()
    with VideoReader(path) as reader:
        shape = reader.format
        scale = min(1.0, MAX_SIDE / max(shape.width, shape.height))
        width, height = (max(2, 2 * round(side * scale / 2)) for side in (shape.width, shape.height))
        limit = max(1, round(max_seconds * shape.fps))
        count = 0
        with av.open(memory, "w", format="mp4") as container:
            stream = container.add_stream("libx264", rate=shape.fps)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.options = {"crf": "21", "preset": "veryfast", "maxrate": MAX_RATE, "bufsize": BUFFER, "g": "48"}
            for frame in reader:
                if count >= limit:
                    break
                if frame.index in pictures_at:
                    pictures[frame.index] = thumbnail(frame.pixels)
                container.mux(stream.encode(video_frame(frame, width, height, shape.fps)))
                count += 1
            container.mux(stream.encode(None))
        return Clip(memory.getvalue(), count, max(count, shape.frames or 0), width, height, shape.fps, pictures)


def video_frame(frame: Frame, width: int, height: int, fps: Fraction) -> av.VideoFrame:
    pixels = frame.pixels
    if pixels.shape[:2] != (height, width):
        pixels = np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    encoded = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
    encoded.pts, encoded.time_base = frame.index, 1 / fps
    return encoded


def thumbnail(pixels: Pixels) -> Pixels:
    """The picture, at most 160 pixels wide."""
    height, width = pixels.shape[:2]
    if width <= THUMBNAIL_WIDTH:
        return pixels
    size = (THUMBNAIL_WIDTH, max(1, round(height * THUMBNAIL_WIDTH / width)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def picture_uri(pixels: Pixels) -> str:
    """A picture as a JPEG ``data:`` address."""
    bgr = cv2.cvtColor(thumbnail(pixels), cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 82])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode("ascii")
