"""Windows of clips to train the world model on: what the receiver would know of a few frames, and the frames.

Keyframes are what a channel leaves of them, not what the camera saw. A window may have lost its last keyframe, its
first, or both, as segments do.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import child_generator
from lgvsc.core.interfaces import Conditions, PictureCodec
from lgvsc.core.message import Motion
from lgvsc.core.video import Frame, Pixels, VideoFormat, VideoReader
from lgvsc.errors import ConfigError
from lgvsc.nets.compact_world import Scene
from lgvsc.semantics.backends.compact_captioner import CompactCaptioner
from lgvsc.semantics.cuts import CutDetector
from lgvsc.semantics.motion import MotionMeter
from lgvsc.world.backends.compact_world import hashed_words, situation_of
from lgvsc.world.backends.interpolation import views

FRAMES = 5  # of a window that are kept, evenly spread
SIDE = 192  # of the square that is kept, in pixels
GAPS = (8, 64)  # frames between keyframes, drawn log-uniformly
LOST = (*7 * ("none",), "last", "first", "both")
CAPTION_BYTES = 160


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A few frames between two keyframes; pictures are squares of ``SIDE``.

    Attributes:
        truth: uint8 ``(FRAMES, SIDE, SIDE, 3)``.
        candidates: uint8 ``(FRAMES, SIDE, SIDE, 15)``, as :class:`lgvsc.nets.compact_world.Scene` has them.
        trust: uint8 ``(FRAMES, SIDE, SIDE)``, 255 where the flow is believed.
        situation: float32 ``(FRAMES, 10)``.
        words: int64, hashed.
    """

    truth: NDArray[np.uint8]
    candidates: NDArray[np.uint8]
    trust: NDArray[np.uint8]
    situation: NDArray[np.float32]
    words: NDArray[np.int64]


def windows_of(clip: Path, count: int, codec: PictureCodec, generator: np.random.Generator) -> Iterator[Window]:
    """Windows of one clip that no hard cut falls into, fewer where it is too short."""
    cuts, captioner = CutDetector(), CompactCaptioner()
    with VideoReader(clip) as reader:
        frames = list(reader)
        video = reader.format
    shots = np.cumsum([cuts(frame) for frame in frames])
    for _ in range(count):
        gap = round(float(np.exp(generator.uniform(np.log(GAPS[0]), np.log(GAPS[1])))))
        gap = min(gap, len(frames) - 1)
        start = int(generator.integers(0, len(frames) - gap))
        if gap >= 4 and shots[start] == shots[start + gap]:
            yield window_of(frames[start : start + gap + 1], video, codec, captioner, generator)


