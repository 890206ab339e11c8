"""STDiT3, the diffusion transformer of Open-Sora 1.2: predicts the velocity of a latent video.

Space and time are attended to in turn. A spatial block sees the tokens of one latent frame, a temporal block those of
one place through time, with rotary positions, so no weight depends on the length of the video. Written anew from the
public description of the release (arXiv:2412.20404); names of parameters and numbers are those of the published
checkpoint ``hpcai-tech/OpenSora-STDiT-v3``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPS = 1e-6  # of every normalisation in here
SINUSOID_WIDTH = 256
LONGEST_PERIOD = 10_000.0
PIXELS_PER_LATENT = 8  # of the autoencoder, along each side
USUAL_FPS, PICTURE_FPS = 24.0, 120.0  # the release's setting, and what it says of a single picture


class STDiT3(nn.Module):
    """Velocity of each latent, from noisy latents, time, caption and size. Defaults: the published checkpoint.

    Args:
        depth: Pairs of a spatial and a temporal block.
        hidden_size: Width C of a token; a multiple of 4 and of ``num_heads``.
        num_heads: Attention heads.
        in_channels: Channels of the latent video.
        patch_size: Latents per token: frames, rows, columns.
        caption_channels: Width E of the text encoder's output.
        model_max_length: Rows L of the null caption.
        qk_norm: Whether queries and keys are normalised.
        pred_sigma: Whether a second set of channels, which nothing uses, follows the velocity.
        input_sq_size: Side in pixels of the square that position 1 is measured in.
        mlp_ratio: Width of the hidden layer of each MLP, in ``hidden_size``.
    """

    def __init__(
        self,
        depth: int = 28,
        hidden_size: int = 1152,
        num_heads: int = 16,
        in_channels: int = 4,
        patch_size: Sequence[int] = (1, 2, 2),
        caption_channels: int = 4096,
        model_max_length: int = 300,
        qk_norm: bool = True,
        pred_sigma: bool = True,
        input_sq_size: int = 512,
        mlp_ratio: float = 4.0,
    ) -> None:
        super().__init__()
        if hidden_size % num_heads or hidden_size // num_heads % 2 or hidden_size % 4:
            raise ValueError(
                f"hidden_size {hidden_size} must be a multiple of 4 that splits into {num_heads} heads of even width"
            )
        self.hidden_size = hidden_size
        self.in_channels = in_channels
        self.out_channels = in_channels * (2 if pred_sigma else 1)
        in_time, in_rows, in_columns = patch_size
        self.patch_size = (in_time, in_rows, in_columns)
        self.input_sq_size = input_sq_size

        self.rope = RotaryPositions(hidden_size // num_heads)
        self.x_embedder = PatchEmbedding(in_channels, hidden_size, self.patch_size)
        self.t_embedder = ScalarEmbedding(hidden_size)
        self.fps_embedder = ScalarEmbedding(hidden_size)
        self.t_block = nn.Sequential(nn.SiLU(), nn.Linear(hidden_size, 6 * hidden_size))
        self.y_embedder = CaptionEmbedding(caption_channels, hidden_size, model_max_length)

        def block() -> STDiT3Block:
            return STDiT3Block(hidden_size, num_heads, mlp_ratio, qk_norm)

        self.spatial_blocks = nn.ModuleList(block() for _ in range(depth))
        self.temporal_blocks = nn.ModuleList(block() for _ in range(depth))
        self.final_layer = FinalLayer(hidden_size, math.prod(self.patch_size) * self.out_channels)
        self._set_first_values()

    @classmethod
    def tiny(cls, **changes: object) -> Self:
        """A few thousand parameters, for tests."""
        config: dict[str, object] = {"depth": 2, "hidden_size": 32, "num_heads": 2, "caption_channels": 16}
        return cls(**(config | {"model_max_length": 12} | changes))  # type: ignore[arg-type]

    def forward(
        self,
        x: Tensor,
        timestep: Tensor,
        y: Tensor,
        mask: Tensor | None = None,
        x_mask: Tensor | None = None,
        fps: Tensor | None = None,
        height: Tensor | None = None,
        width: Tensor | None = None,
    ) -> Tensor:
        """Velocity ``x - noise`` of each latent.

        Args:
            x: Noisy latents, ``(B, in_channels, T, h, w)``. Any T, h and w.
            timestep: ``(B,)``, real, 0 (clean) to 1000 (pure noise).
            y: Encoded captions ``(B, 1, L, E)``.
            mask: ``(P, L)``, other than 0 on the tokens that count; P divides B and the mask is repeated, so a null
                caption in the second half of a batch is cut to the length of its counterpart. ``None``: all count.
            x_mask: ``(B, T)``, true where a latent frame is being made. Where false it is given: it sees time 0.
            fps: ``(P,)``, frames per second of the pixel video; 120 for a single picture. ``None``: 24, or 120 where T
                is 1.
            height, width: ``(P,)``, pixels of the video. Only the first element of each is read. ``None``: 8 for each
                latent.

        Returns:
            float32 ``(B, out_channels, T, h, w)``; the velocity comes first.
        """
        dtype = self.x_embedder.proj.weight.dtype
        batch, _, frames, rows, columns = x.shape
        fps = torch.tensor([USUAL_FPS if frames > 1 else PICTURE_FPS]) if fps is None else fps
        tall = float(rows * PIXELS_PER_LATENT if height is None else height[0])
        wide = float(columns * PIXELS_PER_LATENT if width is None else width[0])

        tokens = self.x_embedder(x.to(dtype))  # (B, T', H', W', C)
        steps, down, across = tokens.shape[1:4]
        scale = math.sqrt(tall * wide) / self.input_sq_size
        places = grid_positions(down, across, scale, self.hidden_size, tokens.device).to(dtype)
        tokens = tokens.flatten(2, 3) + places  # (B, T', S, C)

        rate = self.fps_embedder(fps.to(x.device).repeat(batch // len(fps)), dtype)
        time = self.t_embedder(timestep, dtype) + rate
        modulation = self.t_block(time).unflatten(1, (6, -1))[:, None]  # (B, 1, 6, C)
        time0 = given = None
        if x_mask is not None:
            given = ~x_mask.bool()
            time0 = self.t_embedder(torch.zeros_like(timestep), dtype) + rate
            modulation0 = self.t_block(time0).unflatten(1, (6, -1))[:, None]
            modulation = torch.where(given[:, :, None, None], modulation0, modulation)  # (B, T, 6, C)

        words, lengths = self._caption(y.to(dtype), mask)
        angles = self.rope.angles(steps)
        for spatial, temporal in zip(self.spatial_blocks, self.temporal_blocks, strict=True):
            tokens = spatial(tokens, words, lengths, modulation)
            tokens = temporal(tokens, words, lengths, modulation, angles)
        out = self.final_layer(tokens, time, time0, given)
        return self._unpatched(out, down, across)[:, :, :frames, :rows, :columns].float()

    def _caption(self, y: Tensor, mask: Tensor | None) -> tuple[Tensor, list[int]]:
        """The rows that count, of all samples one after the other, and how many each has."""
        rows = self.y_embedder(y).flatten(0, 1)  # (B, L, C)
        if mask is None:
            return rows.flatten(0, 1), [rows.shape[1]] * len(rows)
        kept = mask.reshape(-1, mask.shape[-1]) != 0
        kept = kept.to(rows.device).repeat(len(rows) // len(kept), 1)
        return rows[kept], kept.sum(dim=1).tolist()

    def _unpatched(self, out: Tensor, down: int, across: int) -> Tensor:
        """Tokens back to a latent video, ``(B, C, T, H, W)``; within a token, channels vary fastest."""
        in_time, in_rows, in_columns = self.patch_size
        out = out.unflatten(-1, (in_time, in_rows, in_columns, self.out_channels)).unflatten(2, (down, across))
        out = out.permute(0, 7, 1, 4, 2, 5, 3, 6)
        return out.flatten(6, 7).flatten(4, 5).flatten(2, 3)

    def _set_first_values(self) -> None:
        """As the release starts training: temporal blocks and the frame rate say nothing yet."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        weights = dict(self.named_parameters())
        nn.init.normal_(weights["fps_embedder.mlp.0.weight"], std=0.02)
        nn.init.zeros_(weights["fps_embedder.mlp.2.weight"])
        for name, weight in weights.items():  # of both attentions and of the MLP
            if name.startswith("temporal_blocks.") and name.endswith(("attn.proj.weight", "mlp.fc2.weight")):
                nn.init.zeros_(weight)


