"""The compact keyframe code: pictures to channel symbols and back, more symbols where a picture holds more.

The mechanism of Dai et al. 2022 (NTSCC): an analysis network makes a latent of one vector for each 16 x 16 block, an
entropy model says how much information each block holds, and a joint source-channel encoder turns each vector into
as many reals as that asks for. Nothing is quantised. Convolutions take the place of the paper's attention, every
stage knows the channel's SNR, and beside each network runs a plain linear transform that starts as the principal
components of pictures, so that training begins with a working transform code.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BLOCK = 16  # pixels a side for one latent vector
GRANULE = 2 * BLOCK  # pixels a side for one entry of the rate map; pictures are padded to multiples
RATES = (1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96)  # complex symbols per block, what an entry of the map means
CONDITION = 3  # SNR, mean rate, gain
_LIKELIHOOD_FLOOR = 1e-9
_SCALE_FLOOR = 0.11


@dataclass(frozen=True, slots=True, kw_only=True)
class NtsccConfig:
    """Sizes of the network.

    Attributes:
        latent: Channels of the latent, at a sixteenth of the picture's size.
        widths: Channels at a quarter, an eighth and a sixteenth of the size.
        hyper: Channels of what the entropy model sees, at a sixty-fourth of the size.
        coder_blocks: Residual blocks in each of the two channel coders.
        rates: Complex symbols per block, ascending.
    """

    latent: int = 192
    widths: tuple[int, int, int] = (64, 128, 192)
    hyper: int = 32
    coder_blocks: int = 2
    rates: tuple[int, ...] = RATES

    def __post_init__(self) -> None:
        if list(self.rates) != sorted(set(self.rates)) or self.rates[0] < 1:
            raise ValueError(f"rates are {self.rates}; they must be positive and ascend")
        if 2 * self.rates[-1] > self.latent:
            raise ValueError(f"a block of {self.latent} latent values cannot fill {self.rates[-1]} complex symbols")

    def to_json(self) -> str:
        """As text, for the metadata of a weights file."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """From :meth:`to_json`. Raises KeyError, TypeError or ValueError on anything else."""
        sizes = json.loads(text)
        quarter, eighth, sixteenth = sizes["widths"]
        return cls(
            latent=sizes["latent"],
            widths=(quarter, eighth, sixteenth),
            hyper=sizes["hyper"],
            coder_blocks=sizes["coder_blocks"],
            rates=tuple(sizes["rates"]),
        )


class Ntscc(nn.Module):
    """Analysis, entropy model, channel coders and synthesis. Pictures are float ``(B, 3, H, W)`` in [0, 1].

    H and W are multiples of ``GRANULE``; ``h, w`` below are ``H / BLOCK, W / BLOCK``.
    """

    rates: Tensor

    def __init__(self, config: NtsccConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or NtsccConfig()
        latent, (quarter, eighth, sixteenth) = config.latent, config.widths
        reals = 2 * config.rates[-1]
        self.condition = nn.Sequential(
            nn.Linear(CONDITION, 32), nn.LeakyReLU(0.1), nn.Linear(32, 32), nn.LeakyReLU(0.1)
        )
        self.analysis = Stages(
            nn.PixelUnshuffle(4),
            nn.Conv2d(48, quarter, 3, padding=1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(quarter, eighth, 3, stride=2, padding=1),
            Residual(eighth),
            nn.Conv2d(eighth, sixteenth, 3, stride=2, padding=1),
            Residual(sixteenth),
            small(nn.Conv2d(sixteenth, latent, 1)),
        )
        self.analysis_linear = nn.Conv2d(3 * BLOCK**2, latent, 1)
        self.hyper_analysis = nn.Sequential(
            nn.Conv2d(latent, 96, 3, padding=1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(96, 64, 3, stride=2, padding=1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(64, config.hyper, 3, stride=2, padding=1),
        )
        self.hyper_prior = nn.Parameter(torch.zeros(2, config.hyper))  # mean and log scale of a logistic density
        self.hyper_synthesis = nn.Sequential(
            nn.Conv2d(config.hyper, 4 * 64, 3, padding=1),
            nn.PixelShuffle(2),
            nn.LeakyReLU(0.1),
            nn.Conv2d(64, 4 * 64, 3, padding=1),
            nn.PixelShuffle(2),
            nn.LeakyReLU(0.1),
            nn.Conv2d(64, 2 * latent, 3, padding=1),
        )
        self.encoder = Coder(latent, sixteenth, reals, len(config.rates), config.coder_blocks)
        self.power = nn.Parameter(torch.zeros(reals))  # log of the variance of each real, as the receiver expects it
        self.decoder = Coder(reals, sixteenth, latent, len(config.rates), config.coder_blocks)
        self.synthesis = Stages(
            nn.Conv2d(latent, sixteenth, 1),
            Residual(sixteenth),
            Residual(sixteenth),
            nn.Conv2d(sixteenth, 4 * eighth, 1),
            nn.PixelShuffle(2),
            Residual(eighth),
            Residual(eighth),
            nn.Conv2d(eighth, 4 * quarter, 1),
            nn.PixelShuffle(2),
            Residual(quarter),
            nn.LeakyReLU(0.1),
            small(nn.Conv2d(quarter, 48, 3, padding=1)),
            nn.PixelShuffle(4),
        )
        self.synthesis_linear = nn.Conv2d(latent, 3 * BLOCK**2, 1)
        self.finish: Finish | None = None  # of the vivid look alone, see :mod:`lgvsc.nets.ntscc_look`
        self.register_buffer("rates", torch.tensor(config.rates), persistent=False)

    @classmethod
    def tiny(cls) -> Self:
        """A network of a few thousand parameters, for tests."""
        return cls(NtsccConfig(latent=16, widths=(4, 8, 8), hyper=4, coder_blocks=1, rates=(1, 2, 4, 8)))

    # Transmitter

    def analyse(self, pictures: Tensor, state: Tensor) -> Tensor:
        """Latent ``(B, latent, h, w)``. ``state`` comes from :meth:`state`."""
        centred = pictures - 0.5
        linear: Tensor = self.analysis_linear(F.pixel_unshuffle(centred, BLOCK))
        return linear + self.analysis(centred, state)

    def information(self, latent: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Bits that each block of the latent would take if it were rounded and entropy coded.

        Args:
            latent: ``(B, latent, h, w)``.
            generator: Adds the uniform noise that stands for rounding in training; ``None`` rounds nothing.

        Returns:
            Bits ``(B, h, w)``, and of the entropy model's own latent, ``(B,)``.

        Source: Dai et al. 2022, Eq. (9); Balle et al. 2018 for the hyperprior.
        """
        latent = latent.float()
        hyper = self.hyper_analysis(latent)
        if generator is not None:
            hyper = hyper + torch.rand(hyper.shape, generator=generator, device=hyper.device) - 0.5
            latent = latent + torch.rand(latent.shape, generator=generator, device=latent.device) - 0.5
        mean, log_scale = self.hyper_prior[..., None, None]
        at = (hyper - mean) * torch.exp(-log_scale)
        half = 0.5 * torch.exp(-log_scale)
        hyper_mass = torch.sigmoid(at + half) - torch.sigmoid(at - half)
        guess = self.hyper_synthesis(hyper)[..., : latent.shape[2], : latent.shape[3]]
        expected, spread = guess.chunk(2, dim=1)
        spread = F.softplus(spread) + _SCALE_FLOOR
        away = (latent - expected).abs()
        mass = normal_cdf((0.5 - away) / spread) - normal_cdf((-0.5 - away) / spread)
        return (
            -mass.clamp(min=_LIKELIHOOD_FLOOR).log2().sum(1),
            -hyper_mass.clamp(min=_LIKELIHOOD_FLOOR).log2().sum((1, 2, 3)),
        )

    def encode(self, latent: Tensor, indices: Tensor, state: Tensor) -> Tensor:
        """Reals to send, ``(B, 2 max(rates), h, w)``, zero beyond each block's rate, of any power.

        ``indices`` is the rate map, ``(B, h, w)`` of positions in ``config.rates``.
        """
        return self.encoder(latent, indices, state) * self.sent(indices)

    def sent(self, indices: Tensor) -> Tensor:
        """1 where a block sends a real and 0 where it does not, ``(B, 2 max(rates), h, w)``."""
        place = torch.arange(2 * self.config.rates[-1], device=indices.device)
        return (place[:, None, None] < 2 * self.rates[indices].unsqueeze(1)).float()

    # Receiver

    def decode(self, reals: Tensor, indices: Tensor, state: Tensor, noise: Tensor) -> Tensor:
        """Latent from the reals that arrived, in the transmitter's scale, zero where none was sent.

        ``noise`` is the variance of the noise in these reals, of their shape or ``(B, 1, 1, 1)``. Each is first
        weighted by what it should hold over that and the noise together, as a linear estimator of least squared
        error would.
        """
        power = self.power.exp()[:, None, None]
        out: Tensor = self.decoder(reals * (power / (power + noise)), indices, state)
        return out

    def synthesise(self, latent: Tensor, state: Tensor) -> Tensor:
        """Pictures from a latent, float ``(B, 3, H, W)``, not clipped to [0, 1]."""
        linear = F.pixel_shuffle(self.synthesis_linear(latent), BLOCK)
        if self.finish is None:
            return linear + self.synthesis(latent, state) + 0.5
        features = latent
        for layer in list(self.synthesis)[:-2]:
            features = layer(features, state) if isinstance(layer, Residual) else layer(features)
        painted = F.pixel_shuffle(self.synthesis[-2](features), 4)
        return self.finish(linear + painted + 0.5, features, state)

    # Both

    def state(self, snr_db: Tensor, symbols_per_block: Tensor, gain: Tensor) -> Tensor:
        """What both ends know about the transmission, for every stage; each argument ``(B,)``.

        Args:
            snr_db: Es/N0 as this end believes it, held to -5..25 dB.
            symbols_per_block: Complex symbols per block, mean over the picture.
            gain: Root mean square of the reals before they were brought to unit power; 1 where it is not known yet.
        """
        known = torch.stack(
            [snr_db.clamp(-5, 25) / 20, symbols_per_block.clamp(min=0.5).log2() / 6, gain.clamp(min=1e-3).log2() / 4], 1
        )
        out: Tensor = self.condition(known)
        return out


