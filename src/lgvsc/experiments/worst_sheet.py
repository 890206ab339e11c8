"""The clip that a scheme did worst on, as a sheet: a row for the source and for each scheme, columns in time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from lgvsc.core.files import atomic_write
from lgvsc.core.video import Pixels, VideoReader
from lgvsc.experiments.clips.side_by_side import MAX_TILE, fitted, labelled
from lgvsc.experiments.compare_table import Row
from lgvsc.metrics.registry import BY_COLUMN

JUDGES = ("dists", "lpips", "ms_ssim", "ssim", "psnr_db")  # the first one measured decides
INSTANTS = 4


def worst_clip(rows: Sequence[Row], scheme: str) -> tuple[str, str] | None:
    """The clip with the worst value of a scheme, and the metric that says so; ``None`` without results."""
    mine = [row for row in rows if row.name == scheme and not row.error]
    for key in JUDGES:
        known = [row for row in mine if getattr(row, key) is not None]
        if known:
            lower = BY_COLUMN[key].direction == "lower"
            return max(known, key=lambda row: getattr(row, key) if lower else -getattr(row, key)).clip, key
    return None


def write_sheet(path: Path, videos: Sequence[tuple[str, Path]]) -> None:
    """Write a PNG of some videos at four instants, evenly spread over the first one.

    Args:
        videos: Label and file; the first is the source.

    Raises:
        InputError: One of the files is no video.
    """
    with VideoReader(videos[0][1]) as reader:
        scale = min(1.0, MAX_TILE / max(reader.format.height, reader.format.width))
        size = round(reader.format.width * scale), round(reader.format.height * scale)
        count = max(1, sum(1 for _ in reader))
    instants = [(2 * place + 1) * count // (2 * INSTANTS) for place in range(INSTANTS)]
    rows = []
    for label, file in videos:
        shown = frames_at(file, instants, size)
        tiles = [labelled(tile, f"{label}, frame {at}") for tile, at in zip(shown, instants, strict=True)]
        rows.append(np.concatenate(tiles, axis=1))
    sheet = np.concatenate(rows)
    data = cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))[1].tobytes()
    with atomic_write(path) as target:
        target.write(data)


def frames_at(path: Path, instants: Sequence[int], size: tuple[int, int]) -> list[Pixels]:
    """Frames of a video at some instants in rising order, as tiles; the last one there is where it ends too early."""
    tiles: list[Pixels] = []
    last: Pixels = np.zeros((size[1], size[0], 3), np.uint8)
    with VideoReader(path) as reader:
        for frame in reader:
            while len(tiles) < len(instants) and frame.index > instants[len(tiles)]:
                tiles.append(last)
            last = fitted(frame.pixels, size)
    return tiles + [last] * (len(instants) - len(tiles))
