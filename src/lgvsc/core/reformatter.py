"""Sizes and formats of pictures changed, one like the other."""

from __future__ import annotations

import threading
from typing import Any

import av
from av.video.reformatter import VideoReformatter


class Reformatter(threading.local):
    """``frame.reformat`` that keeps its tables for the next picture; to make them takes longer than a small picture.

    Each thread has tables of its own.
    """

    def __init__(self) -> None:
        self._kept = VideoReformatter()

    def __call__(self, frame: av.VideoFrame, **wanted: Any) -> av.VideoFrame:
        return self._kept.reformat(frame, **wanted)
