"""NTSCC at the size of its paper: Swin transforms, a hyperprior, and a channel code as long as each vector needs.

Source: Dai et al. 2022, "Nonlinear Transform Source-Channel Coding for Semantic Communications", sections III and IV;
Liu et al. 2021 for windows and shifts; Balle et al. 2018, appendix 6.1, for the density of the hyperprior's latent.
Written from the papers. Rates are real values here, as in the paper: two make one complex symbol.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lgvsc.nets.ntscc import normal_cdf

PAPER_RATES = (16, 32, 48, 64, 80, 96, 102, 118, 134, 160, 186, 192, 208, 224, 240, 256)
SCALE_FLOOR = 0.11
LIKELIHOOD_FLOOR = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class SwinNtsccConfig:
    """Sizes of the network; the defaults are the paper's.

    Attributes:
        widths: Channels after each halving of the picture's size; the last one is the latent's.
        depths: Attention blocks at each size.
        heads: Attention heads, which divide every width.
        window: Side of the attention windows in the transforms.
        hyper: Channels of the hyperprior's latent, at a quarter of the latent's size.
        coder_depth, coder_window: Attention blocks and window of the channel encoder and decoder.
        rates: Real values that a position may send, ascending.
    """

    widths: tuple[int, ...] = (256, 256, 256, 256)
    depths: tuple[int, ...] = (1, 1, 2, 4)
    heads: int = 8
    window: int = 8
    hyper: int = 192
    coder_depth: int = 4
    coder_window: int = 16
    rates: tuple[int, ...] = PAPER_RATES

    def __post_init__(self) -> None:
        if len(self.widths) != len(self.depths) or any(width % self.heads for width in self.widths):
            raise ValueError(f"widths {self.widths} need a depth each and must be divisible by {self.heads} heads")
        if list(self.rates) != sorted(set(self.rates)) or not 0 < self.rates[-1] <= self.latent:
            raise ValueError(f"rates {self.rates} must ascend and end at no more than the latent's {self.latent}")

    @property
    def latent(self) -> int:
        return self.widths[-1]

    @property
    def block(self) -> int:
        """Pixels a side for one position of the latent."""
        return 1 << len(self.widths)


class SwinNtscc(nn.Module):
    """Pictures are float ``(B, 3, H, W)`` in [0, 1], H and W multiples of ``4 * config.block``.

    The latent and everything after it is ``(B, channels, h, w)`` with ``h = H / block``.
    """

    rates: Tensor

    def __init__(self, config: SwinNtsccConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or SwinNtsccConfig()
        latent = config.latent
        self.analysis = nn.ModuleList()
        self.synthesis = nn.ModuleList()
        for (before, after), depth in zip(pairwise((3, *config.widths)), config.depths, strict=True):
            self.analysis.append(nn.Sequential(Halve(before, after), Attention(after, depth, config.window, config)))
            self.synthesis.insert(
                0, nn.Sequential(Attention(after, depth, config.window, config), Double(after, before))
            )
        self.prior = Hyperprior(latent, config.hyper)
        self.encoder = ChannelEncoder(config)
        self.decoder = ChannelDecoder(config)
        self.register_buffer("rates", torch.tensor(config.rates), persistent=False)

    @classmethod
    def tiny(cls) -> Self:
        """A network for tests."""
        return cls(
            SwinNtsccConfig(
                widths=(8, 8, 8, 16), depths=(1, 1, 1, 2), heads=2, window=2, hyper=8,
                coder_depth=2, coder_window=4, rates=(2, 4, 8, 16),
            )
        )  # fmt: skip

    # Transmitter

    def analyse(self, pictures: Tensor) -> Tensor:
        """Latent ``(B, latent, h, w)``, ``g_a`` of the paper."""
        x = pictures.permute(0, 2, 3, 1)
        for stage in self.analysis:
            x = stage(x)
        return x.permute(0, 3, 1, 2)

    def likelihood(self, latent: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Probability of every rounded latent value, shape of the latent, and the bits of the hyperprior, ``(B,)``.

        ``generator`` adds the uniform noise of training; without it values are rounded as they would be when sent.
        """
        return self.prior(latent, generator)

    def choose_rates(self, likelihood: Tensor, eta: float = 0.2) -> Tensor:
        """Rate map ``(B, h, w)``: the smallest rate of no less than ``eta`` times a position's bits, Eq. (13)."""
        wish = eta * -likelihood.detach().log2().sum(1)
        return torch.bucketize(wish, self.rates.to(wish.dtype)).clamp(max=len(self.config.rates) - 1)

    def encode(self, latent: Tensor, likelihood: Tensor, indices: Tensor) -> Tensor:
        """Reals to send, ``(B, max(rates), h, w)``, zero beyond each position's rate, ``f_e`` of the paper."""
        out: Tensor = self.encoder(latent, likelihood.detach(), indices)
        return out * self.sent(indices)

    def sent(self, indices: Tensor) -> Tensor:
        """1 where a position sends a real, ``(B, max(rates), h, w)``."""
        place = torch.arange(self.config.rates[-1], device=indices.device)
        return (place[:, None, None] < self.rates[indices].unsqueeze(1)).float()

    # Receiver

    def decode(self, reals: Tensor, indices: Tensor) -> Tensor:
        """Latent from what arrived, ``f_d`` of the paper. Values beyond a position's rate are ignored."""
        out: Tensor = self.decoder(reals * self.sent(indices), indices)
        return out

    def synthesise(self, latent: Tensor) -> Tensor:
        """Pictures, not clipped, ``g_s`` of the paper."""
        x = latent.permute(0, 2, 3, 1)
        for stage in self.synthesis:
            x = stage(x)
        return x.permute(0, 3, 1, 2)


