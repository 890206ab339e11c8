"""A sample clip of real photographic content, made on the spot: nothing is downloaded.

Photographs that lie inside scikit-image's wheel are looked at through a virtual camera that pans, zooms and shakes
a little in the hand. Cut-outs of other photographs enter, move and leave; hard cuts separate four scenes. What
happens when is returned, so that a keyframe extractor can be checked against it.

Photographs, read at run time and not copied into this package: coffee.png (CC0, Rachel Michetti), chelsea.png (CC0,
Stefan van der Walt), astronaut.png (NASA, public domain), rocket.jpg (SpaceX, public domain), coins.png (Brooklyn
Museum, no known restrictions), motorcycle_left.png (Middlebury 2014 stereo data; Scharstein et al., GCPR 2014).
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lgvsc.core.video import Pixels, VideoFormat, VideoWriter
from lgvsc.errors import ConfigError, MissingResourceError
from lgvsc.experiments.clips.cut_outs import CutOut, astronaut, coffee_cup, coin

SIZE = 256
FPS = 24
SUPERSAMPLE = 2  # frames are drawn larger and averaged down, which is what a lens and a sensor do
NOISE_SIGMA = 1.3  # of the sensor, in 8-bit steps
PRESENT_SHARE = 0.005  # an object has entered when it covers so much of the picture

Matrix: TypeAlias = NDArray[np.float64]  # 3 x 3, acts on (x, y, 1)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens in the clip. ``frame`` is the first one that shows it.

    A ``cut`` frame begins a new scene; at an ``enter`` frame the object covers half a percent of the picture for
    the first time, at a ``leave`` frame no longer.
    """

    frame: int
    kind: Literal["cut", "enter", "leave"]
    what: str


@dataclass(frozen=True, slots=True)
class View:
    """Where the camera looks: centre and width of what it sees, in pixels of the photograph."""

    x: float
    y: float
    width: float


@dataclass(frozen=True, slots=True)
class Actor:
    """A cut-out and its way through the scene: (second, x, y, width), in pixels of the photograph."""

    what: str
    cut_out: CutOut
    way: Sequence[tuple[float, float, float, float]]
    turn: float = 0.0  # degrees per second
    bob: float = 0.0  # height of its steps, in pixels of the photograph
    shadow: float = 0.0  # how dark its shadow is, 0..1


@dataclass(frozen=True, slots=True)
class ClipScene:
    """A photograph, a camera move over it, and who walks through."""

    what: str
    photograph: Pixels
    duration_s: float
    start: View
    end: View
    actors: tuple[Actor, ...] = ()


def make_sample_clip(path: str | os.PathLike[str], *, duration_s: float = 10.0, seed: int = 0) -> list[Event]:
    """Write the clip as H.264 MP4, 256 x 256 at 24 frames per second, and return what happens in it.

    After ten seconds the same frames come again, so that an hour costs little more than its encoding.

    Raises:
        MissingResourceError: scikit-image is not installed.
        ConfigError: ``duration_s`` is shorter than one frame.
    """
    count = round(duration_s * FPS)
    if count < 1:
        raise ConfigError(f"duration_s is {duration_s}; a clip has at least one frame, that is {1 / FPS:.3f} s")
    frames, events = sample_frames(seed=seed, limit=count)
    with VideoWriter(path, VideoFormat(SIZE, SIZE, Fraction(FPS), count)) as writer:
        for index in range(count):
            writer.write(frames[index % len(frames)])
    return repeated(events, len(frames), count)


def sample_frames(*, seed: int = 0, limit: int | None = None) -> tuple[list[Pixels], list[Event]]:
    """All frames of the ten-second programme, or its first ``limit``, and its events. Same seed, same pixels."""
    frames: list[Pixels] = []
    events: list[Event] = []
    for scene in programme(photograph_folder()):
        if limit is not None and len(frames) >= limit:
            break
        if frames:
            events.append(Event(len(frames), "cut", scene.what))
        rng = np.random.Generator(np.random.PCG64([seed, len(frames)]))
        present: set[str] = set()
        for picture, covered in shots(scene, rng):
            if limit is not None and len(frames) >= limit:
                break
            now = {what for what, share in covered.items() if share > PRESENT_SHARE}
            events += [Event(len(frames), "enter", what) for what in sorted(now - present)]
            events += [Event(len(frames), "leave", what) for what in sorted(present - now)]
            present = now
            frames.append(picture)
    return frames, events


