"""DeepJSCC: a picture straight to channel symbols and back, a fixed number of them for each place of a grid.

Five convolutions make the symbols and five transposed ones the picture (Bourtsoulatze et al. 2019). Behind each of the
first four stands, where asked for, an attention-feature module that weighs channels by the SNR (Xu et al. 2021), so
that one set of weights serves many channels. The power is one for each picture; the receiver is never told the
transmitter's scale.

Two things are ours and can be left out. A linear path beside the convolutions starts as the principal components of
training patches. And the encoder may send only the first few of its outputs, so that one network has several rates.

Source: Bourtsoulatze, Burth Kurka and Gunduz 2019, "Deep joint source-channel coding for wireless image transmission",
Fig. 3; Xu et al. 2021, "Wireless image transmission using deep source channel coding with attention modules", Fig. 2.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Any, Self, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Five: TypeAlias = tuple[int, int, int, int, int]
Four: TypeAlias = tuple[int, int, int, int]

CONTEXT = 2  # SNR, and the share of the reals that are sent


@dataclass(frozen=True, slots=True, kw_only=True)
class DeepJsccConfig:
    """Sizes of the network. The defaults are DeepJSCC at CBR 1/6.

    Attributes:
        colours: Channels of the picture.
        reals: Real values for each place of the grid, at most; two of them make a complex symbol.
        widths: Channels behind the first four convolutions.
        kernels, strides: Of the five convolutions.
        attention: Whether attention-feature modules tell the network the SNR.
        squeeze: Width over hidden width of those modules.
        gdn: Whether divisive normalisation precedes each PReLU, as in ADJSCC.
        linear: Whether there is a linear path; then no sigmoid bounds the picture.
    """

    colours: int = 3
    reals: int = 16
    widths: Four = (16, 32, 32, 32)
    kernels: Five = (5, 5, 5, 5, 5)
    strides: Five = (2, 2, 1, 1, 1)
    attention: bool = False
    squeeze: int = 16
    gdn: bool = False
    linear: bool = False

    def __post_init__(self) -> None:
        if len(self.widths) != 4 or len(self.kernels) != 5 or len(self.strides) != 5:
            raise ValueError("DeepJSCC has five convolutions: give four widths, five kernels and five strides")
        if min(self.colours, self.reals, *self.widths, *self.strides) < 1:
            raise ValueError("channels and strides of DeepJSCC are at least 1")
        if any(kernel % 2 == 0 for kernel in self.kernels):
            raise ValueError(f"kernels are {self.kernels}; only odd ones keep the grid in place")

    @classmethod
    def adjscc(cls, reals: int = 16) -> Self:
        """The sizes of Xu et al. 2021: 256 channels everywhere, attention and divisive normalisation."""
        return cls(reals=reals, widths=(256, 256, 256, 256), kernels=(9, 5, 5, 5, 5), attention=True, gdn=True)

    @classmethod
    def compact_sketch(cls) -> Self:
        """GVSC's sketch code at a size for CPUs: 256 x 256 x 1 to 32 x 32 x 2 reals, that is 1024 symbols."""
        return cls(
            colours=1, reals=2, widths=(24, 48, 96, 96), strides=(2, 2, 2, 1, 1), attention=True, squeeze=4, linear=True
        )

    @classmethod
    def compact_rgb(cls) -> Self:
        """The same for pictures, with up to 16 reals a place: CBR 0.0026 to 0.042."""
        return cls(
            colours=3,
            reals=16,
            widths=(32, 64, 96, 96),
            strides=(2, 2, 2, 1, 1),
            attention=True,
            squeeze=4,
            linear=True,
        )

    @property
    def grid(self) -> int:
        """Pixels a side for each place of the grid; heights and widths are multiples of it."""
        return math.prod(self.strides)

    def to_json(self) -> str:
        """As text, for the metadata of a weights file."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """From :meth:`to_json`. Raises TypeError or ValueError on anything else."""
        sizes: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in json.loads(text).items()}
        return cls(**sizes)


class DeepJscc(nn.Module):
    """Encoder and decoder. Pictures are float ``(B, colours, H, W)`` in [0, 1]; ``h, w`` below are of the grid."""

    def __init__(self, config: DeepJsccConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or DeepJsccConfig()
        down = (config.colours, *config.widths, config.reals)
        self.encoder = nn.ModuleList(
            Stage(config, down[i], down[i + 1], config.kernels[i], config.strides[i], last=i == 4) for i in range(5)
        )
        up = down[::-1]
        kernels, strides = config.kernels[::-1], config.strides[::-1]
        self.decoder = nn.ModuleList(
            Stage(config, up[i], up[i + 1], kernels[i], strides[i], last=i == 4, up=True) for i in range(5)
        )
        if config.linear:
            values = config.colours * config.grid**2
            self.encoder_linear = nn.Conv2d(values, config.reals, 1)
            self.decoder_linear = nn.Conv2d(config.reals, values, 1)
            with torch.no_grad():  # the linear path leads at first
                for last in ("encoder.4.conv.weight", "decoder.4.conv.weight"):
                    self.get_parameter(last).mul_(0.1)

    @classmethod
    def tiny(cls, colours: int = 3, reals: int = 4) -> Self:
        """A network of a few thousand parameters with every part, for tests."""
        return cls(
            DeepJsccConfig(
                colours=colours,
                reals=reals,
                widths=(4, 4, 4, 4),
                kernels=(3, 3, 3, 3, 3),
                strides=(2, 2, 2, 1, 1),
                attention=True,
                squeeze=2,
                gdn=True,
                linear=True,
            )
        )

    def encode(self, pictures: Tensor, snr_db: Tensor, sent: Tensor | None = None) -> Tensor:
        """What to send.

        Args:
            pictures: ``(B, colours, H, W)``, sides multiples of ``config.grid``.
            snr_db: Es/N0 that the transmitter believes, ``(B,)``.
            sent: How many reals of each place, ``(B,)``; ``None``: all.

        Returns:
            ``(B, reals, h, w)``, zero beyond ``sent``. Over each picture's sent reals the mean power is one half: two
            make a symbol of energy one.

        Source: Bourtsoulatze et al. 2019, Eq. (2), for the power of each picture.
        """
        context = self.context(snr_db, sent)
        x = pictures
        for stage in self.encoder:
            x = stage(x, context)
        if self.config.linear:
            x = x + self.encoder_linear(F.pixel_unshuffle(pictures - 0.5, self.config.grid))
        mask = self.mask(snr_db, sent)
        x = x.float() * mask
        power = x.square().sum((1, 2, 3)) / (mask.sum((1, 2, 3)) * x.shape[2] * x.shape[3])
        return x * (0.5 / power.clamp(min=1e-12)).sqrt()[:, None, None, None]

    def decode(self, reals: Tensor, noise: Tensor, snr_db: Tensor, sent: Tensor | None = None) -> Tensor:
        """The pictures, ``(B, colours, H, W)``; clip them where [0, 1] must hold.

        Args:
            reals: As they arrived, ``(B, reals, h, w)``, zero where none was sent.
            noise: N0 of the symbol that each was part of, of their shape or ``(B, 1, 1, 1)``. A real is weighed as an
                estimator of least squared error would, so that an erasure (infinite N0) counts nothing.
            snr_db: Es/N0 over the whole picture, as the receiver knows it, ``(B,)``.
            sent: As for :meth:`encode`.
        """
        context = self.context(snr_db, sent)
        heard = math.sqrt(2) * reals / (1 + noise)
        x = heard
        for stage in self.decoder:
            x = stage(x, context)
        if not self.config.linear:
            return torch.sigmoid(x)
        return x + 0.5 + F.pixel_shuffle(self.decoder_linear(heard), self.config.grid)

    def context(self, snr_db: Tensor, sent: Tensor | None) -> Tensor:
        """What both ends know of a transmission, ``(B, CONTEXT)``; the SNR is held to -10..30 dB."""
        share = torch.ones_like(snr_db) if sent is None else sent.to(snr_db.dtype) / self.config.reals
        return torch.stack([snr_db.clamp(-10, 30) / 10, share.clamp(min=1 / 64).log2() / 2], 1)

    def mask(self, snr_db: Tensor, sent: Tensor | None) -> Tensor:
        """1 for a real that is sent and 0 for one that is not, ``(B, reals, 1, 1)``."""
        count = torch.full_like(snr_db, self.config.reals) if sent is None else sent
        place = torch.arange(self.config.reals, device=snr_db.device)
        return (place[None] < count[:, None]).float()[..., None, None]


class Stage(nn.Module):
    """Convolution, divisive normalisation, PReLU, attention. The decoder's last one is a convolution alone."""

    def __init__(
        self,
        config: DeepJsccConfig,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int,
        *,
        last: bool,
        up: bool = False,
    ) -> None:
        super().__init__()
        self.conv: nn.Module
        if up:
            self.conv = nn.ConvTranspose2d(inputs, outputs, kernel, stride, kernel // 2, output_padding=stride - 1)
        else:
            self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)
        picture = last and up
        self.gdn = Gdn(outputs, inverse=up) if config.gdn and not picture else nn.Identity()
        self.activation = nn.Identity() if picture else nn.PReLU(outputs)
        self.attention = AttentionFeature(outputs, config.squeeze) if config.attention and not last else None

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        out: Tensor = self.activation(self.gdn(self.conv(x)))
        return out if self.attention is None else self.attention(out, context)