class Halve(nn.Module):
    """2 x 2 positions become one."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * before) if before > 3 else nn.Identity()
        self.linear = nn.Linear(4 * before, after)

    def forward(self, x: Tensor) -> Tensor:
        grouped = x.unflatten(2, (-1, 2)).unflatten(1, (-1, 2)).transpose(2, 3).flatten(3)
        out: Tensor = self.linear(self.norm(grouped))
        return out


class Double(nn.Module):
    """One position becomes 2 x 2."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(before)
        self.linear = nn.Linear(before, 4 * after)

    def forward(self, x: Tensor) -> Tensor:
        spread: Tensor = self.linear(self.norm(x)).unflatten(3, (2, 2, -1))  # (B, h, w, 2, 2, C)
        return spread.transpose(2, 3).flatten(3, 4).flatten(1, 2)


class Attention(nn.Module):
    """Transformer blocks over windows, every second one over windows moved by half their side."""

    def __init__(self, width: int, depth: int, window: int, config: SwinNtsccConfig) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            WindowBlock(width, config.heads, window, shifted=bool(number % 2)) for number in range(depth)
        )

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x


class WindowBlock(nn.Module):
    """Attention within windows, then an MLP, each beside a shortcut. ``(B, H, W, C)`` of any H and W."""

    place: Tensor

    def __init__(self, width: int, heads: int, window: int, *, shifted: bool) -> None:
        super().__init__()
        self.heads, self.window, self.shifted = heads, window, shifted
        self.attention_norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)
        self.position = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        self.mlp = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        nn.init.trunc_normal_(self.position, std=0.02)
        at = torch.stack(torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")).flatten(1)
        apart = at[:, :, None] - at[:, None, :] + window - 1
        self.register_buffer("place", apart[0] * (2 * window - 1) + apart[1], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self._attend(self.attention_norm(x))
        out: Tensor = x + self.mlp(x)
        return out

    def _attend(self, x: Tensor) -> Tensor:
        height, width = x.shape[1:3]
        side = self.window
        # Where one window holds everything there is nothing to shift.
        shift = side // 2 if self.shifted and (height > side or width > side) else 0
        down, right = -height % side, -width % side
        group = torch.zeros(1, height, width, 1, device=x.device)
        x, group = F.pad(x, (0, 0, 0, right, 0, down)), F.pad(group, (0, 0, 0, right, 0, down), value=-1)
        if shift:
            rows = torch.arange(height + down, device=x.device) < shift  # they come round to the other end
            columns = torch.arange(width + right, device=x.device) < shift
            group = torch.where(group < 0, group, (2 * rows[:, None] + columns[None])[None, :, :, None].float())
            x, group = x.roll((-shift, -shift), (1, 2)), group.roll((-shift, -shift), (1, 2))
        counts = (height + down) // side, (width + right) // side
        windows = to_windows(x, side)  # (B, count, side^2, C)
        belongs = to_windows(group, side)[..., 0]
        apart = belongs[:, :, :, None] != belongs[:, :, None, :]  # padding, and what only a shift made neighbours
        bias = self.position[self.place].permute(2, 0, 1)
        mask = bias[None, None].masked_fill(apart[:, :, None], -1e4)
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(2, 3) for part in self.query_key_value(windows).chunk(3, -1)
        )
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask.to(query.dtype))
        out = from_windows(self.project(mixed.transpose(2, 3).flatten(3)), side, counts)
        if shift:
            out = out.roll((shift, shift), (1, 2))
        return out[:, :height, :width]


