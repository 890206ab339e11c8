"""World models of the diffusers library: Wan VACE, Wan first-last-frame, Wan 2.2 and LTX.

Each pipeline has a small class of its own (``diffusers_wan.py``, ``diffusers_ltx.py``) that knows how to tell it what
is known of a clip. Here a segment is cut into such clips, and exactly its frames come out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Literal, Self, TypeAlias

import numpy as np
import torch
from PIL import Image

from lgvsc.core.interfaces import Conditions
from lgvsc.core.video import Pixels
from lgvsc.errors import ConfigError, ShapeError
from lgvsc.world.backends.diffusers.clip import ClipMaker, PlannedClip, made_image, prompt_of, to_image, to_pixels
from lgvsc.world.backends.diffusers.plan import PipelineRound, internal_size, latent_length, rounds
from lgvsc.world.backends.opensora.opensora import AREAS, Resolution
from lgvsc.world.backends.opensora.plan import Shot, shots

Precision: TypeAlias = Literal["float32", "bfloat16", "float16"]
Offload: TypeAlias = Literal["none", "model", "sequential"]
Contours: TypeAlias = Literal["dark", "light"]

PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16", "float16")
OFFLOADS: tuple[Offload, ...] = ("none", "model", "sequential")
CONTOURS: tuple[Contours, ...] = ("dark", "light")
GREY = 128  # a picture of nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffusersConfig:
    """How a pipeline of diffusers is used. ``None`` is what its makers recommend.

    Attributes:
        steps: Of the sampler. Distilled models have their own list and ignore it.
        guidance_scale: w in ``uncond + w (cond - uncond)``; 1 is no guidance, and half the work.
        negative_prompt: What the unconditional half is told.
        resolution: Area of the pictures that are made; their shape is the video's.
        max_frames: Longest clip made at once; longer segments are made round by round.
        small_frame_strength: How firmly LTX keeps to small frames, above 0 to 1; to keyframes it keeps by 1.
        contours: How sketches are drawn for Wan VACE: dark on white, as its own training sketches, or light on black.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ...
        precision: Of everything but Wan's autoencoder and image encoder, which stay in float32.
        offload: ``"model"`` keeps on the device only the network that runs, ``"sequential"`` only its layer.
        vae_tiling: Decode in tiles, for less memory.
    """

    steps: int | None = None
    guidance_scale: float | None = None
    negative_prompt: str | None = None
    resolution: Resolution = "480p"
    max_frames: int | None = None
    small_frame_strength: float = 0.5
    contours: Contours = "dark"
    device: str = "auto"
    precision: Precision = "bfloat16"
    offload: Offload = "model"
    vae_tiling: bool = False

    def __post_init__(self) -> None:
        for name, value, known in (
            ("resolution", self.resolution, tuple(AREAS)),
            ("contours", self.contours, CONTOURS),
            ("precision", self.precision, PRECISIONS),
            ("offload", self.offload, OFFLOADS),
        ):
            if value not in known:
                raise ConfigError(f"diffusers.{name} is {value!r}; there are {', '.join(known)}")
        if self.steps is not None and self.steps < 1:
            raise ConfigError(f"diffusers.steps is {self.steps}; at least one is needed")
        if self.guidance_scale is not None and not self.guidance_scale >= 1:
            raise ConfigError(f"diffusers.guidance_scale is {self.guidance_scale}; 1 is no guidance, more is more")
        if not 0 < self.small_frame_strength <= 1:
            raise ConfigError(
                f"diffusers.small_frame_strength is {self.small_frame_strength}; it lies above 0 and is at most 1"
            )
        if self.max_frames is not None and self.max_frames < 17:
            raise ConfigError(
                f"diffusers.max_frames is {self.max_frames}; a round begins with up to 9 frames of the one before, so "
                "it needs at least 17"
            )

    def filled(self, *, steps: int, guidance_scale: float, negative_prompt: str) -> Self:
        """The same with a model's own values for what is ``None``."""
        return replace(
            self,
            steps=steps if self.steps is None else self.steps,
            guidance_scale=guidance_scale if self.guidance_scale is None else self.guidance_scale,
            negative_prompt=negative_prompt if self.negative_prompt is None else self.negative_prompt,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Hints:
    """What is to be followed and not shown, by place in a shot: sketches, and small frames."""

    sketches: dict[int, Pixels] = field(default_factory=dict)
    small_frames: dict[int, Pixels] = field(default_factory=dict)

    @classmethod
    def of(cls, conditions: Conditions, start: int, frames: int) -> Hints:
        """Those of a shot that begins at frame ``start`` of the video."""
        both = (conditions.sketches, conditions.small_frames)
        return cls(*({at - start: hint for at, hint in hints if start <= at < start + frames} for hints in both))


class DiffusersWorld:
    """Frames of a segment by a video pipeline of diffusers.

    Args:
        name: Of the model.
        kind: The class of what ``load`` returns.
        load: Loads the pipeline; called when the first clip is made.
    """

    def __init__(
        self, name: str, kind: type[ClipMaker], load: Callable[[], ClipMaker], config: DiffusersConfig | None = None
    ) -> None:
        self.name = name
        self.kind = kind
        self.config = config or DiffusersConfig()
        self._load = load
        self._loaded: ClipMaker | None = None

    @property
    def takes_sketches(self) -> bool:
        """Whether ``Conditions.sketches`` may be given."""
        return self.kind.takes_sketches

    @property
    def takes_small_frames(self) -> bool:
        """Whether ``Conditions.small_frames`` may be given."""
        return self.kind.takes_small_frames

    @property
    def maker(self) -> ClipMaker:
        if self._loaded is None:
            self._loaded = self._load()
        return self._loaded

    def latent_frames(self, frames: int) -> int:
        """T of the latents of all rounds, with the place of the keyframe behind the segment."""
        return sum(latent_length(part.made, self.kind.step) for part in self._rounds(frames))

    def generate(self, conditions: Conditions) -> Iterator[Pixels]:
        """Exactly ``stop - start`` frames, uint8 ``(H, W, 3)``; they come round by round.

        Raises:
            ShapeError: The latent's length is not the one of the segment.
            ConfigError: There are sketches or small frames, and this model takes none.
        """
        c = conditions
        expected = self.latent_frames(c.stop - c.start)
        if c.latent_frames != expected:
            raise ShapeError(f"{c.stop - c.start} frames have {expected} latents in {self.name}, not {c.latent_frames}")
        if c.sketches and not self.takes_sketches:
            raise ConfigError(f"{self.name} takes no sketches; of the models of diffusers Wan VACE does")
        if c.small_frames and not self.takes_small_frames:
            raise ConfigError(f"{self.name} takes no small frames; of the models of diffusers Wan VACE and LTX do")
        generator = torch.Generator().manual_seed(c.seed)
        start = c.start
        for shot in shots(c):
            yield from self._shot(shot, Hints.of(c, start, shot.frames), c, generator)
            start += shot.frames

    def _shot(self, shot: Shot, hints: Hints, c: Conditions, generator: torch.Generator) -> Iterator[Pixels]:
        end = shot.frames + (shot.closing == "after")
        known = {} if shot.first is None else {0: shot.first}
        if shot.last is not None:
            known[end - 1] = shot.last
        if all(place in known for place in range(shot.frames)):
            yield from (known[place] for place in range(shot.frames))  # nothing is left to make
        elif self.kind.needs_first and known and 0 not in known:
            # Such a model only goes forwards from a picture, so the way to the last one is made backwards.
            made = list(self._in_order(shot.frames, end, {0: known[end - 1]}, Hints(), c, generator))
            yield from made[::-1][: shot.frames]
        else:
            if self.kind.needs_first and not known:
                known = {0: np.full((c.video.height, c.video.width, 3), GREY, np.uint8)}
            yield from islice(self._in_order(shot.frames, end, known, hints, c, generator), shot.frames)

    def _in_order(
        self,
        frames: int,
        end: int,
        known: dict[int, Pixels],
        hints: Hints,
        c: Conditions,
        generator: torch.Generator,
    ) -> Iterator[Pixels]:
        """Places ``[0, end)`` of a segment of ``frames`` frames, round by round."""
        height, width = internal_size(c.video, AREAS[self.config.resolution], self.maker.multiple)
        before: list[Image.Image] = []
        for part in self._rounds(frames):
            within = range(part.start, min(part.stop, end))
            given, drawn, blurred = (
                {at - part.start: to_image(pictures[at], height, width) for at in within if at in pictures}
                for pictures in (known, hints.sketches, hints.small_frames)
            )
            clip = PlannedClip(
                made=part.made,
                places=len(within),
                height=height,
                width=width,
                prompt=prompt_of(c.caption, c.motion),
                fps=float(c.video.fps),
                generator=generator,
                known=given | dict(enumerate(before)),
                sketches=drawn,
                small_frames=blurred,
            )
            made = self.maker.make(clip)
            yield from (to_pixels(frame, c.video) for frame in made[part.context :])
            before = [made_image(frame) for frame in made[-self.kind.overlap :]]

    def _rounds(self, frames: int) -> list[PipelineRound]:
        return rounds(frames, self.kind.step, self.kind.overlap, self.config.max_frames or self.kind.max_frames)
