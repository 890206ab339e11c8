"""Rectified flow as Open-Sora 1.2 samples it: noise becomes a latent video, and frames that are given stay.

``z_t = (1 - t/1000) x + (t/1000) noise``; the network predicts ``x - noise``, and time runs from 1000 down to 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from lgvsc.errors import ConfigError, ShapeError

FULL_NOISE = 1000.0  # the time at which nothing but noise is left
BASE_AREA = 512 * 512  # pixels of the picture for which times are not shifted

Progress = Callable[[int, int], None]  # steps done, steps in all


class VelocityNetwork(Protocol):
    """What the sampler asks of a network; :class:`lgvsc.nets.stdit3.STDiT3` is one."""

    def __call__(
        self,
        x: Tensor,
        timestep: Tensor,
        y: Tensor,
        *,
        mask: Tensor | None,
        x_mask: Tensor | None,
        fps: Tensor,
        height: Tensor,
        width: Tensor,
    ) -> Tensor: ...


@dataclass(frozen=True, slots=True)
class RectifiedFlow:
    """The sampler. Defaults: the release's inference settings.

    Attributes:
        num_sampling_steps: Network calls, each on the caption and on the null caption.
        cfg_scale: w in ``uncond + w (cond - uncond)``.
        use_timestep_transform: Spend more of the time at high noise, the larger and longer the video is.
        halves_apart: Run caption and null caption one after the other: the same numbers in half the memory.
    """

    num_sampling_steps: int = 30
    cfg_scale: float = 7.0
    use_timestep_transform: bool = True
    halves_apart: bool = False

    def __post_init__(self) -> None:
        if self.num_sampling_steps < 1:
            raise ConfigError(f"num_sampling_steps is {self.num_sampling_steps}; at least one step is needed")

    def times(self, height: Tensor | float, width: Tensor | float, num_frames: Tensor | float) -> Tensor:
        """The times of all steps, float32 ``(K, P)`` for sizes of shape ``(P,)``; falling, none above 1000."""
        steps = self.num_sampling_steps
        even = torch.tensor([(1.0 - i / steps) * FULL_NOISE for i in range(steps)])[:, None]
        sizes = (torch.as_tensor(v, dtype=torch.float32).reshape(-1).cpu() for v in (height, width, num_frames))
        rows, columns, frames = torch.broadcast_tensors(*sizes)
        if not self.use_timestep_transform:
            return even.expand(-1, len(frames))
        latents = torch.tensor([float(latents_for_times(int(n))) for n in frames])
        ratio = (rows * columns / BASE_AREA).sqrt() * latents.sqrt()
        share = even / FULL_NOISE
        shifted = ratio * share / (1 + (ratio - 1) * share) * FULL_NOISE
        # Rounding puts the first time of some small sizes a little above; the release then takes every frame as given.
        return shifted.clamp(max=FULL_NOISE)

    @torch.no_grad()
    def sample(
        self,
        model: VelocityNetwork,
        z: Tensor,
        y: Tensor,
        mask: Tensor | None,
        y_null: Tensor,
        fps: Tensor | float,
        height: Tensor | float,
        width: Tensor | float,
        num_frames: Tensor | float,
        frame_mask: Tensor | None = None,
        generator: torch.Generator | None = None,
        on_step: Progress | None = None,
    ) -> Tensor:
        """Turn noise into a latent video.

        Args:
            model: Predicts the velocity; the channels after the first ``C`` are not used.
            z: Noise ``(P, C, T, h, w)``, one sample per prompt; where ``frame_mask`` is below 1, the given latents.
                Not changed.
            y: Captions ``(P, 1, L, E)``.
            mask: ``(P, L)``, the tokens of each caption that count; ``None``: all.
            y_null: The null caption, ``(L, E)``, or one for each prompt like ``y``.
            fps, height, width, num_frames: Of the pixel video, ``(P,)`` or one number for all. ``fps`` is 120 by
                convention for a single picture.
            frame_mask: ``(P, T)`` or ``(T,)`` in [0, 1]. 1: made; 0: given, stays bit for bit and steers the others;
                between: given at first, noised once when the time has come down to that share of 1000, then made.
            generator: Of the fresh noise for values between 0 and 1. ``None`` uses PyTorch's global generator.
            on_step: Called after each step.

        Returns:
            Latents like ``z``, float32.
        """
        prompts = len(z)
        if len(y) != prompts:
            raise ShapeError(f"there are {prompts} latents but {len(y)} captions")

        def for_each(value: Tensor | float) -> Tensor:
            return torch.as_tensor(value, dtype=torch.float32, device=z.device).reshape(-1).expand(prompts)

        sizes = {"fps": for_each(fps), "height": for_each(height), "width": for_each(width)}
        captions = (y, y_null.to(y).reshape(-1, 1, *y.shape[2:]).expand(prompts, -1, -1, -1))
        times = self.times(sizes["height"], sizes["width"], for_each(num_frames)).to(z.device)
        ends = torch.cat([times[1:], torch.zeros_like(times[:1])])
        share = None if frame_mask is None else frame_mask.to(z.device).reshape(-1, z.shape[2]).expand(prompts, -1)
        started = None if share is None else share == 1

        for step, (time, end) in enumerate(zip(times, ends, strict=True)):
            before, active = z, None
            if share is not None and started is not None:
                active = share * FULL_NOISE >= time[:, None]
                fresh = noise_like(z, generator)  # always drawn, so that a mask's values do not shift later draws
                noised = (1 - across(time) / FULL_NOISE) * z + across(time) / FULL_NOISE * fresh
                z = torch.where(in_frames(active & ~started), noised, z)
                started = active
            velocity = self._guided(model, z, time, captions, mask, active, sizes)
            z = z + velocity * across((time - end) / FULL_NOISE)
            if active is not None:
                z = torch.where(in_frames(active), z, before)
            if on_step is not None:
                on_step(step + 1, len(times))
        return z

    def _guided(
        self,
        model: VelocityNetwork,
        z: Tensor,
        time: Tensor,
        captions: tuple[Tensor, Tensor],
        mask: Tensor | None,
        active: Tensor | None,
        sizes: dict[str, Tensor],
    ) -> Tensor:
        """Velocity under guidance. The null caption counts as many tokens as the caption it stands beside."""
        if self.halves_apart:
            halves = [model(z, time, y, mask=mask, x_mask=active, **sizes) for y in captions]
        else:
            twice = None if active is None else active.repeat(2, 1)
            both = model(z.repeat(2, 1, 1, 1, 1), time.repeat(2), torch.cat(captions), mask=mask, x_mask=twice, **sizes)
            halves = list(both.chunk(2))
        worded, wordless = (half[:, : z.shape[1]] for half in halves)
        return wordless + self.cfg_scale * (worded - wordless)


def latents_for_times(num_frames: int) -> int:
    """How many latents the times of a video are reckoned with.

    For 17 frames and more, and for one, this is the release's ``5 * (n // 17)`` and 1, which leaves out the rest of a
    division on purpose. For 2 to 16 frames the release has 0, hence no number at the first step and zero time
    after it (known upstream, issues 601, 641, 762); here it is ``ceil(n / 4)``, which meets the 5 at 17.
    """
    if num_frames < 17:
        return max(1, -(-num_frames // 4))
    return 5 * (num_frames // 17)


def noise_like(z: Tensor, generator: torch.Generator | None) -> Tensor:
    """Gaussian noise in the shape of ``z``, drawn where the generator lives and so the same on every device."""
    device = "cpu" if generator is None else generator.device
    return torch.randn(z.shape, dtype=z.dtype, device=device, generator=generator).to(z.device)


def across(values: Tensor) -> Tensor:
    """``(P,)`` against ``(P, C, T, h, w)``."""
    return values[:, None, None, None, None]


def in_frames(values: Tensor) -> Tensor:
    """``(P, T)`` against ``(P, C, T, h, w)``."""
    return values[:, None, :, None, None]
