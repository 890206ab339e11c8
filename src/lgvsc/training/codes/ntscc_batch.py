"""One batch of training the compact keyframe code: what each crop is asked to do, and how badly it does it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from lgvsc.channel.awgn import awgn
from lgvsc.channel.common import pair_reals, unpair
from lgvsc.errors import ConfigError
from lgvsc.metrics.smooth_ssim import training_ms_ssim
from lgvsc.nets.ntscc import BLOCK, GRANULE, Ntscc, nearest_rate, pool, unpool
from lgvsc.training.loop import LoopConfig

BLOCK_VALUES = 3 * BLOCK**2


@dataclass(frozen=True, slots=True, kw_only=True)
class NtsccTraining(LoopConfig):
    """The recipe.

    Attributes:
        digital: How many crops of a batch take the digital path; 0: a quarter of them, at least one.
        rate_weight: Weight of the squared error (8-bit scale) against bits per pixel on the digital path.
        similarity_weight: Weight of 1 - MS-SSIM.
        mismatched: Share of the crops whose transmitter believes a wrong SNR.
        cbr: Range from which each crop's is drawn.
        snr_db: Range from which each crop's is drawn.
        low_snr_db: A range at its lower end, where learning takes longest.
        low_share: Share of the crops that draw from it.
        frames_per_clip: Training pictures taken from each clip.
        look: What is trained: the ``faithful`` look and all that both have, or what is the ``vivid`` one's, see
            :mod:`lgvsc.training.codes.ntscc_look`.
        error_weight: Of the logarithm of the squared error in the vivid end's loss.
        lpips_weight: Of LPIPS (AlexNet) in the vivid end's loss.
        dists_weight: Of DISTS there.
        dists_crops: DISTS is dear, so it is taken of so many crops of a batch.
        of_the_way: How far the vivid end that is written lies from where it began, 0, to where training ended, 1.
            Between them it errs less and looks as good on pictures unlike those trained on (Wortsman et al. 2022,
            arXiv:2109.01903).
    """

    minutes: float = 180.0
    learning_rate: float = 7e-4
    average: float = 0.9985
    validate_minutes: float = 8.0
    digital: int = 0
    rate_weight: float = 0.0012
    similarity_weight: float = 5.0
    mismatched: float = 0.15
    cbr: tuple[float, float] = (0.006, 0.06)
    snr_db: tuple[float, float] = (0.0, 20.0)
    low_snr_db: tuple[float, float] = (-2.0, 2.0)
    low_share: float = 0.1
    frames_per_clip: int = 6
    look: Literal["faithful", "vivid"] = "faithful"
    error_weight: float = 0.5
    lpips_weight: float = 2.0
    dists_weight: float = 4.0
    dists_crops: int = 2
    of_the_way: float = 1.0

    def __post_init__(self) -> None:
        LoopConfig.__post_init__(self)
        if not 0 < self.digital_crops < self.batch:
            raise ConfigError(f"{self.digital_crops} of {self.batch} crops on the digital path; both paths need some")
        if self.crop % GRANULE:
            raise ConfigError(f"crops have {self.crop} pixels a side; the rate map needs a multiple of {GRANULE}")
        if self.look not in ("faithful", "vivid"):
            raise ConfigError(f"look is {self.look!r}; an end is faithful or vivid")
        if not 0 < self.of_the_way <= 1:
            raise ConfigError(f"of_the_way is {self.of_the_way}; it lies above 0, and 1 is where training ended")

    @property
    def digital_crops(self) -> int:
        """How many crops of a batch take the digital path."""
        return self.digital or max(1, self.batch // 4)


@dataclass(frozen=True, slots=True)
class CropConditions:
    """What each crop on the analogue path is asked to do; arrays of one value per crop.

    Attributes:
        symbols: Complex symbols per block.
        snr_db: Of the channel.
        believed_snr_db: What the transmitter believes.
        uniform: Whether all blocks get about the same rate.
        alone: Whether the crop spends its symbols within itself; else as a part of a picture of average information.
        spread: Small factors by which rates of a uniform map differ, ``(crops, h / 2, w / 2)``.
    """

    symbols: Tensor
    snr_db: Tensor
    believed_snr_db: Tensor
    uniform: Tensor
    alone: Tensor
    spread: Tensor

    def to(self, device: str) -> CropConditions:
        """The same on another device."""
        return CropConditions(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})


def draw_conditions(config: NtsccTraining, generator: np.random.Generator) -> CropConditions:
    """Bandwidth log-uniform, SNR uniform with a share around 0 dB."""
    count, side = config.batch - config.digital_crops, config.crop // (2 * BLOCK)
    cbr = np.exp(generator.uniform(math.log(config.cbr[0]), math.log(config.cbr[1]), count))
    low = generator.random(count) < config.low_share
    snr_db = np.where(low, generator.uniform(*config.low_snr_db, count), generator.uniform(*config.snr_db, count))
    off = np.where(generator.random(count) < config.mismatched, generator.normal(0, 5, count), 0.0)
    return CropConditions(
        symbols=torch.from_numpy(cbr * BLOCK_VALUES).float(),
        snr_db=torch.from_numpy(snr_db).float(),
        believed_snr_db=torch.from_numpy(np.clip(snr_db + off, -5, 25)).float(),
        uniform=torch.from_numpy(generator.random(count) < 0.3),
        alone=torch.arange(count) % 2 == 0,
        spread=torch.from_numpy(np.exp(generator.normal(0, 0.1, (count, side, side)))).float(),
    )


@dataclass(frozen=True, slots=True)
class BatchLosses:
    """Parts of a batch's loss, for the log."""

    bpp: float
    digital_psnr_db: float
    psnr_db: float
    ms_ssim: float


