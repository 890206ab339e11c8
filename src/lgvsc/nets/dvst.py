"""The compact DVST: the frames after a keyframe as channel symbols, each against the receiver's picture before it.

The mechanism of Wang et al. 2023 (Wireless Deep Video Semantic Transmission): the motion since the previous frame goes
over a variable-length joint source-channel link of its own; the previous picture, moved accordingly, is the context in
which the frame is analysed and synthesised; what the context does not tell goes over a second such link. How many reals
each place of the two links gets follows from entropy models at the transmitter: for motion one that looks at the places
coded before, for the rest a hyperprior and the context. Nothing is quantised.

Beside the networks run plain linear paths: principal components of motion, and of the difference between a frame and
its context. Training begins with them, as a working hybrid code, and learns what the context is good for beyond that.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lgvsc.nets.ntscc import Coder, Residual, Stages, fill, normal_cdf, small

BLOCK = 16  # pixels a side for one latent vector of a picture
ENTRY = 32  # pixels a side for one entry of both rate maps, and one latent vector of motion; pictures are whole entries
FLOW_GRID = 8  # pixels a side for one motion vector
BLOCKS = (ENTRY // BLOCK) ** 2  # in an entry
RATES = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)  # reals per block of an entry
MOTION_RATES = (0, 2, 4, 8, 16)  # reals per entry
PIXELS_PER_UNIT = 8.0  # of motion, as the network sees it
STILL = 0.15  # pixels; motion well below this is taken for noise, so that what stands still is not blurred
CONDITION = 3  # SNR, mean rate, gain
_LIKELIHOOD_FLOOR = 1e-9
_SCALE_FLOOR = 0.11


@dataclass(frozen=True, slots=True, kw_only=True)
class DvstConfig:
    """Sizes of the network.

    Attributes:
        colours: 3 for pictures, 1 for sketches.
        latent: Channels of a picture's latent, at a sixteenth of its size.
        motion: Channels of the latent of motion, at a thirty-second.
        widths: Channels at a quarter, an eighth and a sixteenth of the size.
        motion_width: Channels of the networks for motion.
        hyper: Channels of what the entropy model sees, at a sixty-fourth of the size.
        coder_blocks: Residual blocks in each channel coder.
        rates: Reals that a block can send, ascending from 0.
        motion_rates: Reals that the motion of an entry can send, even, ascending from 0.
    """

    colours: int = 3
    latent: int = 96
    motion: int = 16
    widths: tuple[int, int, int] = (48, 80, 128)
    motion_width: int = 48
    hyper: int = 24
    coder_blocks: int = 1
    rates: tuple[int, ...] = RATES
    motion_rates: tuple[int, ...] = MOTION_RATES

    def __post_init__(self) -> None:
        if self.colours not in (1, 3):
            raise ValueError(f"colours is {self.colours}; a picture has 3, a sketch 1")
        for rates, most in ((self.rates, self.latent), (self.motion_rates, self.motion)):
            if list(rates) != sorted(set(rates)) or rates[0] != 0 or len(rates) < 2:
                raise ValueError(f"rates are {rates}; they must ascend from 0")
            if rates[-1] > most:
                raise ValueError(f"{most} latent values cannot fill {rates[-1]} reals")
        if any(rate % 2 for rate in self.motion_rates):
            raise ValueError(f"motion_rates are {self.motion_rates}; two reals make a symbol, so they must be even")

    @classmethod
    def compact(cls) -> Self:
        """What ships for pictures."""
        return cls()

    @classmethod
    def compact_sketch(cls) -> Self:
        """What ships for sketches."""
        return cls(colours=1, latent=64, widths=(32, 48, 96), motion_width=32, hyper=16)

    def to_json(self) -> str:
        """As text, for the metadata of a weights file."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """From :meth:`to_json`. Raises KeyError, TypeError or ValueError on anything else."""
        sizes = json.loads(text)
        quarter, eighth, sixteenth = sizes.pop("widths")
        rates, motion_rates = tuple(sizes.pop("rates")), tuple(sizes.pop("motion_rates"))
        return cls(widths=(quarter, eighth, sixteenth), rates=rates, motion_rates=motion_rates, **sizes)


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """What is known of a frame before it is coded: the previous picture, moved, and its features.

    Attributes:
        picture: ``(B, colours, H, W)`` in [0, 1].
        quarter, eighth, sixteenth: Features at these fractions of its size.
    """

    picture: Tensor
    quarter: Tensor
    eighth: Tensor
    sixteenth: Tensor

    def __getitem__(self, some: slice) -> Context:
        return Context(self.picture[some], self.quarter[some], self.eighth[some], self.sixteenth[some])


class Dvst(nn.Module):
    """Motion, context, analysis, entropy models, channel coders and synthesis.

    Pictures are float ``(B, colours, H, W)`` in [0, 1], H and W multiples of ``ENTRY``; ``h, w`` below are ``H / BLOCK,
    W / BLOCK`` and ``m, n`` are ``H / ENTRY, W / ENTRY``. Rate maps are ``(B, m, n)``.
    """

    rates: Tensor
    motion_rates: Tensor
    causal: Tensor

    def __init__(self, config: DvstConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or DvstConfig()
        latent, (quarter, eighth, sixteenth), around = config.latent, config.widths, config.motion_width
        values, vectors = 16 * config.colours, 2 * (ENTRY // FLOW_GRID) ** 2
        self.condition = nn.Sequential(
            nn.Linear(CONDITION, 32), nn.LeakyReLU(0.1), nn.Linear(32, 32), nn.LeakyReLU(0.1)
        )

        self.motion_analysis = Stages(
            nn.Conv2d(vectors, around, 1), Residual(around), small(nn.Conv2d(around, config.motion, 1))
        )
        self.motion_analysis_linear = nn.Conv2d(vectors, config.motion, 1)
        self.motion_prior = nn.Conv2d(config.motion, 2 * config.motion, 3, padding=1)
        self.motion_encoder = Coder(
            config.motion, around, config.motion_rates[-1], len(config.motion_rates), config.coder_blocks
        )
        self.motion_power = nn.Parameter(torch.zeros(config.motion_rates[-1]))
        self.motion_decoder = Coder(
            config.motion_rates[-1], around, config.motion, len(config.motion_rates), config.coder_blocks
        )
        self.motion_synthesis = Stages(
            nn.Conv2d(config.motion, around, 1), Residual(around), small(nn.Conv2d(around, vectors, 1))
        )
        self.motion_synthesis_linear = nn.Conv2d(config.motion, vectors, 1)

        self.context_quarter = nn.Sequential(nn.PixelUnshuffle(4), nn.Conv2d(values, quarter, 3, padding=1))
        self.context_eighth = nn.Conv2d(quarter, eighth, 3, stride=2, padding=1)
        self.context_sixteenth = nn.Conv2d(eighth, sixteenth, 3, stride=2, padding=1)

        self.analysis = Stages(
            nn.PixelUnshuffle(4),
            nn.Conv2d(2 * values, quarter, 3, padding=1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(quarter, eighth, 3, stride=2, padding=1),
            Residual(eighth),
            nn.Conv2d(eighth, sixteenth, 3, stride=2, padding=1),
        )
        self.analysis_end = Stages(
            nn.Conv2d(2 * sixteenth, sixteenth, 1), Residual(sixteenth), small(nn.Conv2d(sixteenth, latent, 1))
        )
        self.analysis_linear = nn.Conv2d(config.colours * BLOCK**2, latent, 1)
        self.hyper_analysis = nn.Sequential(
            nn.Conv2d(latent, 64, 3, padding=1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(64, 64, 3, stride=2, padding=1),
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
        )
        self.prior = nn.Sequential(
            nn.Conv2d(64 + sixteenth, 96, 1), nn.LeakyReLU(0.1), nn.Conv2d(96, 2 * latent, 3, padding=1)
        )
        self.encoder = Coder(latent, sixteenth, config.rates[-1], len(config.rates), config.coder_blocks)
        self.power = nn.Parameter(torch.zeros(config.rates[-1]))  # log of the variance of each real, as is expected
        self.decoder = Coder(config.rates[-1], sixteenth, latent, len(config.rates), config.coder_blocks)
        self.synthesis_sixteenth = Stages(
            nn.Conv2d(latent + sixteenth, sixteenth, 1),
            Residual(sixteenth),
            nn.Conv2d(sixteenth, 4 * eighth, 1),
            nn.PixelShuffle(2),
        )
        self.synthesis_eighth = Stages(
            nn.Conv2d(2 * eighth, eighth, 1), Residual(eighth), nn.Conv2d(eighth, 4 * quarter, 1), nn.PixelShuffle(2)
        )
        self.synthesis_quarter = Stages(
            nn.Conv2d(2 * quarter, quarter, 1),
            Residual(quarter),
            nn.LeakyReLU(0.1),
            small(nn.Conv2d(quarter, values, 3, padding=1)),
            nn.PixelShuffle(4),
        )
        self.synthesis_linear = nn.Conv2d(latent, config.colours * BLOCK**2, 1)
        for layer in (self.motion_synthesis_linear, self.synthesis_linear):
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
        self.register_buffer("rates", torch.tensor(config.rates), persistent=False)
        self.register_buffer("motion_rates", torch.tensor(config.motion_rates), persistent=False)
        causal = torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
        self.register_buffer("causal", causal, persistent=False)

    @classmethod
    def tiny(cls, colours: int = 3) -> Self:
        """A network of a few thousand parameters, for tests."""
        return cls(
            DvstConfig(
                colours=colours,
                latent=16,
                motion=4,
                widths=(4, 8, 8),
                motion_width=8,
                hyper=4,
                rates=(0, 1, 2, 4, 8, 16),
                motion_rates=(0, 2, 4),
            )
        )

    # Transmitter

    def analyse_motion(self, flow: Tensor, state: Tensor) -> Tensor:
        """Latent of motion, ``(B, motion, m, n)``, from motion in pixels, ``(B, 2, H / FLOW_GRID, W / FLOW_GRID)``.

        Motion is where each place was in the previous picture, less where it is: ``(dx, dy)``.
        """
        vectors = F.pixel_unshuffle(flow / PIXELS_PER_UNIT, ENTRY // FLOW_GRID)
        linear: Tensor = self.motion_analysis_linear(vectors)
        return linear + self.motion_analysis(vectors, state)

    def motion_information(self, latent: Tensor, noise: torch.Generator | None = None) -> Tensor:
        """Bits of each place's motion, ``(B, m, n)``, given the places above and to the left of it.

        ``noise`` stands for rounding in training.
        """
        latent = latent.float()
        if noise is not None:
            latent = latent + uniform(latent, noise)
        prior = self.motion_prior
        guess = F.conv2d(latent, prior.weight * self.causal, prior.bias, padding=1)
        return gaussian_bits(latent, guess)

    def analyse(self, pictures: Tensor, context: Context, state: Tensor) -> Tensor:
        """Latent ``(B, latent, h, w)`` of what the pictures hold beyond their context."""
        linear: Tensor = self.analysis_linear(F.pixel_unshuffle(pictures - context.picture, BLOCK))
        features = self.analysis(torch.cat([pictures, context.picture], 1) - 0.5, state)
        return linear + self.analysis_end(torch.cat([features, context.sixteenth], 1), state)

    def information(
        self, latent: Tensor, context: Context, noise: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Bits of each block, ``(B, h, w)``, and of the hyperprior, ``(B,)``, if they were rounded and entropy coded.

        Source: Wang et al. 2023, section III: a hyperprior and a temporal prior from the context.
        """
        latent = latent.float()
        hyper = self.hyper_analysis(latent)
        if noise is not None:
            hyper = hyper + uniform(hyper, noise)
            latent = latent + uniform(latent, noise)
        mean, log_scale = self.hyper_prior[..., None, None]
        at, half = (hyper - mean) * torch.exp(-log_scale), 0.5 * torch.exp(-log_scale)
        hyper_mass = torch.sigmoid(at + half) - torch.sigmoid(at - half)
        spatial = self.hyper_synthesis(hyper)[..., : latent.shape[2], : latent.shape[3]]
        guess = self.prior(torch.cat([spatial, context.sixteenth.float()], 1))
        return gaussian_bits(latent, guess), -hyper_mass.clamp(min=_LIKELIHOOD_FLOOR).log2().sum((1, 2, 3))

    def encode_motion(self, latent: Tensor, indices: Tensor, state: Tensor) -> Tensor:
        """Reals of motion to send, ``(B, max(motion_rates), m, n)``, zero beyond each entry's rate, of any power."""
        return self.motion_encoder(latent, indices, state) * self.motion_sent(indices)

    def encode(self, latent: Tensor, indices: Tensor, state: Tensor) -> Tensor:
        """Reals to send, ``(B, max(rates), h, w)``, zero beyond each block's rate, of any power."""
        return self.encoder(latent, spread(indices), state) * self.sent(indices)

    # Both

    def motion_sent(self, indices: Tensor) -> Tensor:
        """1 where an entry sends a real of motion and 0 where it does not, ``(B, max(motion_rates), m, n)``."""
        return prefix(self.motion_rates[indices], self.config.motion_rates[-1])

    def sent(self, indices: Tensor) -> Tensor:
        """1 where a block sends a real and 0 where it does not, ``(B, max(rates), h, w)``."""
        return prefix(self.rates[spread(indices)], self.config.rates[-1])

    def reals(self, motion_indices: Tensor, indices: Tensor) -> Tensor:
        """Reals that frames with these rate maps send, ``(B,)``; even."""
        return self.motion_rates[motion_indices].sum((1, 2)) + BLOCKS * self.rates[indices].sum((1, 2))

    def decode_motion(self, reals: Tensor, indices: Tensor, state: Tensor, noise: Tensor) -> Tensor:
        """Latent of motion from the reals that arrived; arguments as of :meth:`decode`."""
        power = self.motion_power.exp()[:, None, None]
        out: Tensor = self.motion_decoder(reals * (power / (power + noise)), indices, state)
        return out

    def decode(self, reals: Tensor, indices: Tensor, state: Tensor, noise: Tensor) -> Tensor:
        """Latent from the reals that arrived, in the transmitter's scale, zero where none was sent.

        ``noise`` is the variance of the noise in these reals, of their shape or ``(B, 1, 1, 1)``. Each is first
        weighted as a linear estimator of least squared error would.
        """
        power = self.power.exp()[:, None, None]
        out: Tensor = self.decoder(reals * (power / (power + noise)), spread(indices), state)
        return out

    def synthesise_motion(self, latent: Tensor, state: Tensor) -> Tensor:
        """Motion in pixels, ``(B, 2, H / FLOW_GRID, W / FLOW_GRID)``; what is hardly any becomes none."""
        vectors = self.motion_synthesis_linear(latent) + self.motion_synthesis(latent, state)
        flow = PIXELS_PER_UNIT * F.pixel_shuffle(vectors, ENTRY // FLOW_GRID).float()
        length = flow.square().sum(1, keepdim=True)
        return flow * (length / (length + STILL**2))

    def context(self, reference: Tensor, flow: Tensor) -> Context:
        """The previous picture moved by this motion, and its features."""
        picture = warp(reference, flow)
        quarter = F.leaky_relu(self.context_quarter(picture - 0.5), 0.1)
        eighth = F.leaky_relu(self.context_eighth(quarter), 0.1)
        return Context(picture, quarter, eighth, F.leaky_relu(self.context_sixteenth(eighth), 0.1))

    def synthesise(self, latent: Tensor, context: Context, state: Tensor) -> Tensor:
        """Pictures from a latent and their context, float ``(B, colours, H, W)``, not clipped to [0, 1]."""
        linear = F.pixel_shuffle(self.synthesis_linear(latent), BLOCK)
        x = self.synthesis_sixteenth(torch.cat([latent, context.sixteenth], 1), state)
        x = self.synthesis_eighth(torch.cat([x, context.eighth], 1), state)
        x = self.synthesis_quarter(torch.cat([x, context.quarter], 1), state)
        return context.picture + linear + x

    def state(self, snr_db: Tensor, reals_per_block: Tensor, gain: Tensor) -> Tensor:
        """What both ends know about the transmission, for every stage; each argument ``(B,)``.

        Args:
            snr_db: Es/N0 as this end believes it, held to -5..25 dB.
            reals_per_block: Of both links together, mean over the picture.
            gain: Root mean square of the reals before they were brought to unit power; 1 where it is not known yet.
        """
        known = torch.stack(
            [
                snr_db.clamp(-5, 25) / 20,
                reals_per_block.clamp(min=0.1).log2() / 6,
                gain.clamp(min=1e-3).log2() / 4,
            ],
            1,
        )
        out: Tensor = self.condition(known)
        return out


def warp(picture: Tensor, flow: Tensor) -> Tensor:
    """Look up each pixel where it was: ``(B, C, H, W)`` by motion in pixels, ``(B, 2, h, w)`` on any coarser grid.

    Bicubic, as pictures that are moved again and again blur under less.
    """
    height, width = picture.shape[2:]
    if flow.shape[2:] != picture.shape[2:]:
        flow = F.interpolate(flow, size=(height, width), mode="bilinear", align_corners=False)
    rows = torch.arange(height, device=picture.device, dtype=torch.float32)[:, None]
    columns = torch.arange(width, device=picture.device, dtype=torch.float32)
    x = (columns + flow[:, 0]) * (2 / (width - 1)) - 1
    y = (rows + flow[:, 1]) * (2 / (height - 1)) - 1
    grid = torch.stack([x, y], -1)
    return F.grid_sample(picture.float(), grid, mode="bicubic", padding_mode="border", align_corners=True)


def choose_rates(motion_bits: Tensor, bits: Tensor, eta: Tensor | float, config: DvstConfig) -> tuple[Tensor, Tensor]:
    """Rate maps of motion and of the rest: the nearest rates to eta reals for each bit.

    Args:
        motion_bits: Of each entry, ``(B, m, n)``.
        bits: Of each entry, all its blocks together, ``(B, m, n)``.
        eta: Reals per bit; a number, or one that broadcasts. Wang et al. 2023 and LGVSC: 0.2.
        config: Has the rates.
    """
    wanted = torch.bucketize(eta * motion_bits, middles(config.motion_rates).to(motion_bits))
    return wanted, torch.bucketize(eta * bits / BLOCKS, middles(config.rates).to(bits))


def middles(rates: Sequence[int]) -> Tensor:
    """Between neighbouring rates, where a wish turns from one to the other; in ratio, but for the rate 0."""
    return torch.tensor([math.sqrt(a * b) if a else b / 2 for a, b in pairwise(rates)])


def allocate(
    motion_bits: Tensor, bits: Tensor, reals: int, config: DvstConfig, held: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Rate maps of one frame, ``(m, n)`` each, that spend at most so many reals, in proportion to the information.

    Args:
        motion_bits, bits: As of :func:`choose_rates`, ``(m, n)``.
        reals: The limit.
        held: Entries that are to get none, bool ``(m, n)``.
    """
    held = torch.zeros_like(bits, dtype=torch.bool) if held is None else held
    motion_bits, bits = motion_bits.double().clamp(min=1e-6), bits.double().clamp(min=1e-6)
    tables = torch.tensor(config.motion_rates), BLOCKS * torch.tensor(config.rates)

    def wanted(eta: float) -> tuple[Tensor, Tensor]:
        motion, rest = choose_rates(motion_bits, bits, eta, config)
        return motion.masked_fill(held, 0), rest.masked_fill(held, 0)

    def spent(maps: tuple[Tensor, Tensor]) -> int:
        return sum(int(table[indices].sum()) for table, indices in zip(tables, maps, strict=True))

    low, high = -40.0, 40.0  # log2 of eta
    for _ in range(32):
        middle = (low + high) / 2
        fits = spent(wanted(2**middle)) <= reals
        low, high = (middle, high) if fits else (low, middle)
    maps = wanted(2**low)
    # Rates are few: many entries step up together at the next factor. Raise as many of them as still fit.
    left = reals - spent(maps)
    wishes = [
        (wish / table[indices].clamp(min=1)).masked_fill(held, -1).flatten()
        for wish, table, indices in zip((motion_bits, bits), tables, maps, strict=True)
    ]
    flat = [indices.flatten() for indices in maps]
    count = len(flat[0])
    order = torch.cat(wishes).argsort(descending=True, stable=True)
    for place in order[: int(2 * (~held).sum())].tolist():
        which, at = divmod(place, count)
        here = int(flat[which][at])
        if here + 1 < len(tables[which]):
            more = int(tables[which][here + 1] - tables[which][here])
            if more <= left:
                left -= more
                flat[which][at] = here + 1
    return flat[0].view_as(maps[0]), flat[1].view_as(maps[1])


def entry_sums(bits: Tensor) -> Tensor:
    """Sums over the blocks of each entry, ``(..., h, w)`` to ``(..., m, n)``."""
    return BLOCKS * F.avg_pool2d(bits.unsqueeze(-3), ENTRY // BLOCK).squeeze(-3)


def spread(indices: Tensor) -> Tensor:
    """A rate map for blocks from one for entries, ``(..., m, n)`` to ``(..., h, w)``."""
    return indices.repeat_interleave(ENTRY // BLOCK, -2).repeat_interleave(ENTRY // BLOCK, -1)


def prefix(counts: Tensor, most: int) -> Tensor:
    """``(B, h, w)`` counts as masks ``(B, most, h, w)`` of that many ones."""
    place = torch.arange(most, device=counts.device)
    return (place[:, None, None] < counts.unsqueeze(1)).float()


def gaussian_bits(latent: Tensor, guess: Tensor) -> Tensor:
    """Bits of each place of a latent, rounded, under normal densities: ``guess`` has their means, then scales."""
    expected, scale = guess.chunk(2, dim=1)
    scale = F.softplus(scale) + _SCALE_FLOOR
    away = (latent - expected).abs()
    mass = normal_cdf((0.5 - away) / scale) - normal_cdf((-0.5 - away) / scale)
    return -mass.clamp(min=_LIKELIHOOD_FLOOR).log2().sum(1)


def uniform(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.rand(like.shape, generator=generator, device=like.device) - 0.5


def rounding_step(lambda_: float, colours: int) -> float:
    """Step of a uniform quantiser that is best where a bit per pixel weighs as lambda of squared error.

    Error on the 8-bit scale, mean over colours. A step D adds ``255^2 D^2 / 12``, and a bit more quarters it.
    """
    return math.sqrt(lambda_ * colours * 12 / (255**2 * 2 * math.log(2)))


def start_linear(net: Dvst, differences: Tensor, flows: Tensor, lambda_: float) -> None:
    """Let the linear paths begin as a hybrid code: principal components, sent with the power that suits noise.

    Args:
        net: A fresh network.
        differences: ``(n, colours * BLOCK**2)``, blocks of frames less their context, as ``pixel_unshuffle`` orders
            them.
        flows: ``(n, 32)``, motion of entries in units of ``PIXELS_PER_UNIT``, as ``pixel_unshuffle`` orders it.
        lambda_: Weight of the rate, which sets the scale of the latent.

    Source: amplitudes grow as the square root of the deviation, Lee and Petersen 1976 (optimal linear coding).
    """
    step, motion_step = rounding_step(lambda_, net.config.colours), 0.5 / PIXELS_PER_UNIT
    picture = (net.analysis_linear, net.synthesis_linear, net.encoder, net.decoder, net.power)
    motion = (
        net.motion_analysis_linear, net.motion_synthesis_linear, net.motion_encoder, net.motion_decoder,
        net.motion_power,
    )  # fmt: skip
    for (analysis, synthesis, encoder, decoder, power), data, unit in (
        (picture, differences, step),
        (motion, flows, motion_step),
    ):
        values, vectors = torch.linalg.eigh(data.double().T @ data.double() / len(data))
        size = len(analysis.weight)
        basis = vectors.flip(1)[:, :size].T.float()
        deviation = values.flip(0)[:size].clamp(min=1e-9).sqrt().float() / unit
        reals = len(power)
        with torch.no_grad():
            fill(analysis, basis / unit)
            fill(synthesis, basis.T * unit)
            fill(encoder.linear, torch.eye(reals, size) * deviation.rsqrt())
            power.copy_(deviation[:reals].log())
            fill(decoder.linear, torch.eye(size, reals) * deviation.sqrt()[:, None])
    with torch.no_grad():  # the branches beside them take latents too, and must speak as softly
        for layer, unit in ((net.synthesis_quarter[-2], step), (net.motion_synthesis[-1], motion_step)):
            assert isinstance(layer, nn.Conv2d)
            layer.weight.mul_(unit)