def to_windows(x: Tensor, side: int) -> Tensor:
    """``(B, H, W, C)`` to ``(B, windows, side^2, C)``."""
    x = x.unflatten(2, (-1, side)).unflatten(1, (-1, side)).transpose(2, 3)
    return x.flatten(3, 4).flatten(1, 2)


def from_windows(x: Tensor, side: int, counts: tuple[int, int]) -> Tensor:
    """The inverse of :func:`to_windows`."""
    x = x.unflatten(2, (side, side)).unflatten(1, counts).transpose(2, 3)
    return x.flatten(3, 4).flatten(1, 2)


class ChannelEncoder(nn.Module):
    """Latent to reals: attention over positions that know their rate, then a linear map of its own for each rate."""

    def __init__(self, config: SwinNtsccConfig) -> None:
        super().__init__()
        latent, most = config.latent, config.rates[-1]
        self.reliability = nn.Sequential(nn.Linear(2 * latent, latent), nn.GELU(), nn.Linear(latent, latent))
        self.token = nn.Embedding(len(config.rates), latent)
        self.attention = Attention(latent, config.coder_depth, config.coder_window, config)
        self.norm = nn.LayerNorm(latent)
        self.heads = nn.ModuleList(nn.Linear(latent, most) for _ in config.rates)
        nn.init.trunc_normal_(self.token.weight, std=0.02)

    def forward(self, latent: Tensor, likelihood: Tensor, indices: Tensor) -> Tensor:
        y = latent.permute(0, 2, 3, 1)
        known = torch.cat([1 - likelihood.permute(0, 2, 3, 1), y], -1)
        features = self.attention(y + self.reliability(known) + self.token(indices))
        return by_rate(self.heads, self.norm(features), indices).permute(0, 3, 1, 2)


class ChannelDecoder(nn.Module):
    """Reals to latent, the mirror of the encoder."""

    def __init__(self, config: SwinNtsccConfig) -> None:
        super().__init__()
        latent, most = config.latent, config.rates[-1]
        self.heads = nn.ModuleList(nn.Linear(most, latent) for _ in config.rates)
        self.token = nn.Embedding(len(config.rates), latent)
        self.attention = Attention(latent, config.coder_depth, config.coder_window, config)
        self.norm = nn.LayerNorm(latent)
        self.out = nn.Linear(latent, latent)
        nn.init.trunc_normal_(self.token.weight, std=0.02)

    def forward(self, reals: Tensor, indices: Tensor) -> Tensor:
        features = by_rate(self.heads, reals.permute(0, 2, 3, 1), indices) + self.token(indices)
        out: Tensor = self.out(self.norm(self.attention(features)))
        return out.permute(0, 3, 1, 2)


