"""A first picture from words alone: soft patches of the right colour, size and texture, where the caption puts them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from lgvsc.core.lexicon import COLOURS, PLACES, SIZES, TEXTURES, read_regions
from lgvsc.core.message import CAMERAS, Motion
from lgvsc.core.video import Pixels, VideoFormat
from lgvsc.world.backends.compact.staging import GRAIN, Blob, stage

CANVAS = 96  # short side of what is painted, in pixels: a caption says nothing finer
MARGIN = 0.25  # painted beyond each edge, in picture sizes, for the camera to move into
GREY = (118, 118, 118)
SPEED = 0.06  # picture sizes per second that a camera word stands for where no number came with it
HINT = 0.05  # weight of what words suggest beside what was measured
OUTLINE = 0.2  # of a patch's radius: how far its outline strays from a circle

# Light and tone, for a caption that names no colours: they say all that is known.
LIGHT = {"dark": 0.35, "night": 0.3, "dim": 0.6, "bright": 1.45, "sunny": 1.4, "snow": 1.6}
TONE = {"warm": (1.12, 1.0, 0.84), "cool": (0.86, 1.0, 1.14)}

Field = NDArray[np.float32]


class Painting:
    """A moving picture from a caption.

    Args:
        caption: Regions as ``lexicon.Region`` writes them are painted as they stand; what free English mentions, as
            ``staging`` understands it. ``None`` paints grey.
        motion: Where the camera goes in that time. ``None``: what the caption says of it, at a slow speed.
        video: Size and rate.
        frames: How many frames. The caption describes the middle of them.
        seed: Of the texture and the outlines.
        colours: Mean colours of cells of the picture, uint8 ``(8, 8, 3)``. They say more than words about colours and
            places, so nothing else is painted then.
    """

    def __init__(
        self,
        caption: str | None,
        motion: Motion | None,
        video: VideoFormat,
        frames: int,
        seed: int,
        colours: Pixels | None = None,
    ) -> None:
        caption = (caption or "").lower()
        if colours is not None:
            self._canvas = _smooth(colours, video)
        else:
            self._canvas = _canvas(read_patches(caption), _light(caption), video, np.random.default_rng(seed))
        self._moves = _camera(caption, motion, frames / float(video.fps))
        self._video, self._frames = video, frames

    def at(self, frame: int) -> Pixels:
        """Frame ``frame`` of them, uint8 ``(H, W, 3)``."""
        moved = (frame + 0.5) / self._frames - 0.5
        pan, tilt, zoom = (total * moved for total in self._moves)
        return _view(self._canvas, self._video, pan, tilt, zoom)


def paint(caption: str | None, motion: Motion | None, video: VideoFormat, frames: int, seed: int) -> Iterator[Pixels]:
    """All frames of a :class:`Painting`, one by one."""
    painting = Painting(caption, motion, video, frames, seed)
    return map(painting.at, range(frames))


def read_patches(caption: str) -> list[Blob]:
    """What the caption says about colours and where they are, the largest first."""
    caption = caption.lower()
    regions = read_regions(caption)
    patches = [_patch(r.colour, r.size, r.place, GRAIN[r.texture]) for r in regions]
    things = [_patch(m["colour"], m["size"], m["place"], GRAIN["textured"]) for m in _THING.finditer(caption)]
    if _MEASURED.match(caption) or _LISTED.match(caption):
        patches += things
    elif regions:  # a sentence of English, which says little of colours beside what was measured
        hints = stage(caption.split(".")[0], ())
        patches += things + [replace(patch, weight=HINT * patch.weight) for patch in hints]
    else:  # ... perhaps with things listed behind it
        patches = stage(caption.split(".")[0], things) if things else stage(caption)
    return sorted(patches, key=lambda patch: -patch.share)


def _patch(colour: str, size: str, place: str, grain: float) -> Blob:
    return Blob(COLOURS[colour], *PLACES[place], SIZES[size], grain)


def _canvas(patches: list[Blob], light: Field, video: VideoFormat, rng: np.random.Generator) -> Pixels:
    """The picture with its margin. Between patches, colours blend by nearness; small ones lie over large ones."""
    scale = CANVAS / min(video.height, video.width)
    height, width = (max(2, round(side * scale * (1 + 2 * MARGIN))) for side in (video.height, video.width))
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    rows = (rows + 0.5) / height * (1 + 2 * MARGIN) - MARGIN
    columns = (columns + 0.5) / width * (1 + 2 * MARGIN) - MARGIN
    ragged = _noise(height, width, 8, rng), _noise(height, width, 8, rng)
    colour = np.empty((height, width, 3), np.float32)
    colour[:] = np.asarray(GREY, np.float32) * light
    grain = np.full((height, width), 4.0, np.float32)
    if patches:
        nearness = np.stack([_nearness(patch, rows, columns, ragged) for patch in patches])
        weights = nearness / nearness.sum(axis=0)
        colour = np.einsum("phw,pc->hwc", weights, np.asarray([p.colour for p in patches], np.float32))
        grain = np.einsum("phw,p->hw", weights, np.asarray([p.grain for p in patches], np.float32))
    texture = 0.6 * _noise(height, width, 1.5, rng) + 0.8 * _noise(height, width, 5, rng)
    return np.clip(np.rint(colour + (grain * texture)[..., None]), 0, 255).astype(np.uint8)


def _smooth(colours: Pixels, video: VideoFormat) -> Pixels:
    """Colours of cells as a smooth picture with its margin, mirrored at the edges."""
    scale = CANVAS / min(video.height, video.width)
    height, width = (max(2, round(side * scale)) for side in (video.height, video.width))
    picture = cv2.resize(colours.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    down, across = round(MARGIN * height), round(MARGIN * width)
    framed = cv2.copyMakeBorder(picture, down, down, across, across, cv2.BORDER_REFLECT)
    return np.clip(np.rint(framed), 0, 255).astype(np.uint8)


def _nearness(patch: Blob, rows: Field, columns: Field, ragged: tuple[Field, Field]) -> Field:
    """How much of a patch there is at each point: the same all over its inside, falling steeply outside."""
    radius = math.sqrt(patch.share / math.pi)
    stretch = math.sqrt(patch.aspect)
    down, across = (rows - patch.row) / radius * stretch, (columns - patch.column) / (radius * stretch)
    distance2 = (down + OUTLINE * ragged[0]) ** 2 + (across + OUTLINE * ragged[1]) ** 2
    # Where two patches overlap, the smaller one lies in front.
    return (patch.weight / (1 + distance2**4) / math.sqrt(patch.share)).astype(np.float32)


def _noise(height: int, width: int, grain_pixels: float, rng: np.random.Generator) -> Field:
    """Smooth noise of mean 0 and deviation 1."""
    noise = cv2.GaussianBlur(rng.standard_normal((height, width), np.float32), (0, 0), grain_pixels)
    return np.asarray((noise - noise.mean()) / (noise.std() + 1e-9), np.float32)


def _light(caption: str) -> Field:
    words = re.findall(r"[a-z]+", caption)
    level = math.prod(LIGHT.get(word, 1.0) for word in set(words))
    tone = np.prod([TONE.get(word, (1.0, 1.0, 1.0)) for word in set(words)] or [(1.0, 1.0, 1.0)], axis=0)
    return np.asarray(min(max(level, 0.2), 1.9) * tone, np.float32)


def _camera(caption: str, motion: Motion | None, duration_s: float) -> tuple[float, float, float]:
    """How far the scene moves to the right and down, in picture sizes, and the logarithm of how much it grows."""
    if motion is not None:
        pan, tilt, zoom = motion.pan, motion.tilt, motion.zoom
    else:
        word = next((camera for camera in CAMERAS if camera in caption), "static")
        # The camera pans to the right when the scene moves to the left, and tilts up when the scene moves down.
        sign = {"pan right": (-1, 0, 0), "pan left": (1, 0, 0), "tilt up": (0, 1, 0), "tilt down": (0, -1, 0)}
        sign |= {"zoom in": (0, 0, 2), "zoom out": (0, 0, -2)}
        pan, tilt, zoom = (SPEED * duration_s * s for s in sign.get(word, (0, 0, 0)))
    reach = 2 * MARGIN * 0.9
    return float(np.clip(pan, -reach, reach)), float(np.clip(tilt, -reach, reach)), float(np.clip(zoom, -0.5, 0.5))


def _view(canvas: Pixels, video: VideoFormat, pan: float, tilt: float, zoom: float) -> Pixels:
    """The part of the canvas that the camera sees, in the size of the video."""
    height, width = canvas.shape[:2]
    down, across = height / (1 + 2 * MARGIN) / video.height, width / (1 + 2 * MARGIN) / video.width
    grow = math.exp(-zoom)
    # Canvas position of each picture position: a scaling about both centres, then the shift.
    to_canvas = np.array(
        [
            [across * grow, 0, width / 2 - across * (grow * video.width / 2 + pan * video.width)],
            [0, down * grow, height / 2 - down * (grow * video.height / 2 + tilt * video.height)],
        ]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (video.width, video.height)
    return np.asarray(cv2.warpAffine(canvas, to_canvas, size, flags=flags, borderMode=cv2.BORDER_REFLECT), np.uint8)


def _any(words: dict[str, object] | tuple[str, ...]) -> str:
    return "|".join(sorted(words, key=len, reverse=True))


# How the compact captioner begins: what it leaves out it has not seen.
_MEASURED = re.compile(
    r"(?:background: )?(?:(?:outdoors|indoors|somewhere), )?(?:dark|dim|even|bright) light\b(?=[.,;]|$)"
    r"|nothing can be made out"
)
# Regions or things and nothing else.
_LISTED = re.compile(rf"(?:{_any(dict(SIZES))}) (?:(?:{_any(TEXTURES)}) )?(?:{_any(dict(COLOURS))})\b")
_THING = re.compile(
    rf"\b(?P<size>{_any(dict(SIZES))}) (?!(?:{_any(TEXTURES)})\b)(?P<colour>{_any(dict(COLOURS))}) "
    rf"\w+(?: \w+)? at "
    rf"(?P<place>{_any(dict(PLACES))})\b"
)