class Stages(nn.ModuleList):
    """Layers one after the other; residual blocks are told the state."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__(layers)

    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        for layer in self:
            x = layer(x, state) if isinstance(layer, Residual) else layer(x)
        return x


class Residual(nn.Module):
    """Two convolutions beside a shortcut, the first one scaled and shifted as the state asks (FiLM)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.film = nn.Linear(32, 2 * width)
        self.second = small(nn.Conv2d(width, width, 3, padding=1))
        nn.init.zeros_(self.film.weight)
        nn.init.zeros_(self.film.bias)

    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        scale, shift = self.film(state)[..., None, None].chunk(2, dim=1)
        out: Tensor = x + self.second(F.leaky_relu(self.first(x) * (1 + scale) + shift, 0.1))
        return out


class Finish(nn.Module):
    """Adds to a picture what is finer than the synthesis paints: edges and grain, at half of the picture's size.

    Args:
        features: Channels of the last stage of the synthesis, at a quarter of the size.
        width: Channels at half of the size.
        blocks: Residual blocks.
    """

    def __init__(self, features: int, width: int = 40, blocks: int = 4) -> None:
        super().__init__()
        self.enlarge = nn.Conv2d(features, 2 * width, 1)
        self.into = nn.Conv2d(12 + width // 2, width, 3, padding=1)
        self.blocks = Stages(*(Residual(width) for _ in range(blocks)))
        self.out = nn.Conv2d(width, 12, 3, padding=1)
        for parameter in self.out.parameters():  # at first it adds nothing
            nn.init.zeros_(parameter)

    def forward(self, picture: Tensor, features: Tensor, state: Tensor) -> Tensor:
        seen = torch.cat([F.pixel_unshuffle(picture - 0.5, 2), F.pixel_shuffle(self.enlarge(features), 2)], 1)
        detail = self.out(F.leaky_relu(self.blocks(self.into(seen), state), 0.1))
        return picture + F.pixel_shuffle(detail, 2)


class Coder(nn.Module):
    """Latent to reals or reals to latent, one head for all rates: a block sends the first of its outputs."""

    def __init__(self, inputs: int, width: int, outputs: int, rates: int, blocks: int) -> None:
        super().__init__()
        self.linear = nn.Conv2d(inputs, outputs, 1)
        self.into = nn.Conv2d(inputs, width, 1)
        self.rate = nn.Embedding(rates, width)
        self.blocks = Stages(*(Residual(width) for _ in range(blocks)))
        self.out = small(nn.Conv2d(width, outputs, 1))
        self.weigh_state = nn.Linear(32, outputs)
        self.weigh_rate = nn.Embedding(rates, outputs)
        nn.init.normal_(self.rate.weight, std=0.1)
        for weight in (self.weigh_state.weight, self.weigh_state.bias, self.weigh_rate.weight):
            nn.init.zeros_(weight)

    def forward(self, x: Tensor, indices: Tensor, state: Tensor) -> Tensor:
        features = self.into(x) + self.rate(indices).permute(0, 3, 1, 2)
        weight = 1 + self.weigh_state(state)[..., None, None] + self.weigh_rate(indices).permute(0, 3, 1, 2)
        out: Tensor = self.linear(x) * weight + self.out(F.leaky_relu(self.blocks(features, state), 0.1))
        return out


def start_from_patches(net: Ntscc, patches: Tensor) -> None:
    """Let the linear paths begin as a transform code: principal components, sent with the power that suits noise.

    Args:
        net: A fresh network.
        patches: ``(n, 3 * BLOCK**2)``, blocks of pictures in [0, 1] as ``pixel_unshuffle`` orders them.

    Source: amplitudes grow as the square root of the deviation, Lee and Petersen 1976 (optimal linear coding).
    """
    step = 0.6  # gives the latent the scale at which a rounding step of one makes sense
    latent, reals = net.config.latent, 2 * net.config.rates[-1]
    centred = (patches - 0.5).double()
    mean = centred.mean(0)
    covariance = (centred - mean).T @ (centred - mean) / len(centred)
    values, vectors = torch.linalg.eigh(covariance)
    basis = vectors.flip(1)[:, :latent].T.float()  # (latent, 768), the strongest first
    deviation = values.flip(0)[:latent].clamp(min=1e-9).sqrt().float() / step
    with torch.no_grad():
        fill(net.analysis_linear, basis / step, -(basis / step) @ mean.float())
        fill(net.synthesis_linear, basis.T * step, mean.float())
        fill(net.encoder.linear, torch.eye(reals, latent) * deviation.rsqrt())
        net.power.copy_(torch.cat([deviation, deviation.new_ones(reals)])[:reals].log())
        fill(net.decoder.linear, torch.eye(latent, reals) * deviation.sqrt()[:, None])


def fill(layer: nn.Conv2d, weight: Tensor, bias: Tensor | None = None) -> None:
    layer.weight.copy_(weight[..., None, None])
    assert layer.bias is not None
    layer.bias.copy_(torch.zeros(len(weight)) if bias is None else bias)


def small(layer: nn.Conv2d) -> nn.Conv2d:
    """The last layer of a branch starts at a tenth, so that the shortcut leads at first."""
    with torch.no_grad():
        layer.weight.mul_(0.1)
        assert layer.bias is not None
        layer.bias.zero_()
    return layer


def pool(bits: Tensor) -> Tensor:
    """One value for each entry of the rate map: means of 2 x 2 blocks, ``(..., h, w)`` to ``(..., h / 2, w / 2)``."""
    return F.avg_pool2d(bits.unsqueeze(-3), 2).squeeze(-3)


def unpool(indices: Tensor) -> Tensor:
    """A rate map for blocks from one for entries, ``(..., h / 2, w / 2)`` to ``(..., h, w)``."""
    return indices.repeat_interleave(2, -2).repeat_interleave(2, -1)


def nearest_rate(symbols: Tensor, rates: tuple[int, ...]) -> Tensor:
    """Position in ``rates`` that is nearest to a wish in ratio; any shape."""
    middles = [math.sqrt(a * b) for a, b in pairwise(rates)]
    return torch.bucketize(symbols, torch.tensor(middles, dtype=symbols.dtype, device=symbols.device))


def normal_cdf(x: Tensor) -> Tensor:
    return 0.5 * torch.erfc(-x * math.sqrt(0.5))


def allocate(bits: Tensor, symbols: int, rates: tuple[int, ...]) -> Tensor:
    """A rate map that spends at most so many complex symbols, in proportion to the information.

    Args:
        bits: Information of each entry, ``(h / 2, w / 2)``. Equal values give all entries neighbouring rates.
        symbols: The limit, for all four blocks of each entry together.
        rates: Complex symbols per block, ascending.

    Returns:
        Positions in ``rates``. Where even the lowest rate everywhere is too much, that.
    """
    bits = bits.double().clamp(min=1e-6)
    table = torch.tensor(rates)

    def spent(indices: Tensor) -> int:
        return 4 * int(table[indices].sum())

    low, high = -40.0, 40.0  # of log2 of the factor between bits and symbols
    for _ in range(30):
        middle = (low + high) / 2
        fits = spent(nearest_rate(bits * 2**middle, rates)) <= symbols
        low, high = (middle, high) if fits else (low, middle)
    indices = nearest_rate(bits * 2**low, rates)
    # Rates are few, so many entries step up together at the next factor; raise as many of them as still fit.
    left = symbols - spent(indices)
    wish = (bits * 2**high / table[indices]).flatten()
    flat = indices.flatten()
    for place in wish.argsort(descending=True, stable=True).tolist():
        here = int(flat[place])
        if here + 1 < len(rates) and 4 * (rates[here + 1] - rates[here]) <= left:
            left -= 4 * (rates[here + 1] - rates[here])
            flat[place] = here + 1
    return flat.view_as(indices)
