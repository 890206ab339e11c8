"""The compact world model: frames between keyframes, made on top of what moving the keyframes can do.

Three networks share one latent, a few values for each 16 x 16 block and latent frame:

- the *painter* (a U-Net at half resolution) makes a frame. It weighs the candidates of motion compensation (each
  keyframe moved and unmoved, and their trusted mixture) against each other, pixel by pixel and keenly where they
  disagree, and adds what none of them shows. A latent of zeros asks for its best guess.
- the *observer* sees the true frame and writes down in the latent what the painter could not know. Training only.
- the *dreamer* (a rectified flow, Liu et al. 2023) draws such latents for a whole segment from what was received:
  the painter's view of the candidates at each latent frame, the words, the measured motion.

So its worst case is the painter's best guess, and the worst case of that is motion compensation.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BLOCK = 16  # pixels a side for one latent vector; pictures are padded to multiples
CANDIDATES = 5  # first moved, last moved, first, last, mixture
MIXTURE = 4  # which of them is trusted where nothing else is known
MAPS = 3  # trust, sketch before, sketch after
SITUATION = 11  # numbers that describe where a frame stands: see ``Scene.situation``
WORDS = 4096  # hashed words
NEARNESS = 2.0  # per second: a sketch half a second away counts half
RAMP = 8.0  # an eighth of a segment away from a keyframe, the painter has its full say ...
# ... if the keyframes lie neither close together nor too far apart. Motion compensation is hard to beat over a few
# frames: the painter has no say between keyframes 4 frames apart, a quarter at 8 and all of it from 20 to 32. Farther
# apart it has seen little, and less and less say, down to none at 64.
NO_SAY, FULL_SAY, LESS_SAY, NO_MORE_SAY = 4.0, 20.0, 32.0, 64.0


# Logits of the candidates grow by this factor, and one, where these are unlike: farther apart than 48 of 255, in part
# from 16 on.
KEENNESS, ALIKE, UNLIKE = 4.0, 16 / 255, 48 / 255


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactWorldConfig:
    """Sizes.

    Attributes:
        widths: Channels of the painter at a half, a quarter, an eighth and a sixteenth of the size.
        latent: Values of the latent for each block and latent frame.
        dreamer: Channels of the dreamer.
        dreamer_blocks: Its residual blocks.
        text: Size of a word's embedding.
    """

    widths: tuple[int, int, int, int] = (24, 48, 80, 112)
    latent: int = 8
    dreamer: int = 96
    dreamer_blocks: int = 4
    text: int = 32

    def to_json(self) -> str:
        """As text, for the metadata of a weights file."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """From :meth:`to_json`. Raises KeyError, TypeError or ValueError on anything else."""
        sizes = json.loads(text)
        return cls(**{**sizes, "widths": tuple(sizes["widths"])})


class Scene(NamedTuple):
    """What is known of frames, one batch entry each; pictures are float in [0, 1].

    Attributes:
        candidates: ``(B, 15, H, W)``: the five pictures, three channels each. H and W are multiples of ``BLOCK``.
        maps: ``(B, 3, H, W)``: where the flow is trusted, and the sketches last before and first after the frame, both
            the frame's own where it has one (0 where there is none).
        situation: ``(B, 11)``: time between the keyframes (0..1), frames between them over 64, seconds between them,
            motion score over 10, pan, tilt, zoom, whether first and last keyframe are there, and how near in time the
            two sketches are (1 for the frame's own, 0 for none).
    """

    candidates: Tensor
    maps: Tensor
    situation: Tensor


class CompactWorld(nn.Module):
    """Painter, observer and dreamer."""

    def __init__(self, config: CompactWorldConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or CompactWorldConfig()
        self.painter = Painter(config)
        self.observer = Observer(config)
        self.dreamer = Dreamer(config)

    @classmethod
    def tiny(cls) -> Self:
        """A network of a few thousand parameters, for tests."""
        return cls(CompactWorldConfig(widths=(4, 4, 8, 8), latent=2, dreamer=8, dreamer_blocks=1, text=4))


class Painter(nn.Module):
    """Frames from candidates and latents."""

    def __init__(self, config: CompactWorldConfig) -> None:
        super().__init__()
        half, quarter, eighth, sixteenth = config.widths
        self.situation = situation_embedding()
        self.enter = nn.Conv2d(4 * (3 * CANDIDATES + MAPS), half, 3, padding=1)
        self.to_quarter = nn.Conv2d(half, quarter, 3, stride=2, padding=1)
        self.quarter = PainterResidual(quarter)
        self.to_eighth = nn.Conv2d(quarter, eighth, 3, stride=2, padding=1)
        self.eighth = PainterResidual(eighth)
        self.to_sixteenth = nn.Conv2d(eighth, sixteenth, 3, stride=2, padding=1)
        self.sixteenth = PainterResidual(sixteenth)
        self.take_latent = nn.Conv2d(config.latent, sixteenth, 1, bias=False)
        self.deep = PainterResidual(sixteenth)
        self.from_sixteenth = nn.Conv2d(sixteenth, 4 * eighth, 1)
        self.late_eighth = PainterResidual(eighth)
        self.from_eighth = nn.Conv2d(eighth, 4 * quarter, 1)
        self.late_quarter = PainterResidual(quarter)
        self.from_quarter = nn.Conv2d(quarter, 4 * half, 1)
        self.late_half = PainterResidual(half)
        self.leave = nn.Conv2d(half, 4 * (CANDIDATES + 3), 3, padding=1)
        assert self.leave.bias is not None
        with torch.no_grad():  # begins as the mixture
            self.leave.weight.mul_(0.1)
            self.leave.bias.copy_(
                torch.zeros(CANDIDATES + 3).index_fill(0, torch.tensor(MIXTURE), 3.0).repeat_interleave(4)
            )

    def look(self, scene: Scene) -> tuple[Tensor, ...]:
        """Features of the candidates at each size, the deepest last, ``(B, widths[3], H / 16, W / 16)``."""
        state = self.situation(scene.situation)
        trust, sketches = scene.maps.split([1, 2], 1)
        sketches = sketches * still_right(scene.situation)[:, :, None, None]
        seen = torch.cat([scene.candidates - 0.5, trust, sketches], 1)
        half = F.leaky_relu(on_pixels(self.enter, seen), 0.1)
        quarter = self.quarter(self.to_quarter(half), state)
        eighth = self.eighth(self.to_eighth(quarter), state)
        return half, quarter, eighth, self.sixteenth(self.to_sixteenth(eighth), state)

    def paint(self, scene: Scene, seen: tuple[Tensor, ...], latent: Tensor) -> Tensor:
        """Frames ``(B, 3, H, W)``, about in [0, 1].

        Args:
            scene: What was looked at.
            seen: From :meth:`look`.
            latent: ``(B, latent, H / 16, W / 16)``; zeros for the best guess.
        """
        state = self.situation(scene.situation)
        half, quarter, eighth, sixteenth = seen
        x = self.deep(sixteenth + self.take_latent(latent), state)
        x = self.late_eighth(F.pixel_shuffle(self.from_sixteenth(x), 2) + eighth, state)
        x = self.late_quarter(F.pixel_shuffle(self.from_eighth(x), 2) + quarter, state)
        x = self.late_half(F.pixel_shuffle(self.from_quarter(x), 2) + half, state)
        out = F.pixel_shuffle(self.leave(x).contiguous(), 2).float()
        pictures = scene.candidates.contiguous().split(3, 1)
        # Candidates that disagree are weighed more keenly, up to picking one: their mean would show them all at once.
        weights = (out[:, :CANDIDATES] * (1 + KEENNESS * discord(pictures))).softmax(1)
        made = out[:, CANDIDATES:]
        for number, picture in enumerate(pictures):
            made = torch.addcmul(made, weights[:, number : number + 1], picture)
        # Nothing changes at a keyframe itself, so that nothing jumps there.
        time, frames, has_first, has_last = scene.situation[:, [0, 1, 7, 8]].float().unbind(1)
        away = torch.minimum(time + 1 - has_first, 2 - time - has_last)
        apart = 64 * frames
        say = torch.minimum((apart - NO_SAY) / (FULL_SAY - NO_SAY), (NO_MORE_SAY - apart) / (NO_MORE_SAY - LESS_SAY))
        say = torch.where(has_first * has_last > 0, say, 1.0).clamp(0, 1)
        room = (say * (RAMP * away).clamp(0, 1))[:, None, None, None]
        return torch.lerp(pictures[MIXTURE], made, room)

    def forward(self, scene: Scene, latent: Tensor) -> Tensor:
        return self.paint(scene, self.look(scene), latent)


def discord(pictures: Sequence[Tensor]) -> Tensor:
    """Where pictures ``(B, 3, H, W)`` are unlike in some channel, there or beside it, in [0, 1], ``(B, 1, H, W)``."""
    low = high = pictures[0]
    for picture in pictures[1:]:
        low, high = torch.minimum(low, picture), torch.maximum(high, picture)
    spread = (high - low).amax(1, keepdim=True)
    return F.max_pool2d(((spread - ALIKE) / (UNLIKE - ALIKE)).clamp(0, 1), 3, stride=1, padding=1)


class Observer(nn.Module):
    """What a frame shows beyond its candidates: mean and log variance of the latent."""

    def __init__(self, config: CompactWorldConfig) -> None:
        super().__init__()
        _, quarter, eighth, sixteenth = config.widths
        self.net = nn.Sequential(
            nn.PixelUnshuffle(4),
            nn.Conv2d(16 * 12, quarter, 3, padding=1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(quarter, eighth, 3, stride=2, padding=1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(eighth, sixteenth, 3, stride=2, padding=1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(sixteenth, 2 * config.latent, 3, padding=1),
        )

    def forward(self, frame: Tensor, scene: Scene) -> tuple[Tensor, Tensor]:
        """Both ``(B, latent, H / 16, W / 16)``, from the true frame ``(B, 3, H, W)``."""
        moved, mixture = scene.candidates[:, :6], scene.candidates[:, 3 * MIXTURE :]
        differences = torch.cat([frame - 0.5, frame - mixture, frame.repeat(1, 2, 1, 1) - moved], 1)
        mean, log_variance = self.net(differences).float().chunk(2, 1)
        return mean, log_variance.clamp(-8, 4)


class Dreamer(nn.Module):
    """Velocity of a rectified flow over the latents of a segment, ``(B, T, latent, h, w)``."""

    def __init__(self, config: CompactWorldConfig) -> None:
        super().__init__()
        width = config.dreamer
        self.latent = config.latent
        self.words = nn.Embedding(WORDS + 1, config.text, padding_idx=WORDS)
        self.moment = situation_embedding()
        self.rest = nn.Sequential(nn.Linear(config.text + 1, STATE), nn.LeakyReLU(0.1), nn.Linear(STATE, STATE))
        self.enter = nn.Conv2d(config.latent + config.widths[3], width, 3, padding=1)
        self.blocks = nn.ModuleList(SpaceTime(width) for _ in range(config.dreamer_blocks))
        self.leave = nn.Conv2d(width, config.latent, 3, padding=1)
        with torch.no_grad():
            self.leave.weight.mul_(0.1)

    def forward(self, noisy: Tensor, level: Tensor, seen: Tensor, situation: Tensor, words: Tensor) -> Tensor:
        """Velocity from noise to data.

        Args:
            noisy: Between noise (``level`` 0) and latent (1), ``(B, T, latent, h, w)``.
            level: ``(B,)``.
            seen: The painter's deepest features at the latent frames, ``(B, T, widths[3], h, w)``.
            situation: Of each latent frame, ``(B, T, 11)``.
            words: Hashed words of the caption, int64 ``(B, n)``, ``WORDS`` where there is none.
        """
        batch, frames = noisy.shape[:2]
        there = (words != WORDS).sum(1, keepdim=True).clamp(min=1)
        said = self.words(words).sum(1) / there
        rest = self.rest(torch.cat([said, level[:, None]], 1))
        state = self.moment(situation.flatten(0, 1)) + rest.repeat_interleave(frames, 0)
        x = self.enter(torch.cat([noisy, seen], 2).flatten(0, 1))
        for block in self.blocks:
            x = block(x, state, batch)
        velocity: Tensor = self.leave(F.leaky_relu(x, 0.1)).unflatten(0, (batch, frames))
        return velocity


class SpaceTime(nn.Module):
    """A residual block over space, then one over time."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.space = PainterResidual(width)
        self.time = nn.Conv1d(width, width, 3, padding=1, bias=False)
        nn.init.zeros_(self.time.weight)

    def forward(self, x: Tensor, state: Tensor, batch: int) -> Tensor:
        """``x`` is ``(batch * T, width, h, w)``."""
        x = self.space(x, state)
        total, width, height, columns = x.shape
        rows = x.view(batch, total // batch, width, height * columns).permute(0, 3, 2, 1)
        along = self.time(F.leaky_relu(rows, 0.1).flatten(0, 1)).unflatten(0, (batch, height * columns))
        return x + along.permute(0, 3, 2, 1).reshape(total, width, height, columns)


STATE = 32


def still_right(situation: Tensor) -> Tensor:
    """How far both sketches of a scene still hold, in [0, 1], ``(B, 2)``: less the older they are and the more moves.

    Contours travel ``3 x score`` pixels a second (of a 320x576 picture); a sketch that lies a few pixels off misleads.
    """
    score, near = 10 * situation[:, 3:4], situation[:, 9:11]
    away_s = (1 / near.clamp(min=0.01) - 1) / NEARNESS
    return 1 / (1 + away_s * (1 + score))


def situation_embedding() -> nn.Sequential:
    """The numbers of a situation as features that steer every residual block."""
    return nn.Sequential(nn.Linear(SITUATION, STATE), nn.LeakyReLU(0.1), nn.Linear(STATE, STATE), nn.LeakyReLU(0.1))


class PainterResidual(nn.Module):
    """Two convolutions beside the identity; the state scales and shifts what lies between."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.steer = nn.Linear(STATE, 2 * width)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        with torch.no_grad():
            self.steer.weight.zero_()
            self.steer.bias.zero_()
            self.second.weight.mul_(0.1)

    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        scale, shift = self.steer(state)[:, :, None, None].chunk(2, 1)
        inner = self.first(F.leaky_relu(x, 0.1)) * (1 + scale) + shift
        return x + self.second(F.leaky_relu(inner, 0.1))


def on_pixels(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """What a 3x3 convolution makes of pixels gathered two by two, without gathering them: the same numbers, faster."""
    out, into = conv.weight.shape[:2]
    weight = conv.weight.reshape(out, into // 4, 2, 2, 3, 3).permute(0, 1, 4, 2, 5, 3).reshape(out, into // 4, 6, 6)
    return F.conv2d(x, weight.contiguous(memory_format=torch.channels_last), conv.bias, stride=2, padding=2)


@torch.inference_mode()
def dream(
    dreamer: Dreamer,
    seen: Tensor,
    situation: Tensor,
    words: Tensor,
    noise: Tensor,
    *,
    steps: int,
) -> Tensor:
    """Latents of a segment by Euler steps from ``noise``, ``(T, latent, h, w)``.

    Args:
        seen: ``(T, widths[3], h, w)``.
        situation: ``(T, 11)``.
        words: ``(n,)``.
        noise: Where the flow begins. Zeros give about the mean of all that may be.
        steps: Evaluations of the network.
    """
    latent = noise[None]
    for step in range(steps):
        level = torch.full((1,), step / steps, dtype=noise.dtype)
        latent = latent + dreamer(latent, level, seen[None], situation[None], words[None]) / steps
    return latent[0]
