"""One call of a video pipeline: what is known of its frames, and pictures on their way in and out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from lgvsc.core.message import Motion
from lgvsc.core.video import Pixels, VideoFormat
from lgvsc.errors import LgvscError, ShapeError
from lgvsc.world.backends.diffusers.weights import quietly


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlannedClip:
    """A clip to be made.

    Attributes:
        made: Frames of the clip, a length that the pipeline makes.
        places: The first so many of them are wanted, ``places <= made``.
        height, width: Sides that the pipeline makes.
        known: Pictures at their places, in this size.
        sketches: Drawings at their places, in this size, light contours on black.
        small_frames: Blurred frames at their places, in this size.
        prompt: In words; empty where nothing is known.
        fps: Frames per second.
        generator: On the CPU, so that the noise is the same on every device.
    """

    made: int
    places: int
    height: int
    width: int
    prompt: str
    fps: float
    generator: torch.Generator
    known: Mapping[int, Image.Image] = field(default_factory=dict)
    sketches: Mapping[int, Image.Image] = field(default_factory=dict)
    small_frames: Mapping[int, Image.Image] = field(default_factory=dict)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, as PIL has them."""
        return self.width, self.height


class ClipMaker(Protocol):
    """A loaded pipeline with its settings.

    Attributes:
        step: It makes ``step * k + 1`` frames.
        overlap: Frames of a clip that the next one of the same segment begins with.
        max_frames: Its longest clip, unless told otherwise.
        takes_sketches: Whether sketches are conditions.
        takes_small_frames: Whether small frames are.
        needs_first: Whether a clip must begin with a picture.
        multiple: Of which its sides must be.
    """

    step: ClassVar[int]
    overlap: ClassVar[int]
    max_frames: ClassVar[int]
    takes_sketches: ClassVar[bool]
    takes_small_frames: ClassVar[bool]
    needs_first: ClassVar[bool]

    @property
    def multiple(self) -> int: ...

    def make(self, clip: PlannedClip) -> list[NDArray[np.float32]]:
        """Frames of the clip's ``places``, each ``(height, width, 3)`` in [0, 1]."""
        ...


def made_by(pipeline: Any, clip: PlannedClip, **settings: Any) -> list[NDArray[np.float32]]:
    """All frames that a pipeline makes of a clip.

    Raises:
        ShapeError: Not as many or not as large as was asked for.
        LgvscError: They are no pictures but infinities.
    """
    with quietly():
        output = pipeline(
            prompt=clip.prompt,
            height=clip.height,
            width=clip.width,
            num_frames=clip.made,
            generator=clip.generator,
            output_type="np",
            **settings,
        )
    made = np.asarray(output.frames[0], np.float32)
    if made.shape != (clip.made, clip.height, clip.width, 3):
        raise ShapeError(f"the pipeline made {made.shape}, not {clip.made} frames of {clip.height}x{clip.width}")
    if not np.isfinite(made).all():
        raise LgvscError("the pipeline's numbers left the range of its precision; take diffusers.precision=float32")
    return list(made)


def to_image(picture: Pixels, height: int, width: int) -> Image.Image:
    """A picture or a sketch in another size, as RGB."""
    image = Image.fromarray(picture).convert("RGB")
    return image if image.size == (width, height) else image.resize((width, height), Image.Resampling.BICUBIC)


def made_image(frame: NDArray[np.float32]) -> Image.Image:
    """A made frame as it goes into the next round."""
    return Image.fromarray(np.rint(frame.clip(0, 1) * 255).astype(np.uint8))


def to_pixels(frame: NDArray[np.float32], video: VideoFormat) -> Pixels:
    """A made frame in the size of the video."""
    image = made_image(frame)
    if image.size != (video.width, video.height):
        image = image.resize((video.width, video.height), Image.Resampling.BICUBIC)
    return np.asarray(image)


def prompt_of(caption: str | None, motion: Motion | None) -> str:
    """The caption, and what the camera does where it moves; these models know no motion scores."""
    words = (caption or "").strip()
    if motion is None or motion.camera == "static" or motion.camera in words.lower():
        return words
    return f"{words} The camera does a {motion.camera}.".strip()
