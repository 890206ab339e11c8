"""The page of a study with people: pairs of videos under random names; nothing in it tells who made what."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import av
import cv2
import numpy as np

from lgvsc.core.video import Frame, Pixels, VideoReader
from lgvsc.ui.clips import video_frame
from lgvsc.ui.report import asset

RUINED_TO = 12  # pixels on the short side, of a check's ruin
CRF = "14"  # of what has to be encoded anew: beyond what eyes tell


def study_page(
    study: str, question: str, pairs: list[dict[str, object]], videos: Mapping[str, bytes], most: int = 0
) -> str:
    """The page.

    Args:
        study: Its name, which answers carry.
        question: What people are asked.
        pairs: ``first`` and ``second``, names of videos; ``always`` where everybody is shown it.
        videos: MP4 that a browser plays, by name.
        most: Pairs, besides those shown always, that one participant sees; 0 for all.
    """
    data = {
        "study": study,
        "question": question,
        "pairs": pairs,
        "most": most,
        "videos": {name: base64.b64encode(video).decode() for name, video in videos.items()},
    }
    script = asset("study.js")
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    island = json.dumps(data).replace("<", "\\u003c")  # or words could end the script
    return asset("study.html").replace("@HASH@", allowed).replace("@SCRIPT@", script).replace("@DATA@", island)


def playable(path: Path) -> bytes:
    """The video as a browser plays it: the file itself where it is H.264, 4:2:0, in MP4; else encoded anew.

    Raises:
        InputError: The file is no video.
    """
    with VideoReader(path):
        pass  # or the error would be a library's
    with av.open(path) as container:
        codec = container.streams.video[0].codec_context
        if "mp4" in container.format.name.split(",") and (codec.name, codec.pix_fmt) == ("h264", "yuv420p"):
            return path.read_bytes()
    return encoded(path, lambda pixels: pixels)


def ruin(path: Path) -> bytes:
    """The video as nobody can like it: a dozen pixels high, enlarged."""

    def blurred(pixels: Pixels) -> Pixels:
        height, width = pixels.shape[:2]
        small = cv2.resize(pixels, (max(2, width * RUINED_TO // height), RUINED_TO), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)

    return encoded(path, blurred)


def encoded(path: Path, change: Callable[[Pixels], Pixels]) -> bytes:
    """Every frame, changed, as H.264 that any browser plays."""
    memory = io.BytesIO()
    with VideoReader(path) as reader, av.open(memory, "w", format="mp4") as container:
        shape = reader.format
        stream = container.add_stream("libx264", rate=shape.fps)
        stream.width, stream.height = (max(2, 2 * (side // 2)) for side in (shape.width, shape.height))
        stream.pix_fmt, stream.options = "yuv420p", {"crf": CRF, "preset": "veryfast"}
        for frame in reader:
            made = Frame(frame.index, change(frame.pixels))
            container.mux(stream.encode(video_frame(made, stream.width, stream.height, shape.fps)))
        container.mux(stream.encode(None))
    return memory.getvalue()
