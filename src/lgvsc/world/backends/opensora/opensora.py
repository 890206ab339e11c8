"""Open-Sora 1.2 as a world model: keyframes, words and numbers become the frames between."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lgvsc.core.interfaces import Conditions
from lgvsc.core.video import Pixels, VideoFormat
from lgvsc.errors import ConfigError, ShapeError
from lgvsc.nets.opensora_vae import CHUNK_FRAMES, SPATIAL_STRIDE, OpenSoraVAE, latent_frames
from lgvsc.nets.stdit3 import PICTURE_FPS, STDiT3
from lgvsc.world.backends.opensora.plan import END_ANCHORS, EndAnchor, Round, Shot, rounds, shots
from lgvsc.world.backends.opensora.prompt import opensora_prompt
from lgvsc.world.backends.opensora.t5 import PLACEMENTS, Placement
from lgvsc.world.sampler import RectifiedFlow

Precision: TypeAlias = Literal["float32", "bfloat16"]
Resolution: TypeAlias = Literal["144p", "240p", "360p", "480p", "720p"]

PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")
AREAS: dict[Resolution, int] = {  # pixels of each of the release's families of sizes
    "144p": 144 * 256,
    "240p": 240 * 426,
    "360p": 360 * 640,
    "480p": 480 * 854,
    "720p": 720 * 1280,
}
SIDE_STEP = 16  # sides that are multiples of it fill both the autoencoder's 8x8 and the transformer's patches


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSoraConfig:
    """Where Open-Sora's weights lie and how it is used. Defaults: the release's, where it has them.

    Attributes:
        transformer, vae, text_encoder: Name in the catalogue, hub id, or folder.
        steps, guidance_scale, timestep_transform: Of the sampler.
        resolution: Area of the pictures that are made; their shape is the video's.
        end_anchor: How the keyframe after the segment is put in: as a latent of its own behind the others, as the
            last latent of a clip that is one frame longer, or as the last latent of a still clip in that place.
        max_frames: Longest clip made at once.
        aesthetic_score: What the prompt asks for; 0 leaves it out.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ...
        precision: Of transformer and autoencoder.
        text_precision: Of the text encoder.
        text_placement: Where the text encoder runs, see :class:`lgvsc.world.backends.opensora.t5.T5Captions`.
        halves_apart: Run caption and null caption one after the other, in half the memory.
    """

    transformer: str = "opensora-stdit3"
    vae: str = "opensora-vae"
    text_encoder: str = "t5-v1.1-xxl"
    steps: int = 30
    guidance_scale: float = 7.0
    timestep_transform: bool = True
    resolution: Resolution = "240p"
    end_anchor: EndAnchor = "appended"
    max_frames: int = 102
    aesthetic_score: float = 6.5
    device: str = "auto"
    precision: Precision = "bfloat16"
    text_precision: Precision = "float32"
    text_placement: Placement = "cpu"
    halves_apart: bool = False

    def __post_init__(self) -> None:
        for name, value, known in (
            ("resolution", self.resolution, tuple(AREAS)),
            ("end_anchor", self.end_anchor, END_ANCHORS),
            ("precision", self.precision, PRECISIONS),
            ("text_precision", self.text_precision, PRECISIONS),
            ("text_placement", self.text_placement, PLACEMENTS),
        ):
            if value not in known:
                raise ConfigError(f"opensora.{name} is {value!r}; there are {', '.join(known)}")
        if self.steps < 1:
            raise ConfigError(f"opensora.steps is {self.steps}; the release takes 30")
        if self.max_frames < 2 * CHUNK_FRAMES:
            raise ConfigError(
                f"opensora.max_frames is {self.max_frames}; a round begins with {CHUNK_FRAMES} frames of the one "
                f"before, so it needs at least {2 * CHUNK_FRAMES}"
            )
        if not 0 <= self.aesthetic_score <= 10:
            raise ConfigError(f"opensora.aesthetic_score is {self.aesthetic_score}; it lies between 0 and 10")


class TextEncoder(Protocol):
    """Puts a prompt into rows: ``(1, 1, L, E)``, and ``(1, L)`` with 1 on those that count."""

    def encode(self, prompt: str) -> tuple[Tensor, Tensor]: ...


@dataclass(frozen=True, slots=True, eq=False)
class OpenSoraNetworks:
    """The three networks, where they run."""

    transformer: STDiT3
    vae: OpenSoraVAE
    text: TextEncoder
    device: torch.device
    dtype: torch.dtype


class OpenSora:
    """Frames of a segment by Open-Sora 1.2.

    A received keyframe is given to the model as a latent of its own that stays as it is; a missing one, or one on the
    other side of a hard cut, leaves its place to be made. Without a caption the model hears of motion alone, and
    without that it is given the null caption.

    Args:
        networks: Loads them; called when the first segment is made.
    """

    name = "opensora-1.2"

    def __init__(self, networks: Callable[[], OpenSoraNetworks], config: OpenSoraConfig | None = None) -> None:
        self.config = config or OpenSoraConfig()
        self._load = networks
        self._loaded: OpenSoraNetworks | None = None

    @property
    def networks(self) -> OpenSoraNetworks:
        if self._loaded is None:
            self._loaded = self._load()
        return self._loaded

    def latent_frames(self, frames: int) -> int:
        """T of the segment's own frames; the keyframe behind them comes on top."""
        plan = rounds(frames, True, "none", self.config.end_anchor, self.config.max_frames)
        return sum(latent_frames(part.made) for part in plan)

    def generate(self, conditions: Conditions) -> Iterator[Pixels]:
        """Exactly ``stop - start`` frames, uint8 ``(H, W, 3)``; they come 17 at a time.

        Raises:
            ShapeError: The latent's length is not the one of the segment.
        """
        c = conditions
        expected = self.latent_frames(c.stop - c.start)
        if c.latent_frames != expected:
            raise ShapeError(f"{c.stop - c.start} frames have {expected} latents in {self.name}, not {c.latent_frames}")
        clip = _Clip(self.networks, self.config, c)
        for shot in shots(c):
            yield from clip.frames(shot)