class STDiT3Block(nn.Module):
    """Self-attention over space or over time, cross-attention to the caption, and an MLP."""

    def __init__(self, width: int, num_heads: int, mlp_ratio: float, qk_norm: bool) -> None:
        super().__init__()
        self.scale_shift_table = nn.Parameter(torch.randn(6, width) / width**0.5)
        self.attn = SelfAttention(width, num_heads, qk_norm)
        self.cross_attn = CrossAttention(width, num_heads)
        self.mlp = Perceptron(width, int(width * mlp_ratio), width)

    def forward(
        self, x: Tensor, words: Tensor, lengths: list[int], modulation: Tensor, angles: Tensor | None = None
    ) -> Tensor:
        """Tokens ``(B, T, S, C)`` to the same.

        Args:
            words, lengths: Caption rows of all samples, and how many each sample has.
            modulation: Shift, scale, gate of the attention, then of the MLP: ``(B, T or 1, 6, C)``.
            angles: Rotary angles ``(T, D / 2)``. Given: attention is over time; else over the tokens of a frame.
        """
        shift1, scale1, gate1, shift2, scale2, gate2 = (self.scale_shift_table + modulation)[:, :, :, None].unbind(2)
        u = normalised(x) * (1 + scale1) + shift1
        if angles is None:
            u = self.attn(u.flatten(0, 1)).view_as(x)
        else:
            batch, places = x.shape[0], x.shape[2]
            u = self.attn(u.transpose(1, 2).flatten(0, 1), angles).unflatten(0, (batch, places)).transpose(1, 2)
        x = x + gate1 * u
        x = x + self.cross_attn(x.flatten(1, 2), words, lengths).view_as(x)
        return x + gate2 * self.mlp(normalised(x) * (1 + scale2) + shift2)


