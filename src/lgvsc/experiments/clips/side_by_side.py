"""Source and rebuilt videos in one picture, each with its name above it, for people to look at."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from lgvsc.core.video import Frame, Pixels, VideoReader, VideoWriter

MAX_TILE = 320  # pixels of the longer side
LABEL_HEIGHT = 20
COLUMNS = 3
GAP = 4
COMMENT = "Comparison by lgvsc: a source beside what receivers rebuilt of it, some of it generated content."


def write_side_by_side(path: Path, videos: Sequence[tuple[str, Path]]) -> None:
    """Write a video that shows several at once, in a grid three wide. Its metadata say that it is a comparison.

    Args:
        path: Where it goes.
        videos: Label and file. The first one, the source, gives rate and length; a shorter one stands still at its end.

    Raises:
        InputError: One of the files is no video.
    """
    with ExitStack() as stack:
        readers = [stack.enter_context(VideoReader(file)) for _, file in videos]
        shape = readers[0].format
        scale = min(1.0, MAX_TILE / max(shape.height, shape.width))
        size = round(shape.width * scale), round(shape.height * scale)
        frames = [iter(reader) for reader in readers]
        shown: list[Pixels] = [np.zeros((size[1], size[0], 3), np.uint8)] * len(videos)
        writer: VideoWriter | None = None
        while (first := next(frames[0], None)) is not None:
            now: list[Frame | None] = [first, *(next(other, None) for other in frames[1:])]
            shown = [fitted(frame.pixels, size) if frame else old for frame, old in zip(now, shown, strict=True)]
            picture = grid([labelled(tile, label) for tile, (label, _) in zip(shown, videos, strict=True)])
            if writer is None:
                height, width = picture.shape[:2]
                shape = replace(shape, height=height, width=width)
                writer = stack.enter_context(VideoWriter(path, shape, metadata={"comment": COMMENT}))
            writer.write(picture)


def fitted(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """A picture in a tile's size ``(width, height)``."""
    if (pixels.shape[1], pixels.shape[0]) == size:
        return pixels
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def labelled(tile: Pixels, label: str) -> Pixels:
    """A tile under its label, white on black."""
    strip = np.zeros((LABEL_HEIGHT, tile.shape[1], 3), np.uint8)
    scale = 0.4
    while scale > 0.2 and cv2.getTextSize(label, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)[0][0] > tile.shape[1] - 6:
        scale -= 0.02
    cv2.putText(strip, label, (3, 14), cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), 1, cv2.LINE_AA)
    return np.concatenate([strip, tile])


def grid(tiles: Sequence[Pixels]) -> Pixels:
    """Tiles in rows, with gaps, of even height and width."""
    height, width = tiles[0].shape[:2]
    columns = min(COLUMNS, len(tiles))
    rows = -(-len(tiles) // columns)
    whole = (rows * (height + GAP) - GAP, columns * (width + GAP) - GAP)
    canvas = np.full((whole[0] + whole[0] % 2, whole[1] + whole[1] % 2, 3), 32, np.uint8)
    for index, tile in enumerate(tiles):
        y, x = index // columns * (height + GAP), index % columns * (width + GAP)
        canvas[y : y + height, x : x + width] = tile
    return canvas
