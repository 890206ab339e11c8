"""Windows of clips to train the world model on: what the receiver would know of a few frames, and the frames.

Keyframes and sketches are what a channel leaves of them, not what the camera saw. A window may have lost its last
keyframe, its first, or both, as segments do, or never had one: GVSC sends sketches and words alone.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Self

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import child_generator
from lgvsc.coding.pictures.deepjscc import DeepJsccSketchCodec
from lgvsc.coding.words.colours import decode_colours, encode_colours
from lgvsc.core.files import atomic_write
from lgvsc.core.interfaces import Conditions, PictureCodec
from lgvsc.core.message import Motion
from lgvsc.core.video import Frame, Pixels, VideoFormat, VideoReader
from lgvsc.errors import ConfigError
from lgvsc.models.catalog import load
from lgvsc.nets.compact_world import Scene
from lgvsc.semantics.backends.compact.captioner import CompactCaptioner
from lgvsc.semantics.cuts import CutDetector
from lgvsc.semantics.encoder import cells
from lgvsc.semantics.motion import MotionMeter
from lgvsc.semantics.sketch import SketchExtractor
from lgvsc.world.backends.compact.compact_world import (
    candidates_of,
    colours_at,
    hashed_words,
    situation_of,
    sketches_of,
)
from lgvsc.world.backends.compact.interpolation import carried, views

FRAMES = 5  # of a window that are kept, evenly spread
SIDE = 192  # of the square that is kept, in pixels
GAPS = (4, 64)  # frames between keyframes, drawn log-uniformly
LOST = (*6 * ("none",), *4 * ("last",), "first", *9 * ("both",))
DRAWN = {  # how sketches are sent, beside keyframes and without them: of each frame, one in some, one in all, none
    "none": ("every", "some", "one", *7 * ("none",)),
    "last": ("every", "some", "one", "none"),
    "first": ("every", "some", "one", "none"),
    "both": (*4 * ("every",), *2 * ("some",), *3 * ("one",), "none"),
}
GVSC_FPS = 4  # at which GVSC sends sketches, eight frames at a time
CAPTION_BYTES = 160
COLOURS_SENT = 0.7  # share of the windows with a keyframe missing, of which a colour layout arrived
STILL_FRAMES = (9, 33)  # of the slow camera moves over a still picture


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A few frames between two keyframes; pictures are squares of ``SIDE``.

    Attributes:
        truth: uint8 ``(FRAMES, SIDE, SIDE, 3)``.
        candidates: uint8 ``(FRAMES, SIDE, SIDE, 15)``, as :class:`lgvsc.nets.compact_world.Scene` has them.
        maps: uint8 ``(FRAMES, SIDE, SIDE, 3)``: the flow's trust and the sketches before and after.
        situation: float32 ``(FRAMES, 11)``.
        words: int64, hashed.
    """

    truth: NDArray[np.uint8]
    candidates: NDArray[np.uint8]
    maps: NDArray[np.uint8]
    situation: NDArray[np.float32]
    words: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class WindowTools:
    """What the transmitter uses, and the codes on the way."""

    pictures: PictureCodec
    first_frames: PictureCodec
    sketches: DeepJsccSketchCodec
    extractor: SketchExtractor
    captioner: CompactCaptioner

    @classmethod
    def shipped(cls) -> Self:
        """The compact ones."""
        codecs = load("compact-ntscc"), load("compact-deepjscc-rgb"), load("compact-deepjscc-sketch")
        return cls(*codecs, load("compact-pidinet"), CompactCaptioner())


