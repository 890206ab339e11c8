"""Where each frame of a rebuilt video came from: as runs, in the file itself, in a sidecar, and on a badge."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from lgvsc.core.files import atomic_write
from lgvsc.core.files import sidecar_of as sidecar_of
from lgvsc.core.interfaces import Provenance, Rebuilt
from lgvsc.core.video import Pixels

VERSION = 1
TAG = "lgvsc_provenance"  # of the MP4's metadata
BADGE_SHARE = 0.06  # of a picture's height
BADGE_TEXT = {"generated": "GENERATED", "concealed": "CONCEALED", "missing": "MISSING"}


class ProvenanceRuns:
    """Runs ``(start, stop, origin)`` of frames with one origin, collected while a video passes."""

    def __init__(self) -> None:
        self.runs: list[tuple[int, int, Provenance]] = []

    def add(self, piece: Rebuilt) -> None:
        """Note the next piece."""
        for index, origin in enumerate(piece.provenance, piece.video.start):
            if self.runs and self.runs[-1][1:] == (index, origin):
                self.runs[-1] = (self.runs[-1][0], index + 1, origin)
            else:
                self.runs.append((index, index + 1, origin))

    def statement(self, *, generated: bool) -> dict[str, Any]:
        """All of it for machines.

        Args:
            generated: Whether a generative model made frames of the video; a video codec's are decoded.
        """
        return {
            "version": VERSION,
            "software": "lgvsc",
            "generated_content": generated,
            "frames": self.runs[-1][1] if self.runs else 0,
            "runs": [{"start": start, "stop": stop, "origin": origin} for start, stop, origin in self.runs],
        }


def write_sidecar(video: Path, statement: dict[str, Any]) -> Path:
    """Write the statement beside its video, which it names."""
    path = sidecar_of(video)
    with atomic_write(path) as file:
        file.write(json.dumps({"video": video.name, **statement}, indent=1).encode() + b"\n")
    return path


def badged(picture: Pixels, origin: Provenance) -> Pixels:
    """The picture with its origin in a corner; a received one is left as it is."""
    text = BADGE_TEXT.get(origin)
    if text is None:
        return picture
    picture = np.ascontiguousarray(picture).copy()
    height, width = picture.shape[:2]
    scale = max(0.25, BADGE_SHARE * height / 30)
    (across, up), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    margin = max(2, up // 2)
    left, base = max(0, width - across - 2 * margin), height - below - margin
    cv2.rectangle(picture, (left, base - up - margin), (width - 1, height - 1), (0, 0, 0), cv2.FILLED)
    cv2.putText(picture, text, (left + margin, base), cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), 1, cv2.LINE_AA)
    return picture
