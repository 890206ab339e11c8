"""The video autoencoder of Open-Sora 1.2: pictures to 2D latents, 8x8 smaller, and those to video latents, 4x fewer.

Each half is of use by itself, and :class:`OpenSoraVAE` is the pair as it is published in
``hpcai-tech/OpenSora-VAE-v1.2``. Written anew from the public description of the release (arXiv:2412.20404); names of
parameters and numbers are those of the checkpoint.

Time is cut into chunks of 17 frames that know nothing of each other. A chunk is filled up with zeros *in front* to a
multiple of four frames, so 17 frames have five latents, the first of which stands for frame 0 alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CHUNK_FRAMES = 17
SPATIAL_FACTOR = 0.18215  # between 2D latents and everything else; not the 0.13025 of the VAE's origin
SPATIAL_STRIDE = 8
SCALE = (3.85, 2.32, 2.33, 3.06)
SHIFT = (-0.10, 0.34, 0.27, 0.98)
LOG_VARIANCE_RANGE = (-30.0, 20.0)


def latent_frames(frames: int, chunk_frames: int = CHUNK_FRAMES) -> int:
    """How many latent frames stand for so many pictures: five per full chunk, then one for every four begun."""
    full, rest = divmod(frames, chunk_frames)
    return full * -(-chunk_frames // 4) + -(-rest // 4)


class OpenSoraVAE(nn.Module):
    """Spatial and temporal autoencoder, one after the other.

    Args:
        spatial, temporal: The two, or their configurations; the published ones where not given.
        micro_frame_size: Frames of a chunk. Neither convolutions nor statistics cross its border.
        micro_batch_size: Pictures that the spatial half codes at a time. Memory only; no number depends on it.
    """

    scale: Tensor
    shift: Tensor

    def __init__(
        self,
        spatial: SpatialVAE | Mapping[str, Any] | None = None,
        temporal: TemporalVAE | Mapping[str, Any] | None = None,
        *,
        micro_frame_size: int = CHUNK_FRAMES,
        micro_batch_size: int = 4,
    ) -> None:
        super().__init__()
        spatial = spatial if isinstance(spatial, SpatialVAE) else SpatialVAE(**(spatial or {}))
        self.spatial_vae = FrameByFrame(spatial, micro_batch_size)
        self.temporal_vae = temporal if isinstance(temporal, TemporalVAE) else TemporalVAE(**(temporal or {}))
        self.micro_frame_size = micro_frame_size
        self.register_buffer("scale", torch.tensor(SCALE).view(1, -1, 1, 1, 1))
        self.register_buffer("shift", torch.tensor(SHIFT).view(1, -1, 1, 1, 1))

    @classmethod
    def tiny(cls) -> Self:
        """Some ten thousand parameters, for tests."""
        return cls(SpatialVAE.tiny(), TemporalVAE.tiny())

    def latent_frames(self, frames: int) -> int:
        """How many latent frames stand for so many pictures."""
        return latent_frames(frames, self.micro_frame_size)

    def encode(self, x: Tensor, *, sample: bool = False, generator: torch.Generator | None = None) -> Tensor:
        """Pictures to latents.

        Args:
            x: ``(B, 3, n, H, W)`` in [-1, 1]; H and W are cut to multiples of 8 in effect.
            sample: Draw from both posteriors, as the release does. Default: their means, which repeat exactly.
            generator: Where the draws come from. ``None`` uses PyTorch's global generator.

        Returns:
            ``(B, 4, latent_frames(n), H // 8, W // 8)``, each channel brought to about unit deviation.
        """

        def latent(moments: Tensor) -> Tensor:
            return posterior(moments, generator) if sample else moments.chunk(2, dim=1)[0]

        flat = self.spatial_vae.map(lambda pictures: latent(self.spatial_vae.module.encode(pictures)), x)
        chunks = (SPATIAL_FACTOR * flat).split(self.micro_frame_size, dim=2)
        z = torch.cat([latent(self.temporal_vae.encode(chunk)) for chunk in chunks], dim=2)
        return (z - self.shift) / self.scale

    def decode(self, z: Tensor, num_frames: int) -> Tensor:
        """Latents to exactly ``num_frames`` pictures, ``(B, 3, num_frames, 8h, 8w)``; not clamped."""
        return torch.cat(list(self.decode_chunks(z, num_frames)), dim=2)

    def decode_chunks(self, z: Tensor, num_frames: int) -> Iterator[Tensor]:
        """The same piece by piece, in the memory of one chunk.

        Raises:
            ValueError: So many frames do not have so many latents.
        """
        if z.shape[2] != self.latent_frames(num_frames):
            raise ValueError(
                f"{num_frames} frames have {self.latent_frames(num_frames)} latents, but there are {z.shape[2]}"
            )
        z = z * self.scale + self.shift
        for chunk in z.split(self.latent_frames(self.micro_frame_size), dim=2):
            frames = min(self.micro_frame_size, num_frames)
            num_frames -= frames
            flat = self.temporal_vae.decode(chunk, frames) / SPATIAL_FACTOR
            yield self.spatial_vae.map(self.spatial_vae.module.decode, flat)


def posterior(moments: Tensor, generator: torch.Generator | None) -> Tensor:
    """A draw from the Gaussian whose mean and log-variance lie one after the other in the channels."""
    mean, log_variance = moments.chunk(2, dim=1)
    device = "cpu" if generator is None else generator.device
    noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=device).to(mean.device)
    return mean + torch.exp(0.5 * log_variance.clamp(*LOG_VARIANCE_RANGE)) * noise


# --- time -----------------------------------------------------------------------------------------------------------


class TemporalVAE(nn.Module):
    """2D latents ``(B, 4, n, h, w)`` to video latents ``(B, 4, ceil(n / 4), h, w)`` and back: one chunk.

    Args:
        filters: Width of the first stage.
        num_res_blocks: Residual blocks of each stage.
        channel_multipliers: Width of each stage, in ``filters``.
        temporal_downsample: Whether time is halved after each stage but the last.
        num_groups: Of every group norm.
        in_out_channels, latent_embed_dim, embed_dim: Channels of the input, and of the latents within and outside.
    """

    def __init__(
        self,
        filters: int = 128,
        num_res_blocks: int = 4,
        channel_multipliers: Sequence[int] = (1, 2, 2, 4),
        temporal_downsample: Sequence[bool] = (False, True, True),
        num_groups: int = 32,
        in_out_channels: int = 4,
        latent_embed_dim: int = 4,
        embed_dim: int = 4,
    ) -> None:
        super().__init__()
        if len(temporal_downsample) != len(channel_multipliers) - 1:
            raise ValueError("temporal_downsample has one entry for each channel multiplier but the last")
        widths = [filters * multiplier for multiplier in channel_multipliers]
        shape = (widths, num_res_blocks, list(temporal_downsample), num_groups)
        self.time_stride = 2 ** sum(map(bool, temporal_downsample))
        self.encoder = TemporalEncoder(in_out_channels, 2 * latent_embed_dim, *shape)
        self.quant_conv = CausalConv(2 * latent_embed_dim, 2 * embed_dim, 1)
        self.post_quant_conv = CausalConv(embed_dim, latent_embed_dim, 1)
        self.decoder = TemporalDecoder(latent_embed_dim, in_out_channels, *shape)

    @classmethod
    def tiny(cls, **changes: Any) -> Self:
        """A few thousand parameters, for tests."""
        return cls(**({"filters": 8, "num_res_blocks": 1, "num_groups": 4} | changes))

    def encode(self, x: Tensor) -> Tensor:
        """Mean, then log-variance: ``(B, 8, ceil(n / 4), h, w)``."""
        filled = F.pad(x, (0, 0, 0, 0, self._missing(x.shape[2]), 0))  # in front, and before any statistics
        return self.quant_conv(self.encoder(filled))

    def decode(self, z: Tensor, num_frames: int) -> Tensor:
        """The last ``num_frames`` of the ``4 T`` frames that T latents make."""
        return self.decoder(self.post_quant_conv(z))[:, :, self._missing(num_frames) :]

    def _missing(self, frames: int) -> int:
        return -frames % self.time_stride


class TemporalEncoder(nn.Module):
    """Stages of residual blocks, each followed by a convolution that halves time, or by nothing."""

    def __init__(
        self, channels: int, out_channels: int, widths: list[int], blocks: int, halved: list[bool], groups: int
    ) -> None:
        super().__init__()
        self.conv_in = CausalConv(channels, widths[0], 3, bias=False)
        ins = [widths[0], *widths[:-1]]
        self.block_res_blocks = nn.ModuleList(
            stage(before, width, blocks, groups) for before, width in zip(ins, widths, strict=True)
        )
        self.conv_blocks = nn.ModuleList(
            CausalConv(width, width, 3, time_stride=2) if half else nn.Identity()
            for width, half in zip(widths, halved, strict=False)
        )
        self.res_blocks = stage(widths[-1], widths[-1], blocks, groups)
        self.norm1 = nn.GroupNorm(groups, widths[-1])
        self.conv2 = CausalConv(widths[-1], out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        for index, blocks in enumerate(self.block_res_blocks):
            x = blocks(x)
            if index < len(self.conv_blocks):
                x = self.conv_blocks[index](x)
        return self.conv2(F.silu(self.norm1(self.res_blocks(x))))


class TemporalDecoder(nn.Module):
    """The mirror of the encoder: time is doubled by moving channels into it."""

    def __init__(
        self, channels: int, out_channels: int, widths: list[int], blocks: int, halved: list[bool], groups: int
    ) -> None:
        super().__init__()
        self.conv1 = CausalConv(channels, widths[-1], 3)
        self.res_blocks = stage(widths[-1], widths[-1], blocks, groups)
        ins = [*widths[1:], widths[-1]]
        self.block_res_blocks = nn.ModuleList(
            stage(before, width, blocks, groups) for before, width in zip(ins, widths, strict=True)
        )
        self.conv_blocks = nn.ModuleList(
            CausalConv(width, 2 * width, 3) if double else nn.Identity()
            for width, double in zip(widths[1:], halved, strict=True)
        )
        self.norm1 = nn.GroupNorm(groups, widths[0])
        self.conv_out = CausalConv(widths[0], out_channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.res_blocks(self.conv1(x))
        for index in reversed(range(len(self.block_res_blocks))):
            x = self.block_res_blocks[index](x)
            if index > 0 and isinstance(self.conv_blocks[index - 1], CausalConv):
                x = self.conv_blocks[index - 1](x).unflatten(1, (-1, 2))  # (B, C, 2, T, h, w): channel-major
                x = x.transpose(2, 3).flatten(2, 3)
        return self.conv_out(F.silu(self.norm1(x)))


def stage(in_channels: int, channels: int, blocks: int, groups: int) -> nn.Sequential:
    """Residual blocks one after the other; the first one changes the width."""
    ins = [in_channels] + [channels] * (blocks - 1)
    return nn.Sequential(*(CausalResBlock(before, channels, groups) for before in ins))


class CausalResBlock(nn.Module):
    """Norm, SiLU, convolution, twice, beside the input."""

    def __init__(self, in_channels: int, channels: int, groups: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, in_channels)
        self.conv1 = CausalConv(in_channels, channels, 3, bias=False)
        self.norm2 = nn.GroupNorm(groups, channels)
        self.conv2 = CausalConv(channels, channels, 3, bias=False)
        if in_channels != channels:
            self.conv3 = CausalConv(in_channels, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        u = self.conv1(F.silu(self.norm1(x)))
        u = self.conv2(F.silu(self.norm2(u)))
        return u + (self.conv3(x) if hasattr(self, "conv3") else x)


class CausalConv(nn.Module):
    """3D convolution that sees no later frame: zeros on all sides of the picture, in time in front only.

    With a stride of 2 one frame less is put in front, so that the last frame of the input is the last that is seen.
    """

    def __init__(
        self, in_channels: int, channels: int, kernel: int, *, time_stride: int = 1, bias: bool = True
    ) -> None:
        super().__init__()
        self.conv = nn.Conv3d(in_channels, channels, kernel, stride=(time_stride, 1, 1), bias=bias)
        side = kernel // 2
        self.padding = (side, side, side, side, kernel - time_stride if kernel > 1 else 0, 0)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, self.padding))


# --- space ----------------------------------------------------------------------------------------------------------


class FrameByFrame(nn.Module):
    """The spatial half, applied to the frames of a video; the checkpoint names its weights ``module``."""

    def __init__(self, module: SpatialVAE, micro_batch_size: int) -> None:
        super().__init__()
        self.module = module
        self.micro_batch_size = micro_batch_size

    def map(self, function: Callable[[Tensor], Tensor], video: Tensor) -> Tensor:
        """``(B, C, n, h, w)`` to the same with what the function makes of pictures ``(b, C, h, w)``."""
        pictures = video.transpose(1, 2).flatten(0, 1)
        made = torch.cat([function(some) for some in pictures.split(self.micro_batch_size)])
        return made.unflatten(0, (len(video), -1)).transpose(1, 2)


class SpatialVAE(nn.Module):
    """Pictures ``(B, 3, H, W)`` in [-1, 1] to latents ``(B, 4, H // 8, W // 8)`` and back.

    The autoencoder of Stable Diffusion, with the key names of ``AutoencoderKL`` in diffusers 0.27.

    Args:
        block_out_channels: Width of each stage; every stage but the last halves the picture.
        layers_per_block: Residual blocks of each stage of the encoder; the decoder has one more.
        norm_num_groups: Of every group norm.
        in_channels, latent_channels: Channels of pictures and latents.
    """

    def __init__(
        self,
        block_out_channels: Sequence[int] = (128, 256, 512, 512),
        layers_per_block: int = 2,
        norm_num_groups: int = 32,
        in_channels: int = 3,
        latent_channels: int = 4,
    ) -> None:
        super().__init__()
        shape = (list(block_out_channels), layers_per_block, norm_num_groups)
        self.encoder = SpatialEncoder(in_channels, 2 * latent_channels, *shape)
        self.quant_conv = nn.Conv2d(2 * latent_channels, 2 * latent_channels, 1)
        self.post_quant_conv = nn.Conv2d(latent_channels, latent_channels, 1)
        self.decoder = SpatialDecoder(latent_channels, in_channels, *shape)

    @classmethod
    def tiny(cls, **changes: Any) -> Self:
        """A few thousand parameters, for tests; still 8x8 pixels per latent."""
        config: dict[str, Any] = {"block_out_channels": (4, 8, 8, 8), "layers_per_block": 1, "norm_num_groups": 4}
        return cls(**(config | changes))

    def encode(self, x: Tensor) -> Tensor:
        """Mean, then log-variance: ``(B, 8, H // 8, W // 8)``."""
        return self.quant_conv(self.encoder(x))

    def decode(self, z: Tensor) -> Tensor:
        """Pictures; not clamped."""
        return self.decoder(self.post_quant_conv(z))


class SpatialEncoder(nn.Module):
    """Each stage but the last ends in a convolution of stride 2."""

    def __init__(self, channels: int, out_channels: int, widths: list[int], layers: int, groups: int) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(channels, widths[0], 3, padding=1)
        ins = [widths[0], *widths[:-1]]
        self.down_blocks = nn.ModuleList(
            SpatialStage(before, width, layers, groups, "down" if index < len(widths) - 1 else None)
            for index, (before, width) in enumerate(zip(ins, widths, strict=True))
        )
        self.mid_block = MidBlock(widths[-1], groups)
        self.conv_norm_out = nn.GroupNorm(groups, widths[-1], eps=1e-6)
        self.conv_out = nn.Conv2d(widths[-1], out_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        for block in self.down_blocks:
            x = block(x)
        return self.conv_out(F.silu(self.conv_norm_out(self.mid_block(x))))


class SpatialDecoder(nn.Module):
    """Each stage but the last ends in doubling the picture."""

    def __init__(self, channels: int, out_channels: int, widths: list[int], layers: int, groups: int) -> None:
        super().__init__()
        widths = widths[::-1]
        self.conv_in = nn.Conv2d(channels, widths[0], 3, padding=1)
        self.mid_block = MidBlock(widths[0], groups)
        ins = [widths[0], *widths[:-1]]
        self.up_blocks = nn.ModuleList(
            SpatialStage(before, width, layers + 1, groups, "up" if index < len(widths) - 1 else None)
            for index, (before, width) in enumerate(zip(ins, widths, strict=True))
        )
        self.conv_norm_out = nn.GroupNorm(groups, widths[-1], eps=1e-6)
        self.conv_out = nn.Conv2d(widths[-1], out_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.mid_block(self.conv_in(x))
        for block in self.up_blocks:
            x = block(x)
        return self.conv_out(F.silu(self.conv_norm_out(x)))


class SpatialStage(nn.Module):
    """Residual blocks, then a change of size: ``"down"``, ``"up"`` or none."""

    def __init__(self, in_channels: int, channels: int, layers: int, groups: int, resize: str | None) -> None:
        super().__init__()
        ins = [in_channels] + [channels] * (layers - 1)
        self.resnets = nn.ModuleList(SpatialResBlock(before, channels, groups) for before in ins)
        if resize == "down":
            self.downsamplers = nn.ModuleList([Downsample(channels)])
        elif resize == "up":
            self.upsamplers = nn.ModuleList([Upsample(channels)])

    def forward(self, x: Tensor) -> Tensor:
        for module in self.children():
            for step in module.children():
                x = step(x)
        return x


class Downsample(nn.Module):
    """Half the size. Zeros are put to the right and at the bottom only."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Double the size by repetition, then a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class MidBlock(nn.Module):
    """Residual block, attention over all pixels, residual block."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(SpatialResBlock(channels, channels, groups) for _ in range(2))
        self.attentions = nn.ModuleList([PixelAttention(channels, groups)])

    def forward(self, x: Tensor) -> Tensor:
        return self.resnets[1](self.attentions[0](self.resnets[0](x)))


class PixelAttention(nn.Module):
    """One head as wide as the channels, beside the input."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.group_norm = nn.GroupNorm(groups, channels, eps=1e-6)
        self.to_q = nn.Linear(channels, channels)
        self.to_k = nn.Linear(channels, channels)
        self.to_v = nn.Linear(channels, channels)
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.group_norm(x).flatten(2).transpose(1, 2)
        q, k, v = (to(tokens)[:, None] for to in (self.to_q, self.to_k, self.to_v))
        seen = self.to_out[0](F.scaled_dot_product_attention(q, k, v)[:, 0])
        return x + seen.transpose(1, 2).view_as(x)


class SpatialResBlock(nn.Module):
    """Norm, SiLU, convolution, twice, beside the input."""

    def __init__(self, in_channels: int, channels: int, groups: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, in_channels, eps=1e-6)
        self.conv1 = nn.Conv2d(in_channels, channels, 3, padding=1)
        self.norm2 = nn.GroupNorm(groups, channels, eps=1e-6)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        if in_channels != channels:
            self.conv_shortcut = nn.Conv2d(in_channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        u = self.conv1(F.silu(self.norm1(x)))
        u = self.conv2(F.silu(self.norm2(u)))
        return u + (self.conv_shortcut(x) if hasattr(self, "conv_shortcut") else x)