def photograph_folder() -> Path:
    """Where scikit-image keeps its photographs; the library itself is not imported."""
    spec = find_spec("skimage")
    if spec is None or spec.origin is None:
        raise MissingResourceError(
            "the sample clip is made of photographs inside scikit-image, which is not installed; "
            "run: pip install 'lgvsc[demo]', or give a video of your own"
        )
    return Path(spec.origin).parent / "data"


def photograph(folder: Path, name: str) -> Pixels:
    """One photograph as 8-bit RGB."""
    try:
        with Image.open(folder / name) as image:
            return np.asarray(image.convert("RGB"))
    except FileNotFoundError as error:
        raise MissingResourceError(
            f"{name} is not among scikit-image's photographs; run: pip install --force-reinstall 'scikit-image>=0.25'"
        ) from error


def programme(folder: Path) -> list[ClipScene]:
    """The four scenes: one object passes, one person comes and goes, one object comes to stay, nothing but camera."""
    silver = coin(photograph(folder, "coins.png"))
    person = astronaut(photograph(folder, "astronaut.png"))
    coffee = photograph(folder, "coffee.png")
    return [
        ClipScene(
            "a cup of coffee on a table",
            coffee,
            2.75,
            View(330, 215, 330),
            View(368, 205, 370),
            (
                Actor(
                    "coin",
                    silver,
                    [
                        (0.0, 640, 330, 92),
                        (0.8, 640, 330, 92),
                        (1.5, 512, 322, 92),
                        (1.9, 494, 330, 92),
                        (2.6, 500, 480, 92),
                    ],
                    turn=100.0,
                    shadow=0.55,
                ),
            ),
        ),
        ClipScene(
            "a rocket at dusk",
            photograph(folder, "rocket.jpg"),
            2.75,
            View(330, 250, 290),
            View(318, 235, 350),
            (
                Actor(
                    "astronaut",
                    person,
                    [
                        (0.0, 20, 350, 190),
                        (0.5, 20, 350, 190),
                        (1.2, 235, 345, 190),
                        (1.7, 245, 345, 190),
                        (2.6, 600, 350, 190),
                    ],
                    bob=4.0,
                ),
            ),
        ),
        ClipScene(
            "a cat",
            photograph(folder, "chelsea.png"),
            2.0,
            View(235, 140, 235),
            View(215, 148, 288),
            (
                Actor(
                    "cup of coffee",
                    coffee_cup(coffee),
                    [(0.0, 450, 240, 125), (0.7, 450, 240, 125), (1.25, 312, 238, 125), (2.0, 304, 238, 125)],
                    shadow=0.35,
                ),
            ),
        ),
        ClipScene(
            "a motorcycle in a garage",
            photograph(folder, "motorcycle_left.png"),
            2.5,
            View(290, 270, 380),
            View(455, 245, 400),
        ),
    ]


def shots(scene: ClipScene, rng: np.random.Generator) -> Iterator[tuple[Pixels, dict[str, float]]]:
    """The frames of a scene and, for each actor in each, the share of the picture that it covers."""
    count = round(scene.duration_s * FPS)
    phases = rng.uniform(0, 2 * math.pi, (3, 3))
    background = scene.photograph.astype(np.float32)
    for step in range(count):
        time_s = step / FPS
        camera = camera_matrix(scene, step / max(1, count - 1), time_s, phases)
        canvas = warped(background, camera, cv2.BORDER_REPLICATE)
        covered: dict[str, float] = {}
        for actor in scene.actors:
            placed = camera @ actor_matrix(actor, time_s)
            layer, alpha = warped(actor.cut_out.pixels, placed), warped(actor.cut_out.alpha, placed)
            covered[actor.what] = float(alpha.mean())
            if covered[actor.what] == 0.0:
                continue
            if actor.shadow:
                aside = translation(4 * SUPERSAMPLE, 7 * SUPERSAMPLE) @ placed
                shade = cv2.GaussianBlur(warped(actor.cut_out.alpha, aside), (0, 0), 9.0)
                canvas = canvas * (1 - actor.shadow * shade[..., None])
            canvas = canvas + alpha[..., None] * (layer - canvas)
        small = np.asarray(cv2.resize(canvas, (SIZE, SIZE), interpolation=cv2.INTER_AREA))
        noise = rng.normal(0.0, NOISE_SIGMA, small.shape).astype(np.float32)
        yield np.clip(small + noise + 0.5, 0, 255).astype(np.uint8), covered


