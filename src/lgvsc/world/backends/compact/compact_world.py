"""The compact world model at work: motion compensation, then a small generator on top of it."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import ClassVar, Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lgvsc.core.interfaces import Conditions
from lgvsc.core.processor import native_bfloat16
from lgvsc.core.video import Pixels
from lgvsc.models.weights import read_network
from lgvsc.nets.compact_world import BLOCK, NEARNESS, RAMP, WORDS, CompactWorld, CompactWorldConfig, Scene, dream
from lgvsc.world.backends.compact.between import Views
from lgvsc.world.backends.compact.interpolation import carried, views
from lgvsc.world.backends.compact.painter import Painting

FRAMES_PER_LATENT = 4
BATCH = 4  # frames painted at a time
DREAM_STEPS = 4
MAX_WORDS = 48
# What is lost in weighing candidates comes back by a little sharpening, the more the farther the keyframes lie apart.
SHARPENING, SHARP_FROM, SHARP_FULL = 0.1, 4, 32  # of what a blur of 0.8 pixels takes away; frames
SHARP_RADIUS = 0.8


class CompactWorldModel:
    """Frames between keyframes by a generator trained on top of motion compensation.

    Across a hard cut it does not dream: either side holds its own picture, or is made from its own sketches.

    Args:
        net: Trained network.
        temperature: Of the noise that dreams begin with: 0 makes the frames that are right on average, 1 those
            that look most like video.
        precision: Of the convolutions. ``auto`` takes bfloat16 where the processor multiplies it natively, a third
            faster; frames then differ by a level here and there from those of another machine.
    """

    name = "compact-world"
    takes_sketches: ClassVar[bool] = True

    def __init__(
        self,
        net: CompactWorld,
        temperature: float = 0.5,
        precision: Literal["auto", "float32", "bfloat16"] = "auto",
    ) -> None:
        self.net = net.eval()
        self.temperature = temperature
        self.bfloat16 = native_bfloat16() if precision == "auto" else precision == "bfloat16"

    def latent_frames(self, frames: int) -> int:
        """A quarter of the frames, rounded up."""
        return -(-frames // FRAMES_PER_LATENT)

    def generate(self, conditions: Conditions) -> Iterator[Pixels]:
        """Exactly ``stop - start`` frames, uint8 ``(H, W, 3)``, one by one."""
        c = conditions
        known = views(c)
        if c.cut is not None and c.cut > c.start:
            for side in sides_of_cut(c):
                if side.sketches:
                    yield from self.generate(side)
                else:
                    yield from (known(index).mixed for index in range(side.start, side.stop))
            return
        latents = self._dream(c)
        for start in range(c.start, c.stop, BATCH):
            indices = range(start, min(start + BATCH, c.stop))
            scene = scene_of(c, [known(index) for index in indices], indices)
            latent = torch.stack([between(latents, latent_place(c, index, len(latents))) for index in indices])
            with torch.inference_mode(), self._autocast():
                frames = self.net.painter(scene, latent)
            for index, frame in zip(indices, frames.permute(0, 2, 3, 1).numpy(), strict=True):
                yield to_picture(sharpened(frame, sharpening(c, index)), c.video.height, c.video.width)

    def _autocast(self) -> torch.autocast:
        return torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16)

    def _dream(self, c: Conditions) -> Tensor:
        """Latents of the segment, ``(T, latent, h, w)``, equal for equal seeds."""
        net, count = self.net, c.latent_frames
        indices = [c.start + int((k + 0.5) * (c.stop - c.start) / count) for k in range(count)]
        known = views(c)
        seen, situations = [], []
        with torch.inference_mode(), self._autocast():
            for start in range(0, count, BATCH):
                batch = indices[start : start + BATCH]
                scene = scene_of(c, [known(index) for index in batch], batch)
                seen.append(net.painter.look(scene)[-1].float())
                situations.append(scene.situation)
            generator = torch.Generator().manual_seed(c.seed)
            shape = (count, net.config.latent, *seen[0].shape[2:])
            noise = self.temperature * torch.randn(shape, generator=generator)
            words = hashed_words(c.caption)
            return dream(net.dreamer, torch.cat(seen), torch.cat(situations), words, noise, steps=DREAM_STEPS).float()


def sides_of_cut(c: Conditions) -> list[Conditions]:
    """What is known before a hard cut, and what after it. Motion is known of both together only."""
    cut = min(c.cut or c.stop, c.stop)
    before = replace(c, stop=cut, last=None, last_index=cut, sketches=tuple(s for s in c.sketches if s[0] < cut))
    after = replace(c, start=cut, first=None, sketches=tuple(s for s in c.sketches if s[0] >= cut))
    return [
        replace(side, cut=None, motion=None, latent_frames=-(-(side.stop - side.start) // FRAMES_PER_LATENT))
        for side in (before, after)
        if side.stop > side.start
    ]


def scene_of(c: Conditions, known: Sequence[Views], indices: Sequence[int]) -> Scene:
    """What the networks are told of frames, one batch entry each."""
    height, width = c.video.height, c.video.width
    candidates, maps, situations = [], [], []
    painted = colours_at(c)
    for view, index in zip(known, indices, strict=True):
        pictures = candidates_of(c, view, painted(index))
        trust = cv2.resize(view.trust, (width, height), interpolation=cv2.INTER_LINEAR)
        candidates.append(padded(pictures).astype(np.float32) / 255)
        drawn, near = sketches_of(c, index)
        maps.append(padded(np.concatenate([trust[..., None], drawn.astype(np.float32) / 255], axis=2)))
        situations.append(situation_of(c, index) + near)
    return Scene(to_tensor(candidates), to_tensor(maps), torch.tensor(situations))


def colours_at(c: Conditions) -> Callable[[int], Pixels | None]:
    """What a received colour layout tells of each frame, by its index; ``None`` where none was received."""
    if c.colours is None:
        return lambda index: None
    painting = Painting(None, c.motion, c.video, c.stop - c.start, c.seed, c.colours)
    return lambda index: painting.at(index - c.start)


def candidates_of(c: Conditions, view: Views, painted: Pixels | None) -> Pixels:
    """The five pictures of ``Scene.candidates``, uint8 ``(H, W, 15)``.

    A missing keyframe is stood in for by ``painted``, or else by the best guess from the other one.
    """
    instead = view.mixed if painted is None else painted
    first, moved_first = (instead, instead) if c.first is None else (c.first, view.first)
    last, moved_last = (instead, instead) if c.last is None else (c.last, view.last)
    return np.concatenate([moved_first, moved_last, first, last, view.mixed], axis=2)


def sketches_of(c: Conditions, index: int) -> tuple[Pixels, list[float]]:
    """The sketches last before and first after a frame, moved to it as the camera moved.

    Returns:
        uint8 ``(H, W, 2)``, and how near in time each is: 1 for the frame's own, which is both, and 0 for none.
    """
    span = max(1, c.last_index - c.start)
    drawn, near = np.zeros((c.video.height, c.video.width, 2), np.uint8), [0.0, 0.0]
    before = max((sketch for sketch in c.sketches if sketch[0] <= index), key=itemgetter(0), default=None)
    after = min((sketch for sketch in c.sketches if sketch[0] >= index), key=itemgetter(0), default=None)
    for side, sketch in enumerate((before, after)):
        if sketch is not None:
            place, picture = sketch
            drawn[..., side] = carried(picture, c.motion, (index - place) / span)
            near[side] = 1 / (1 + NEARNESS * abs(index - place) / float(c.video.fps))
    return drawn, near


def situation_of(c: Conditions, index: int) -> list[float]:
    """The numbers of ``Scene.situation`` but those of the sketches."""
    span = max(1, c.last_index - c.start)
    m = c.motion
    moved = (0.0, 0.0, 0.0, 0.0) if m is None else (m.score / 10, m.pan, m.tilt, m.zoom)
    there = (float(c.first is not None), float(c.last is not None))
    return [(index - c.start) / span, span / 64, span / float(c.video.fps), *moved, *there]


def latent_place(c: Conditions, index: int, count: int) -> float:
    """Where a frame lies among ``count`` latent frames."""
    return (index + 0.5 - c.start) / (c.stop - c.start) * count - 0.5


def between(latents: Tensor, place: float) -> Tensor:
    """The latent at a place between two latent frames."""
    place = min(max(place, 0.0), len(latents) - 1.0)
    low = min(int(place), max(0, len(latents) - 2))
    return torch.lerp(latents[low], latents[min(low + 1, len(latents) - 1)], place - low)


def hashed_words(caption: str | None) -> Tensor:
    """Words of a caption as numbers, int64 ``(MAX_WORDS,)``; a digest, so that any word has one."""
    words = re.findall(r"[a-z]+", (caption or "").lower())[:MAX_WORDS]
    numbers = [zlib.crc32(word.encode()) % WORDS for word in words]
    return torch.tensor(numbers + [WORDS] * (MAX_WORDS - len(numbers)))


def padded(picture: np.ndarray) -> np.ndarray:
    """Edges carried on to multiples of ``BLOCK``."""
    height, width = picture.shape[:2]
    return np.pad(picture, ((0, -height % BLOCK), (0, -width % BLOCK), (0, 0)), mode="edge")


def to_tensor(pictures: Sequence[np.ndarray]) -> Tensor:
    """Pictures of one size as a batch ``(n, channels, H, W)``, channels last in memory."""
    batch = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
    return batch.contiguous(memory_format=torch.channels_last)


def sharpening(c: Conditions, index: int) -> float:
    """How much a frame is sharpened: not at all at a keyframe, nor where there is none."""
    span = max(1, c.last_index - c.start)
    time = (index - c.start) / span
    away = min([abs(time - place) for place, there in ((0, c.first), (1, c.last)) if there is not None], default=0.0)
    far = min(1.0, max(0.0, (span - SHARP_FROM) / (SHARP_FULL - SHARP_FROM)))
    return SHARPENING * min(1.0, RAMP * away) * far**1.5


def sharpened(frame: NDArray[np.float32], amount: float) -> NDArray[np.float32]:
    """The frame with what a blur would take away put on top, ``(H, W, 3)``."""
    if amount == 0:
        return frame
    blurred = cv2.GaussianBlur(frame, (0, 0), SHARP_RADIUS)
    return np.asarray(cv2.addWeighted(frame, 1 + amount, blurred, -amount, 0), np.float32)


def to_picture(frame: NDArray[np.float32], height: int, width: int) -> Pixels:
    """uint8 ``(H, W, 3)`` from a frame in [0, 1]."""
    levels = np.clip(np.rint(frame[:height, :width] * 255), 0, 255)
    return np.ascontiguousarray(levels.astype(np.uint8))


def load(data: bytes) -> CompactWorldModel:
    """The world model with the weights of an asset.

    Raises:
        InputError: These are not weights of this network.
    """
    net = read_network(
        data, "a compact world model", lambda stated: CompactWorld(CompactWorldConfig.from_json(stated["config"]))
    )
    for parameter in net.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return CompactWorldModel(net)
