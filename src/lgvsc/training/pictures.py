"""Pictures to train on, kept in memory, and those that are never trained on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from lgvsc.core.video import Pixels, VideoReader
from lgvsc.errors import InputError

STILLS = (".jpg", ".jpeg", ".png", ".webp")
CLIPS = (".mp4", ".mkv", ".webm", ".mov")
HELD_OUT_FOLDERS = ("bsds_test", "kodak")
NOT_PICTURES = ("edges",)
HELD_OUT_PERCENT = 15
SCALES = (1.5, 1.0, 0.8, 0.64, 0.5)  # the first stands for pictures with more pixels, which are smoother


@dataclass(frozen=True, slots=True)
class Sources:
    """Files of a data folder, each list in the order of names.

    Attributes:
        stills: Pictures to train on.
        clips: Videos to train on.
        held_out_clips: Videos that are never trained on: a fixed part, chosen by a digest of the file's name.
    """

    stills: tuple[Path, ...]
    clips: tuple[Path, ...]
    held_out_clips: tuple[Path, ...]


def find_sources(folder: Path) -> Sources:
    """Everything to train on under a folder; sub-folders called ``bsds_test`` and ``kodak`` are left alone.

    Raises:
        InputError: There is nothing.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    stills = [
        path
        for path in files
        if path.suffix.lower() in STILLS
        and not set(path.relative_to(folder).parts[:-1]) & {*HELD_OUT_FOLDERS, *NOT_PICTURES}
    ]
    clips = [path for path in files if path.suffix.lower() in CLIPS]
    if not stills and not clips:
        raise InputError(f"{folder} holds no pictures and no videos to train on")
    return Sources(
        tuple(stills),
        tuple(path for path in clips if not held_out(path)),
        tuple(path for path in clips if held_out(path)),
    )


def held_out(path: Path, percent: int = HELD_OUT_PERCENT) -> bool:
    """Whether a clip is kept for measurement, by its name alone: the same on every machine, whatever is added.

    With more per cent more clips are kept, those of fewer among them.
    """
    return int.from_bytes(hashlib.sha256(path.name.encode()).digest()[:4], "big") % 100 < percent


def read_still(path: Path) -> Pixels:
    """A picture file as RGB.

    Raises:
        InputError: It cannot be read.
    """
    read = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if read is None:
        raise InputError(f"{path} is not a picture that can be read")
    return np.asarray(cv2.cvtColor(read, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def spread_frames(path: Path, count: int) -> list[Pixels]:
    """``count`` frames of a clip, evenly spread, the ends left out."""
    with VideoReader(path) as video:
        frames = [frame.pixels for frame in video]
    return [frames[int((i + 0.5) * len(frames) / count)] for i in range(count)] if frames else []


def square(picture: Pixels, side: int) -> Pixels:
    """The centre of a picture whose short side is scaled to ``side``."""
    height, width = picture.shape[:2]
    scale = side / min(height, width)
    size = (max(side, round(width * scale)), max(side, round(height * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    scaled = cv2.resize(picture, size, interpolation=how) if size != (width, height) else picture
    top, left = (size[1] - side) // 2, (size[0] - side) // 2
    return np.ascontiguousarray(scaled[top : top + side, left : left + side])


class PicturePool:
    """Pictures at several scales, from which crops are drawn.

    Args:
        pictures: uint8 RGB. Scales at which a picture's short side is below ``side`` are left out.
        side: Of the square crops.
        scales: Factors on their size; ``None`` takes :data:`SCALES`.
    """

    def __init__(self, pictures: Iterable[Pixels], side: int, scales: Sequence[float] | None = None) -> None:
        self._side = side
        self._pictures: list[Pixels] = []
        for picture in pictures:
            for scale in SCALES if scales is None else scales:
                size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
                how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
                if min(size) >= side:
                    self._pictures.append(
                        picture if scale == 1 else np.asarray(cv2.resize(picture, size, interpolation=how))
                    )
        if not self._pictures:
            raise InputError(f"no picture has a short side of {side} pixels or more")

    def __len__(self) -> int:
        return len(self._pictures)

    def draw(self, count: int, generator: np.random.Generator) -> Tensor:
        """Random crops, flipped and transposed at random, float ``(count, 3, side, side)`` in [0, 1]."""
        return torch.stack([self._crop(generator) for _ in range(count)]).float() / 255

    def _crop(self, generator: np.random.Generator) -> Tensor:
        picture = self._pictures[int(generator.integers(len(self._pictures)))]
        top = int(generator.integers(picture.shape[0] - self._side + 1))
        left = int(generator.integers(picture.shape[1] - self._side + 1))
        crop = picture[top : top + self._side, left : left + self._side]
        turn = int(generator.integers(8))
        if turn & 1:
            crop = crop[:, ::-1]
        if turn & 2:
            crop = crop[::-1]
        if turn & 4:
            crop = crop.swapaxes(0, 1)
        return torch.from_numpy(np.ascontiguousarray(crop)).permute(2, 0, 1)


def training_pictures(sources: Sources, frames_per_clip: int) -> Iterator[Pixels]:
    """Stills, then frames of clips."""
    for path in sources.stills:
        yield read_still(path)
    for path in sources.clips:
        yield from spread_frames(path, frames_per_clip)


def as_batch(pictures: Sequence[Pixels]) -> Tensor:
    """Pictures of one size as float ``(B, 3, H, W)`` in [0, 1]."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255