def by_rate(layers: nn.ModuleList, x: Tensor, indices: Tensor) -> Tensor:
    """Each position through the layer of its rate: ``(B, h, w, C)`` and ``(B, h, w)``."""
    rows, order = [], []
    for index, layer in enumerate(layers):
        chosen = (indices == index).flatten().nonzero().squeeze(1)
        rows.append(layer(x.flatten(0, 2)[chosen]))  # an empty choice still keeps the layer in the graph
        order.append(chosen)
    return torch.cat(rows)[torch.cat(order).argsort()].unflatten(0, indices.shape)


class Hyperprior(nn.Module):
    """Probabilities of the latent from a small latent of its own, whose density is learned without a form."""

    def __init__(self, latent: int, hyper: int) -> None:
        super().__init__()
        self.analysis = nn.Sequential(
            nn.Conv2d(latent, hyper, 3, padding=1),
            nn.LeakyReLU(),
            nn.Conv2d(hyper, hyper, 5, stride=2, padding=2),
            nn.LeakyReLU(),
            nn.Conv2d(hyper, hyper, 5, stride=2, padding=2),
        )
        self.synthesis = nn.Sequential(
            nn.ConvTranspose2d(hyper, latent, 5, stride=2, padding=2, output_padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(latent, latent * 3 // 2, 5, stride=2, padding=2, output_padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(latent * 3 // 2, 2 * latent, 3, padding=1),
        )
        self.density = FactorisedDensity(hyper)

    def forward(self, latent: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        small = self.analysis(latent)
        if generator is None:
            small = small + (small.round() - small).detach()
        else:
            small = small + uniform(small, generator)
        spread, mean = self.synthesis(small).chunk(2, dim=1)
        spread = spread.clamp(min=SCALE_FLOOR)
        away = latent - mean
        away = (away.round() if generator is None else away + uniform(away, generator)).abs()
        mass = normal_cdf((0.5 - away) / spread) - normal_cdf((-0.5 - away) / spread)
        bits = -self.density(small).clamp(min=LIKELIHOOD_FLOOR).log2().sum((1, 2, 3))
        return mass.clamp(min=LIKELIHOOD_FLOOR), bits


class FactorisedDensity(nn.Module):
    """A cumulative distribution for each channel, a small monotone network; probabilities are its differences."""

    WIDTHS = (1, 3, 3, 3, 1)

    def __init__(self, channels: int) -> None:
        super().__init__()
        scale = 10 ** (1 / (len(self.WIDTHS) - 1))
        self.matrices = nn.ParameterList()
        self.biases = nn.ParameterList()
        self.bends = nn.ParameterList()
        for before, after in pairwise(self.WIDTHS):
            start = torch.full((channels, after, before), 1 / scale / after).expm1().log()
            self.matrices.append(nn.Parameter(start))
            self.biases.append(nn.Parameter(torch.rand(channels, after, 1) - 0.5))
            if after > 1:  # the last layer is linear
                self.bends.append(nn.Parameter(torch.zeros(channels, after, 1)))

    def forward(self, x: Tensor) -> Tensor:
        """Probability of the unit interval around each value, ``(B, C, h, w)``."""
        values = x.transpose(0, 1).flatten(1).unsqueeze(1)
        lower, upper = self._logits(values - 0.5), self._logits(values + 0.5)
        sign = -torch.sign(lower + upper).detach()  # in the tail where a sigmoid keeps its digits
        mass = (torch.sigmoid(sign * upper) - torch.sigmoid(sign * lower)).abs()
        return mass.view(x.shape[1], x.shape[0], *x.shape[2:]).transpose(0, 1)

    def _logits(self, x: Tensor) -> Tensor:
        for number, (matrix, bias) in enumerate(zip(self.matrices, self.biases, strict=True)):
            x = F.softplus(matrix) @ x + bias
            if number < len(self.bends):
                x = x + torch.tanh(self.bends[number]) * torch.tanh(x)
        return x


def uniform(like: Tensor, generator: torch.Generator) -> Tensor:
    """Uniform noise of width one, which stands for rounding in training."""
    return torch.rand(like.shape, generator=generator, dtype=like.dtype, device=generator.device).to(like.device) - 0.5