def camera_matrix(scene: ClipScene, share: float, time_s: float, phases: NDArray[np.float64]) -> Matrix:
    """From pixels of the photograph to pixels of the enlarged frame, hand shake included."""
    ease = share * share * (3 - 2 * share)
    x = scene.start.x + ease * (scene.end.x - scene.start.x)
    y = scene.start.y + ease * (scene.end.y - scene.start.y)
    # Geometric, as a zoom looks even when its logarithm moves evenly.
    width = scene.start.width * (scene.end.width / scene.start.width) ** ease
    # A hand moves slowly and far, or quickly and little: amplitudes in output pixels, and in degrees.
    rates_hz = np.array([0.7, 1.9, 4.3])
    sway = np.sin(2 * math.pi * rates_hz * time_s + phases) @ np.array([1.1, 0.5, 0.18])
    scale = SIZE * SUPERSAMPLE / width
    angle = math.radians(0.18 * sway[2])
    centre = SIZE * SUPERSAMPLE / 2
    return (
        translation(centre + SUPERSAMPLE * sway[0], centre + SUPERSAMPLE * sway[1])
        @ similarity(scale, angle)
        @ translation(-x, -y)
    )


def actor_matrix(actor: Actor, time_s: float) -> Matrix:
    """From pixels of the cut-out to pixels of the scene's photograph."""
    times = np.array([point[0] for point in actor.way])
    last = int(np.clip(np.searchsorted(times, time_s, side="right"), 1, len(times) - 1))
    before, after = actor.way[last - 1], actor.way[last]
    share = float(np.clip((time_s - before[0]) / (after[0] - before[0]), 0, 1))
    ease = share * share * (3 - 2 * share)
    x, y, width = (a + ease * (b - a) for a, b in zip(before[1:], after[1:], strict=True))
    y -= actor.bob * abs(math.sin(2 * math.pi * 1.8 * time_s))
    height_px, width_px = actor.cut_out.alpha.shape
    turn = math.radians(actor.turn * time_s)
    return translation(x, y) @ similarity(width / width_px, turn) @ translation(-width_px / 2, -height_px / 2)


def translation(x: float, y: float) -> Matrix:
    """A shift by pixels as a matrix."""
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])


def similarity(scale: float, angle: float) -> Matrix:
    """Scale and turn (radians) about the origin as a matrix."""
    c, s = scale * math.cos(angle), scale * math.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def warped(picture: NDArray[np.float32], matrix: Matrix, border: int = cv2.BORDER_CONSTANT) -> NDArray[np.float32]:
    """The picture drawn onto the enlarged frame, with sub-pixel accuracy."""
    side = SIZE * SUPERSAMPLE
    # Linear for what shrinks against a transparent border, as cubic overshoots at the edge of a mask.
    kind = cv2.INTER_LINEAR if border == cv2.BORDER_CONSTANT else cv2.INTER_CUBIC
    drawn = cv2.warpAffine(picture, matrix[:2], (side, side), flags=kind, borderMode=border)
    return np.asarray(drawn, dtype=np.float32)


def repeated(events: Sequence[Event], period: int, count: int) -> list[Event]:
    """The events of a programme that plays again and again, up to ``count`` frames."""
    again: list[Event] = []
    for offset in range(0, count, period):
        if offset:
            again.append(Event(offset, "cut", "from the beginning"))
        again += [Event(offset + e.frame, e.kind, e.what) for e in events if offset + e.frame < count]
    return again
