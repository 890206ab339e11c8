"""What it costs to recognise: ``python benchmarks/recognition.py MEDIA [--clips 30]``.

Milliseconds of the processor, one thread, for the middle frame of each clip (evenly many of them, by name), the best of
three looks: detector by the longer side of what its network sees, and classifier. Beside it how many things it finds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from lgvsc.core.video import Pixels, VideoReader
from lgvsc.models.catalog import load
from lgvsc.semantics.backends.compact.detector import INPUT_SIDE, LEAST_SCORE

SIDES = (256, INPUT_SIDE, 512)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("media", type=Path, help="folder of clips")
    parser.add_argument("--clips", type=int, default=30)
    given = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    paths = sorted(given.media.glob("*.mp4"))
    pictures = [middle(path) for path in paths[:: max(1, len(paths) // given.clips)][: given.clips]]
    detector, classifier = load("compact-detector"), load("compact-classifier")
    print(f"{len(pictures)} pictures{'ms, median':>22}{'ms, worst':>12}{'things':>9}")
    for side in SIDES:
        detector.input_side = side
        found = [timed(lambda picture=picture: detector.detect(picture, LEAST_SCORE)) for picture in pictures]
        show(f"detector at {side}", [ms for ms, _ in found], sum(len(things) for _, things in found))
    show("classifier", [timed(lambda picture=picture: classifier.look(picture))[0] for picture in pictures])


def middle(path: Path) -> Pixels:
    """The frame in the middle of a clip."""
    with VideoReader(path) as reader:
        frames = [frame.pixels for frame in reader]
    return frames[len(frames) // 2]


def timed(look: Callable[[], Any]) -> tuple[float, Any]:
    """Milliseconds of the best of three, and what was found."""
    spent = []
    for _ in range(3):
        start = time.process_time()
        found = look()
        spent.append(1e3 * (time.process_time() - start))
    return min(spent), found


def show(name: str, ms: list[float], things: int | None = None) -> None:
    print(f"{name:<20}{np.median(ms):>14.0f}{max(ms):>12.0f}{'' if things is None else things:>9}", flush=True)


if __name__ == "__main__":
    main()