class SelfAttention(nn.Module):
    """Attention of tokens ``(N, n, C)`` among themselves; norm of queries and keys comes before their rotation."""

    def __init__(self, width: int, num_heads: int, qk_norm: bool) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(width, 3 * width)
        self.q_norm = RMSNorm(width // num_heads) if qk_norm else nn.Identity()
        self.k_norm = RMSNorm(width // num_heads) if qk_norm else nn.Identity()
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, angles: Tensor | None = None) -> Tensor:
        qkv = self.qkv(x).unflatten(-1, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        q, k, v = self.q_norm(qkv[0]), self.k_norm(qkv[1]), qkv[2]
        if angles is not None:
            q, k = rotated(q, angles), rotated(k, angles)
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class CrossAttention(nn.Module):
    """Every token of a sample looks at the rows of its own caption."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.q_linear = nn.Linear(width, width)
        self.kv_linear = nn.Linear(width, 2 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, words: Tensor, lengths: list[int]) -> Tensor:
        queries = self.q_linear(x).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)  # (B, heads, n, D)
        pairs = self.kv_linear(words).unflatten(-1, (2, self.num_heads, -1)).transpose(0, 2)  # (heads, 2, rows, D)
        seen = [
            F.scaled_dot_product_attention(q, kv[:, 0], kv[:, 1])
            for q, kv in zip(queries, pairs.split(lengths, dim=2), strict=True)
        ]
        return self.proj(torch.stack(seen).transpose(1, 2).flatten(2))


class FinalLayer(nn.Module):
    """Tokens to latents. A given frame is normalised twice, as in the release; the sampler throws it away."""

    def __init__(self, width: int, out_features: int) -> None:
        super().__init__()
        self.scale_shift_table = nn.Parameter(torch.randn(2, width) / width**0.5)
        self.linear = nn.Linear(width, out_features)

    def forward(self, x: Tensor, time: Tensor, time0: Tensor | None, given: Tensor | None) -> Tensor:
        x = self._modulated(x, time)
        if time0 is not None and given is not None:
            x = torch.where(given[:, :, None, None], self._modulated(x, time0), x)
        return self.linear(x)

    def _modulated(self, x: Tensor, time: Tensor) -> Tensor:
        shift, scale = (self.scale_shift_table + time[:, None])[:, :, None, None].unbind(1)
        return normalised(x) * (1 + scale) + shift


class PatchEmbedding(nn.Module):
    """Latents to tokens; what does not fill a patch is filled up with zeros at the end."""

    def __init__(self, channels: int, width: int, patch_size: tuple[int, int, int]) -> None:
        super().__init__()
        self.proj = nn.Conv3d(channels, width, kernel_size=patch_size, stride=patch_size)

    def forward(self, x: Tensor) -> Tensor:
        missing = [-size % patch for size, patch in zip(x.shape[2:], self.proj.kernel_size, strict=True)]
        return self.proj(F.pad(x, (0, missing[2], 0, missing[1], 0, missing[0]))).movedim(1, -1)


class ScalarEmbedding(nn.Module):
    """A time or a frame rate, as it comes, to a vector."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(SINUSOID_WIDTH, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, scalar: Tensor, dtype: torch.dtype) -> Tensor:
        half = SINUSOID_WIDTH // 2
        order = torch.arange(half, dtype=torch.float32, device=scalar.device)
        angle = scalar.float()[:, None] * torch.exp(-math.log(LONGEST_PERIOD) * order / half)
        return self.mlp(torch.cat([angle.cos(), angle.sin()], dim=1).to(dtype))  # the cosine comes first


class CaptionEmbedding(nn.Module):
    """The text encoder's rows to the width of a token. Holds the null caption, which is no text but learned."""

    y_embedding: Tensor

    def __init__(self, caption_channels: int, width: int, max_length: int) -> None:
        super().__init__()
        self.y_proj = Perceptron(caption_channels, width, width)
        self.register_buffer("y_embedding", torch.randn(max_length, caption_channels) / caption_channels**0.5)

    def forward(self, y: Tensor) -> Tensor:
        return self.y_proj(y)


class Perceptron(nn.Module):
    """Linear, GELU in its tanh form, linear."""

    def __init__(self, in_features: int, hidden_features: int, out_features: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(in_features, hidden_features)
        self.fc2 = nn.Linear(hidden_features, out_features)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))


class RMSNorm(nn.Module):
    """Root-mean-square norm over the last axis, computed in float32."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()
        wide = wide * torch.rsqrt(wide.square().mean(dim=-1, keepdim=True) + EPS)
        return self.weight * wide.to(x.dtype)


class RotaryPositions(nn.Module):
    """Frequencies of the rotary embedding; stored with the weights, not trained."""

    def __init__(self, head_width: int) -> None:
        super().__init__()
        order = torch.arange(0, head_width, 2, dtype=torch.float32)
        self.freqs = nn.Parameter(1 / LONGEST_PERIOD ** (order / head_width), requires_grad=False)

    def angles(self, steps: int) -> Tensor:
        """Angles of positions 0 to ``steps - 1``, float32 ``(steps, D / 2)``."""
        freqs = self.freqs.float()
        return torch.arange(steps, dtype=torch.float32, device=freqs.device)[:, None] * freqs


def rotated(x: Tensor, angles: Tensor) -> Tensor:
    """Turn each pair of adjacent channels of ``(..., T, D)`` by its angle."""
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack([even * cos - odd * sin, odd * cos + even * sin], dim=-1).flatten(-2)


def grid_positions(rows: int, columns: int, scale: float, width: int, device: torch.device) -> Tensor:
    """Sinusoids of where each token lies in the picture, float32 ``(rows * columns, width)``, column before row.

    ``scale`` is the picture's side over the side that the network was made for: positions keep their meaning when
    the size changes.
    """
    base = round((rows * columns) ** 0.5)
    order = torch.arange(0, width // 2, 2, dtype=torch.float32, device=device)
    freqs = 1 / LONGEST_PERIOD ** (order / (width // 2))

    def along(count: int) -> Tensor:
        angle = (torch.arange(count, device=device) / scale * (base / count))[:, None] * freqs
        return torch.cat([angle.sin(), angle.cos()], dim=1)  # the sine comes first here

    of_row = along(rows)[:, None].expand(-1, columns, -1)
    of_column = along(columns)[None].expand(rows, -1, -1)
    return torch.cat([of_column, of_row], dim=-1).flatten(0, 1)


def normalised(x: Tensor) -> Tensor:
    """Layer norm over the last axis, without weights."""
    return F.layer_norm(x, x.shape[-1:], eps=EPS)