def window_of(
    run: list[Frame], video: VideoFormat, codec: PictureCodec, captioner: CompactCaptioner, rng: np.random.Generator
) -> Window:
    """Frames from keyframe to keyframe, as the far end knows them."""
    gap = len(run) - 1
    lost = LOST[int(rng.integers(len(LOST)))]
    motion = measured(run, video)
    caption = captioner.caption([run[0], run[gap // 2], run[-1]], motion, CAPTION_BYTES)
    conditions = Conditions(
        video=video,
        start=0,
        stop=gap,
        first=None if lost in ("first", "both") else behind_a_channel(run[0].pixels, codec, rng),
        last=None if lost in ("last", "both") else behind_a_channel(run[-1].pixels, codec, rng),
        last_index=gap,
        caption=caption,
        motion=motion if rng.random() < 0.9 else None,
        cut=None,
        latent_frames=1,
        seed=int(rng.integers(2**31)),
    )
    places = np.unique(np.rint((np.arange(FRAMES) + rng.uniform(0.1, 0.9)) / FRAMES * gap).astype(int).clip(1, gap - 1))
    places = np.sort(np.concatenate([places, rng.integers(1, gap, FRAMES - len(places))]))
    known = views(conditions)
    top, left = (int(rng.integers(0, side - SIDE + 1)) for side in (video.height, video.width))
    area = (slice(top, top + SIDE), slice(left, left + SIDE))
    candidates, trusts = [], []
    for index in places.tolist():
        view = known(index)
        first = view.mixed if conditions.first is None else conditions.first
        last = view.mixed if conditions.last is None else conditions.last
        pictures = (view.first, view.last, first, last, view.mixed)
        candidates.append(np.concatenate([picture[area] for picture in pictures], axis=2))
        trusts.append(cv2.resize(view.trust, (video.width, video.height))[area])
    return Window(
        truth=np.stack([run[index].pixels[area] for index in places]),
        candidates=np.stack(candidates),
        trust=np.rint(255 * np.stack(trusts)).astype(np.uint8),
        situation=np.array([situation_of(conditions, index) for index in places.tolist()], np.float32),
        words=hashed_words(caption).numpy(),
    )


def measured(run: list[Frame], video: VideoFormat) -> Motion:
    meter = MotionMeter(video.fps)
    for frame in run:
        meter.add(frame)
    return meter.measure()


def behind_a_channel(picture: Pixels, codec: PictureCodec, rng: np.random.Generator) -> Pixels:
    """What a keyframe may look like at the far end: coded by us and noisy, coded by others, or untouched."""
    kind = rng.random()
    if kind < 0.5:
        snr_db, cbr = rng.uniform(0, 15), np.exp(rng.uniform(np.log(0.008), np.log(0.04)))
        coded = codec.encode(picture, max_symbols=int(cbr * picture.size), snr_db=snr_db)
        noise = child_generator(int(rng.integers(2**31)), "keyframe")
        received = AwgnChannel(snr_db, noise)(coded.symbols)
        decoded = codec.decode(received, coded.length, coded.mode, *picture.shape[:2])
        return picture if decoded is None else decoded
    if kind < 0.8:
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "AVIF", quality=int(rng.integers(8, 50)), speed=8, max_threads=1)
        return np.asarray(Image.open(file).convert("RGB"))
    return picture


class WindowPool:
    """Windows in memory, from which batches are drawn. Squares of ``crop`` are cut from them, turned and reversed."""

    def __init__(self, windows: Iterable[Window], crop: int) -> None:
        self._windows = list(windows)
        self._crop = crop
        if not self._windows:
            raise ConfigError("there is no window to train on: clips need 5 frames or more, and 192 pixels a side")
        if crop > SIDE or crop % 32:
            raise ConfigError(f"a crop of {crop} is no multiple of 32 up to {SIDE}")

    def __len__(self) -> int:
        return len(self._windows)

    def draw(self, count: int, rng: np.random.Generator, *, whole: bool = True) -> tuple[Tensor, Scene, Tensor]:
        """``count`` windows: all their frames in order, or one of each.

        Returns:
            True frames ``(n, 3, crop, crop)``, their scenes, and the words of each window ``(count, m)``.
        """
        drawn = [self._one(rng) for _ in range(count)]
        if not whole:
            picks = [slice(pick, pick + 1) for pick in rng.integers(FRAMES, size=count).tolist()]
            drawn = [(*(part[pick] for part in one[:4]), one[4]) for one, pick in zip(drawn, picks, strict=True)]
        truth, candidates, maps, situation, words = (np.concatenate(part) for part in zip(*drawn, strict=True))
        scene = Scene(pictures(candidates) / 255, pictures(maps) / 255, torch.from_numpy(situation))
        return pictures(truth) / 255, scene, torch.from_numpy(words).view(count, -1)

    def _one(self, rng: np.random.Generator) -> tuple[NDArray[np.generic], ...]:
        window = self._windows[int(rng.integers(len(self._windows)))]
        top, left = (int(rng.integers(SIDE - self._crop + 1)) for _ in range(2))
        area = (slice(None), slice(top, top + self._crop), slice(left, left + self._crop))
        truth, candidates, trust = window.truth[area], window.candidates[area], window.trust[area][..., None]
        situation = window.situation.copy()
        if rng.random() < 0.5:  # mirrored: what went right goes left
            truth, candidates, trust = (x[:, :, ::-1] for x in (truth, candidates, trust))
            situation[:, 4] *= -1
        if rng.random() < 0.5:  # reversed: time runs backwards
            truth, candidates, trust = (x[::-1] for x in (truth, candidates, trust))
            candidates = candidates[..., [3, 4, 5, 0, 1, 2, 9, 10, 11, 6, 7, 8, 12, 13, 14]]
            situation = situation[::-1].copy()
            situation[:, 0] = 1 - situation[:, 0]
            situation[:, 4:7] *= -1
            situation[:, [7, 8]] = situation[:, [8, 7]]
        maps = np.concatenate([trust, np.zeros_like(trust)], axis=3)
        return truth, candidates, maps, situation, window.words


def pictures(array: NDArray[np.generic]) -> Tensor:
    """``(B, H, W, C)`` bytes as float ``(B, C, H, W)`` in channels-last order."""
    return torch.from_numpy(np.ascontiguousarray(array)).permute(0, 3, 1, 2).float()