class _Clip:
    """What is the same for all rounds of a segment."""

    def __init__(self, networks: OpenSoraNetworks, config: OpenSoraConfig, conditions: Conditions) -> None:
        self.networks = networks
        self.config = config
        self.video = conditions.video
        self.size = internal_size(conditions.video, config.resolution)
        self.generator = torch.Generator().manual_seed(conditions.seed)  # on the CPU: the same noise on every device
        aesthetic = config.aesthetic_score or None
        prompt = opensora_prompt(conditions.caption, conditions.motion, aesthetic)
        self.null = networks.transformer.y_embedder.y_embedding
        self.words: Tensor = self.null[None, None]
        self.mask: Tensor | None = None
        if prompt is not None:
            self.words, self.mask = networks.text.encode(prompt)

    def frames(self, shot: Shot) -> Iterator[Pixels]:
        """The frames of a shot, round by round."""
        plan = rounds(shot.frames, shot.first is not None, shot.closing, self.config.end_anchor, self.config.max_frames)
        context: Tensor | None = None
        for index, part in enumerate(plan):
            final = index == len(plan) - 1
            if part.blended and shot.first is not None and shot.last is not None:
                yield from self._blend(shot.first, shot.last, part.frames, part.frames - (shot.closing == "within"))
                return
            z = self._sampled(part, shot, context)
            seen = [] if context is None else [context]
            left = part.frames
            for pictures in self._decoded(part, z):
                for picture in pictures[:, :, :left].unbind(dim=2):
                    yield to_pixels(picture[0], self.video)
                left -= min(left, pictures.shape[2])
                if not final:
                    seen = [torch.cat([*seen, pictures], dim=2)[:, :, -CHUNK_FRAMES:]]
            if part.closing:
                (picture,) = self._pictures(z[:, :, -1:], 1)
                yield to_pixels(picture[0, :, 0], self.video)
            context = seen[0] if seen else None

    @torch.inference_mode()
    def _sampled(self, part: Round, shot: Shot, context: Tensor | None) -> Tensor:
        """The latents of a round, float32 ``(1, 4, T, h, w)``."""
        height, width = (side // SPATIAL_STRIDE for side in self.size)
        device = self.networks.device
        z = torch.randn((1, 4, part.latents, height, width), generator=self.generator).to(device)
        if context is not None:
            z[:, :, : part.context_latents] = self._encoded(context)
        if part.first and shot.first is not None:
            z[:, :, :1] = self._encoded(to_tensor(shot.first, self.size))
        if part.anchor and shot.last is not None:
            still = to_tensor(shot.last, self.size)
            if part.anchor == "static_tail":
                still = still.expand(-1, -1, CHUNK_FRAMES, -1, -1)
            z[:, :, -1:] = self._encoded(still)[:, :, -1:]
        share = torch.ones(1, part.latents)
        share[:, part.given] = 0
        if not share.any():
            return z  # nothing is left to make
        flow = RectifiedFlow(
            self.config.steps, self.config.guidance_scale, self.config.timestep_transform, self.config.halves_apart
        )
        return flow.sample(
            self.networks.transformer,
            z,
            self.words,
            self.mask,
            self.null,
            fps=PICTURE_FPS if part.times_frames == 1 else float(self.video.fps),
            height=self.size[0],
            width=self.size[1],
            num_frames=part.times_frames,
            frame_mask=share if part.given else None,
            generator=self.generator,
        )

    def _blend(self, first: Pixels, last: Pixels, frames: int, end: int) -> Iterator[Pixels]:
        """Frames on the way from one keyframe, through the autoencoder, to the other, which stands at ``end``."""
        latents = (self._encoded(to_tensor(picture, self.size)) for picture in (first, last))
        a, b = (next(self._pictures(z, 1))[0, :, 0].clamp(-1, 1) for z in latents)
        for index in range(frames):
            yield to_pixels(torch.lerp(a, b, index / end), self.video)

    def _decoded(self, part: Round, z: Tensor) -> Iterator[Tensor]:
        """The new frames of a round, chunk by chunk."""
        if part.made:
            yield from self._pictures(z[:, :, part.context_latents : part.clip_latents], part.made)

    @torch.inference_mode()
    def _encoded(self, pictures: Tensor) -> Tensor:
        return self.networks.vae.encode(pictures.to(self.networks.device, self.networks.dtype)).float()

    def _pictures(self, z: Tensor, frames: int) -> Iterator[Tensor]:
        chunks = self.networks.vae.decode_chunks(z.to(self.networks.dtype), frames)
        while True:  # inference mode must not reach into the caller, so it is entered for each chunk
            with torch.inference_mode():
                chunk = next(chunks, None)
            if chunk is None:
                return
            yield chunk.float()


def internal_size(video: VideoFormat, resolution: Resolution) -> tuple[int, int]:
    """Height and width in which a video is made: its own shape, the area of the resolution, multiples of 16."""
    height = math.sqrt(AREAS[resolution] * video.height / video.width)
    sides = (height, height * video.width / video.height)
    rows, columns = (max(SIDE_STEP, SIDE_STEP * round(side / SIDE_STEP)) for side in sides)
    return rows, columns


def to_tensor(picture: Pixels, size: tuple[int, int]) -> Tensor:
    """A picture as the autoencoder sees it: float32 ``(1, 3, 1, height, width)`` in [-1, 1]."""
    scaled = Image.fromarray(picture).resize(size[::-1], Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(scaled, np.float32)).permute(2, 0, 1)[None, :, None] / 127.5 - 1


def to_pixels(picture: Tensor, video: VideoFormat) -> Pixels:
    """A picture ``(3, height, width)`` in [-1, 1] in the size of the video; rounded as the release does."""
    levels = torch.floor(255 * (picture.clamp(-1, 1) + 1) / 2 + 0.5).to(torch.uint8)
    image = Image.fromarray(levels.permute(1, 2, 0).cpu().numpy())
    if image.size != (video.width, video.height):
        image = image.resize((video.width, video.height), Image.Resampling.BICUBIC)
    return np.asarray(image)