class AttentionFeature(nn.Module):
    """Weighs channels by what they hold and by what is known of the channel (Xu et al. 2021, Fig. 3)."""

    def __init__(self, channels: int, squeeze: int) -> None:
        super().__init__()
        hidden = max(1, channels // squeeze)
        self.into = nn.Linear(channels + CONTEXT, hidden)
        self.out = nn.Linear(hidden, channels)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        seen = torch.cat([x.mean((2, 3)), context.to(x.dtype)], 1)
        weight = torch.sigmoid(self.out(F.relu(self.into(seen))))
        return x * weight[..., None, None].to(x.dtype)


class Gdn(nn.Module):
    """Generalised divisive normalisation, or its approximate inverse (Balle et al. 2016, Eq. (3))."""

    def __init__(self, channels: int, *, inverse: bool) -> None:
        super().__init__()
        self.inverse = inverse
        self.beta = nn.Parameter(torch.ones(channels))
        self.gamma = nn.Parameter(0.1 * torch.eye(channels))

    def forward(self, x: Tensor) -> Tensor:
        weight = self.gamma.abs()[..., None, None]
        energy = F.conv2d(x.square(), weight.to(x.dtype), self.beta.abs().clamp(min=1e-6).to(x.dtype))
        return x * (energy.sqrt() if self.inverse else energy.rsqrt())


def start_from_patches(net: DeepJscc, patches: Tensor) -> None:
    """Let the linear paths begin as principal components, the strongest sent first.

    Args:
        net: A fresh network with linear paths.
        patches: ``(n, colours * grid**2)``, places of pictures in [0, 1] as ``pixel_unshuffle`` orders them.

    Source: amplitudes grow as the square root of the deviation, Lee and Petersen 1976 (optimal linear coding).
    """
    reals = net.config.reals
    centred = (patches - 0.5).double()
    mean = centred.mean(0)
    covariance = (centred - mean).T @ (centred - mean) / len(centred)
    values, vectors = torch.linalg.eigh(covariance)
    basis = vectors.flip(1)[:, :reals].T.float()
    deviation = values.flip(0)[:reals].clamp(min=1e-9).sqrt().float()
    gain = deviation.mean().rsqrt()  # gives the reals power one over an average picture
    with torch.no_grad():
        forth = basis * (gain * deviation.rsqrt())[:, None]
        fill(net.encoder_linear, forth, -forth @ mean.float())
        fill(net.decoder_linear, basis.T * (deviation.sqrt() / gain), mean.float())


def fill(layer: nn.Conv2d, weight: Tensor, bias: Tensor) -> None:
    layer.weight.copy_(weight[..., None, None])
    assert layer.bias is not None
    layer.bias.copy_(bias)