def windows_of(clip: Path, count: int, tools: WindowTools, generator: np.random.Generator) -> Iterator[Window]:
    """Windows of one clip that no hard cut falls into, fewer where it is too short."""
    cuts = CutDetector()
    with VideoReader(clip) as reader:
        frames = list(reader)
        video = reader.format
    shots = np.cumsum([cuts(frame) for frame in frames])
    for _ in range(count):
        lost = LOST[int(generator.integers(len(LOST)))]
        stride, gap = 1, round(float(np.exp(generator.uniform(np.log(GAPS[0]), np.log(GAPS[1])))))
        if lost in ("last", "both") and generator.random() < 0.5:  # as GVSC sends
            stride, gap = max(1, round(float(video.fps) / GVSC_FPS)), 8
        gap = min(gap, (len(frames) - 1) // stride)
        reach = stride * gap
        start = int(generator.integers(0, len(frames) - reach))
        if gap >= 4 and shots[start] == shots[start + reach]:
            slower = replace(video, fps=video.fps / stride)
            run = [Frame(place, frame.pixels) for place, frame in enumerate(frames[start : start + reach + 1 : stride])]
            yield window_of(run, slower, lost, tools, generator)


def window_of_still(picture: Pixels, tools: WindowTools, generator: np.random.Generator) -> Window:
    """A slow camera move over a still picture, its short side scaled to 256 pixels; most often without a keyframe."""
    scale = 256 / min(picture.shape[:2])
    height, width = (max(256, round(side * scale)) for side in picture.shape[:2])
    picture = np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    count = int(generator.integers(*STILL_FRAMES))
    pan, tilt, zoom = generator.normal(0, 0.04, 3)
    camera = Motion(pan=pan, tilt=tilt, zoom=zoom)
    run = [Frame(index, carried(picture, camera, index / (count - 1))) for index in range(count)]
    lost = "both" if generator.random() < 0.7 else "last"
    return window_of(run, VideoFormat(height, width, Fraction(24)), lost, tools, generator)


def window_of(run: list[Frame], video: VideoFormat, lost: str, tools: WindowTools, rng: np.random.Generator) -> Window:
    """Frames from keyframe to keyframe, as the far end knows them."""
    gap = len(run) - 1
    motion = measured(run, video)
    caption = tools.captioner.caption([run[0], run[gap // 2], run[-1]], motion, CAPTION_BYTES)
    places = np.unique(np.rint((np.arange(FRAMES) + rng.uniform(0.1, 0.9)) / FRAMES * gap).astype(int).clip(1, gap - 1))
    places = np.sort(np.concatenate([places, rng.integers(1, gap, FRAMES - len(places))]))
    way = DRAWN[lost][int(rng.integers(len(DRAWN[lost])))]
    conditions = Conditions(
        video=video,
        start=0,
        stop=gap,
        first=None if lost in ("first", "both") else behind_a_channel(run[0].pixels, tools, rng, alone=lost == "last"),
        last=None if lost in ("last", "both") else behind_a_channel(run[-1].pixels, tools, rng),
        last_index=gap,
        caption=caption,
        motion=motion if rng.random() < 0.9 else None,
        cut=None,
        latent_frames=1,
        seed=int(rng.integers(2**31)),
        sketches=tuple(sketches_sent(run, places, way, tools, rng)),
        colours=colours_sent(run) if lost != "none" and rng.random() < COLOURS_SENT else None,
    )
    known, painted = views(conditions), colours_at(conditions)
    top, left = (int(rng.integers(0, side - SIDE + 1)) for side in (video.height, video.width))
    area = (slice(top, top + SIDE), slice(left, left + SIDE))
    candidates, maps, situations = [], [], []
    for index in places.tolist():
        view = known(index)
        candidates.append(candidates_of(conditions, view, painted(index))[area])
        trust = cv2.resize(view.trust, (video.width, video.height))[area]
        drawn, near = sketches_of(conditions, index)
        maps.append(np.concatenate([np.rint(255 * trust[..., None]).astype(np.uint8), drawn[area]], axis=2))
        situations.append(situation_of(conditions, index) + near)
    return Window(
        truth=np.stack([run[index].pixels[area] for index in places]),
        candidates=np.stack(candidates),
        maps=np.stack(maps),
        situation=np.array(situations, np.float32),
        words=hashed_words(caption).numpy(),
    )


def sketches_sent(
    run: list[Frame], places: NDArray[np.int64], way: str, tools: WindowTools, rng: np.random.Generator
) -> Iterator[tuple[int, Pixels]]:
    """Sketches as they arrive: of the places themselves, of a few frames, of one, or of none. All suffer alike."""
    last = len(run) - 1
    few = rng.integers(0, last + 1, 2).tolist()
    one = [0] if rng.random() < 0.5 else few[:1]
    indices = {"every": places.tolist(), "some": [0, *few], "one": one, "none": []}[way]
    kind, snr_db, blur = rng.random(), rng.uniform(-2, 15), rng.uniform(0.3, 1.5)
    for index in sorted(set(indices)):
        sketch = tools.extractor.extract(run[index].pixels)
        if kind < 0.6:
            noise = child_generator(int(rng.integers(2**31)), "sketch")
            received = AwgnChannel(snr_db, noise)(tools.sketches.encode(sketch, snr_db))
            arrived = tools.sketches.decode(received, *sketch.shape)
            sketch = sketch if arrived is None else arrived
        elif kind < 0.8:
            sketch = np.asarray(cv2.GaussianBlur(sketch, (0, 0), blur), np.uint8)
        yield index, sketch


def measured(run: list[Frame], video: VideoFormat) -> Motion:
    """Motion of a run of frames."""
    meter = MotionMeter(video.fps)
    for frame in run:
        meter.add(frame)
    return meter.measure()


def colours_sent(run: list[Frame]) -> Pixels:
    """The colour layout of a window as it arrives."""
    mean = np.mean([cells(frame.pixels) for frame in run], axis=0)
    return decode_colours(encode_colours(np.rint(mean).astype(np.uint8)))


def behind_a_channel(picture: Pixels, tools: WindowTools, rng: np.random.Generator, *, alone: bool = False) -> Pixels:
    """What a keyframe may look like at the far end: coded by us and noisy, coded by others, or untouched.

    One ``alone`` is more often sent as GVSC sends a first frame.
    """
    kind = rng.random()
    if kind < 0.5:
        as_gvsc = alone and kind < 0.3
        codec = tools.first_frames if as_gvsc else tools.pictures
        snr_db, cbr = rng.uniform(0, 15), np.exp(rng.uniform(np.log(0.008), np.log(0.04)))
        if as_gvsc:
            snr_db, cbr = rng.uniform(-3, 12), 0.04
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


def save_windows(windows: Sequence[Window], path: Path) -> None:
    """Windows as one file; there may be none."""
    columns = {field.name: np.array([getattr(window, field.name) for window in windows]) for field in fields(Window)}
    with atomic_write(path) as file:
        np.savez(file, allow_pickle=False, **columns)


def load_windows(path: Path) -> list[Window]:
    """From :func:`save_windows`."""
    with np.load(path, allow_pickle=False) as file:
        columns = [file[field.name] for field in fields(Window)]
    return [Window(*row) for row in zip(*columns, strict=True)]


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
        truth, candidates, maps = window.truth[area], window.candidates[area], window.maps[area]
        situation = window.situation.copy()
        if rng.random() < 0.5:  # mirrored: what went right goes left
            truth, candidates, maps = (x[:, :, ::-1] for x in (truth, candidates, maps))
            situation[:, 4] *= -1
        if rng.random() < 0.5:  # reversed: time runs backwards
            truth, candidates, maps = (x[::-1] for x in (truth, candidates, maps))
            candidates = candidates[..., [3, 4, 5, 0, 1, 2, 9, 10, 11, 6, 7, 8, 12, 13, 14]]
            maps = maps[..., [0, 2, 1]]
            situation = situation[::-1].copy()
            situation[:, 0] = 1 - situation[:, 0]
            situation[:, 4:7] *= -1
            situation[:, [7, 8, 9, 10]] = situation[:, [8, 7, 10, 9]]
        return truth, candidates, maps, situation, window.words


def pictures(array: NDArray[np.generic]) -> Tensor:
    """``(B, H, W, C)`` bytes as float ``(B, C, H, W)`` in channels-last order."""
    return torch.from_numpy(np.ascontiguousarray(array)).permute(0, 3, 1, 2).float()