def batch_loss(
    net: Ntscc, batch: Tensor, wanted: CropConditions, config: NtsccTraining, noise: torch.Generator
) -> tuple[Tensor, BatchLosses]:
    """Both paths, one pass through analysis and one through synthesis."""
    split, device = config.digital_crops, batch.device
    ones = torch.ones(len(wanted.symbols), device=device)
    one = torch.ones(split, device=device)
    best = 20.0 * one, float(net.config.rates[-1]) * one, one
    sender = torch.cat([net.state(*best), net.state(wanted.believed_snr_db, wanted.symbols, ones)])
    latent = net.analyse(batch, sender)
    with torch.autocast(device.type, enabled=False):
        bits, hyper_bits = net.information(latent, noise)
        rounded = latent[:split].float()
        rounded = rounded + torch.rand(rounded.shape, generator=noise, device=device) - 0.5
        indices = unpool(choose_rates(pool(bits[split:].detach()), wanted, net.config.rates))
    reals = net.encode(latent[split:], indices, sender[split:])
    with torch.autocast(device.type, enabled=False):
        arrived, gain = through_channel(reals.float(), net.sent(indices), wanted.snr_db.tolist(), noise)
        per_block = net.rates[indices].float().mean((1, 2))
    receiver = torch.cat([net.state(*best), net.state(wanted.snr_db, per_block, gain)])
    power = gain.square() * 10 ** (-wanted.snr_db / 10)  # of the noise in each real, in the transmitter's scale
    decoded = net.decode(arrived, indices, receiver[split:], power[:, None, None, None])
    rebuilt = net.synthesise(torch.cat([rounded.to(decoded.dtype), decoded]), receiver)
    with torch.autocast(device.type, enabled=False):
        rebuilt = rebuilt.float()
        squared = 255**2 * (rebuilt - batch).square().mean((1, 2, 3))
        bpp = (bits[:split].sum((1, 2)) + hyper_bits[:split]).mean() / (batch.shape[2] * batch.shape[3])
        similarity = training_ms_ssim(batch[split:], rebuilt[split:])
        # The logarithm keeps crops on bad channels, whose errors are far larger, from owning the gradient.
        total = 0.5 * (bpp + config.rate_weight * squared[:split].mean() + (squared[split:] + 10).log().mean())
        total = total + config.similarity_weight * (1 - similarity).mean()
    psnr = 10 * (255**2 / squared.detach()).log10()
    return total, BatchLosses(
        float(bpp.detach()), float(psnr[:split].mean()), float(psnr[split:].mean()), float(similarity.detach().mean())
    )


def choose_rates(bits: Tensor, wanted: CropConditions, rates: tuple[int, ...]) -> Tensor:
    """Rate maps of the crops, ``(B, h / 2, w / 2)``, from the information of their entries."""
    own = bits.mean((1, 2), keepdim=True)
    share = bits / torch.where(wanted.alone[:, None, None], own, own.mean())
    share = torch.where(wanted.uniform[:, None, None], wanted.spread, share)
    return nearest_rate(wanted.symbols[:, None, None] * share, rates)


def through_channel(
    reals: Tensor, sent: Tensor, snr_db: Sequence[float], noise: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Send reals at unit power over the channel that measurements use, crop by crop.

    Returns:
        What arrived, in the transmitter's scale, and the gain (root mean square of what was sent), ``(B,)``.
    """
    gain = (reals.square().sum((1, 2, 3)) / sent.sum((1, 2, 3)).clamp(min=1) + 1e-8).sqrt()
    scale = gain[:, None, None, None] * math.sqrt(2)  # two reals of power one half make a symbol of energy one
    symbols = pair_reals((reals / scale).flatten(1))
    received = torch.stack([awgn(row, level, generator=noise) for row, level in zip(symbols, snr_db, strict=True)])
    return unpair(received).view_as(reals) * sent * scale, gain
