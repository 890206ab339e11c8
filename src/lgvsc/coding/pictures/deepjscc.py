"""DeepJSCC on the air: a picture, or a sketch, as a fixed number of analogue symbols and nothing besides.

No header and no side information: the receiver knows the number of symbols and what the channel grants it of the
noise. So nothing here can fail at once; what comes out gets worse with the channel, down to grey.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lgvsc.channel.common import erase_bad, pair_reals, unpair
from lgvsc.coding.pictures.ntscc import effective_snr_db
from lgvsc.core.air import Reception
from lgvsc.core.interfaces import CodedPicture
from lgvsc.core.tensors import as_batch
from lgvsc.core.video import Pixels
from lgvsc.errors import ConfigError, ShapeError
from lgvsc.models.weights import read_network
from lgvsc.nets.deepjscc import DeepJscc, DeepJsccConfig

Sketch: TypeAlias = NDArray[np.uint8]  # (H, W), 255 on a contour

SKETCH_SIDE = 256  # GVSC, section IV-A1: its videos, and so its sketches, have this size
MIN_SIDE = 16
FEWEST = 2  # reals for each place: the network has not learned to do with one
MAX_SNR_DB = 60.0
NOT_HEARD = 1e6  # N0 of an erasure


class DeepJsccPictureCodec:
    """Sends pictures by the compact DeepJSCC network, at any size from 16 pixels a side.

    The rate is a whole number of reals for each 8 x 8 pixels; ``length`` in the control stream is that number.

    Args:
        net: Trained network for three colours, the same at both ends.
    """

    name = "deepjscc"
    codec = 2

    def __init__(self, net: DeepJscc) -> None:
        if net.config.colours != 3:
            raise ConfigError(f"a picture has three colours, this network takes {net.config.colours}")
        self._net = net.eval()
        self._granule = 2 * net.config.grid  # an even number of places, so that their reals pair

    def encode(self, picture: Pixels, *, max_symbols: int, snr_db: float) -> CodedPicture:
        """The picture at the highest rate that fits.

        Raises:
            ConfigError: A side is below 16 pixels, or the symbols are too few for the lowest rate.
        """
        height, width = picture.shape[:2]
        if min(height, width) < MIN_SIDE:
            raise ConfigError(f"the learned picture code needs {MIN_SIDE} pixels a side, got {height}x{width}")
        sent = min(2 * max_symbols // self._places(height, width), self._net.config.reals)
        if sent < FEWEST:
            raise ConfigError(
                f"{max_symbols} symbols are too few for DeepJSCC at this size, which needs "
                f"{self.min_symbols(height, width)}; use the digital road"
            )
        return CodedPicture(self.send(picture, sent, snr_db), self.codec, sent, 0)

    def send(self, picture: Pixels, sent: int, snr_db: float) -> Tensor:
        """Symbols of a picture with so many reals for each place, complex64 ``(n,)``, mean energy one."""
        padding = [(0, -length % self._granule) for length in picture.shape[:2]]
        padded = np.pad(picture, (*padding, (0, 0)), mode="symmetric")
        with torch.inference_mode():
            reals = self._net.encode(to_batch(padded), as_level(snr_db), torch.tensor([sent]))
        return to_symbols(reals[:, :sent])[0]

    def min_symbols(self, height: int, width: int) -> int:
        """The fewest symbols in which a picture of this size can be sent."""
        return self.symbol_count(FEWEST, 0, height, width)

    def symbol_count(self, length: int, mode: int, height: int, width: int) -> int:
        """Symbols of a picture of which ``length`` reals for each place were announced; 0 where that is impossible."""
        possible = FEWEST <= length <= self._net.config.reals and mode == 0 and min(height, width) >= MIN_SIDE
        return length * self._places(height, width) // 2 if possible else 0

    def decode(self, received: Reception, length: int, mode: int, height: int, width: int) -> Pixels | None:
        """The picture; ``None`` where not one of its symbols was heard."""
        count = self.symbol_count(length, mode, height, width)
        heard = hear(received, count)
        if heard is None:
            return None
        size = [-(-side // self._granule) * self._granule // self._net.config.grid for side in (height, width)]
        rebuilt = heard.rebuild(self._net, length, size[0], size[1])
        return np.ascontiguousarray(rebuilt[:height, :width])

    def _places(self, height: int, width: int) -> int:
        rows, columns = (-(-side // self._granule) for side in (height, width))
        return 4 * rows * columns


class DeepJsccSketchCodec:
    """Sends sketches as GVSC does: 256 x 256 pixels in 1024 symbols.

    Args:
        net: Trained network for one colour, the same at both ends.
    """

    name = "deepjscc-sketch"

    def __init__(self, net: DeepJscc) -> None:
        if net.config.colours != 1:
            raise ConfigError(f"a sketch has one colour, this network takes {net.config.colours}")
        self._net = net.eval()
        self._places = (SKETCH_SIDE // net.config.grid) ** 2
        self.symbol_count = net.config.reals * self._places // 2

    def encode(self, sketch: Sketch, snr_db: float) -> Tensor:
        """Symbols of a sketch, complex64 ``(symbol_count,)``, mean energy one.

        Args:
            sketch: uint8 ``(H, W)``, 255 on a contour. Other sizes than 256 x 256 are scaled to it.
            snr_db: Es/N0 that the transmitter believes.

        Raises:
            ShapeError: This is no sketch.
        """
        if sketch.ndim != 2 or sketch.dtype != np.uint8 or min(sketch.shape) < 1:
            raise ShapeError(f"a sketch is uint8 (H, W), got {sketch.dtype} {sketch.shape}")
        small = resized(sketch, SKETCH_SIDE, SKETCH_SIDE)
        with torch.inference_mode():
            reals = self._net.encode(to_batch(small[..., None]), as_level(snr_db))
        return to_symbols(reals)[0]

    def decode(self, received: Reception, height: int = SKETCH_SIDE, width: int = SKETCH_SIDE) -> Sketch | None:
        """The sketch, uint8 ``(height, width)``; ``None`` where not one of its symbols was heard."""
        heard = hear(received, self.symbol_count)
        if heard is None:
            return None
        side = SKETCH_SIDE // self._net.config.grid
        return resized(heard.rebuild(self._net, self._net.config.reals, side, side)[..., 0], height, width)


@dataclass(frozen=True, slots=True, eq=False)
class HeardReals:
    """The reals of a picture as they arrived, and N0 of the symbol that each was part of; ``(n,)`` each."""

    reals: Tensor
    noise: Tensor

    def rebuild(self, net: DeepJscc, sent: int, rows: int, columns: int) -> Pixels:
        """The picture, uint8 ``(H, W, colours)``, from ``sent`` reals for each of ``rows x columns`` places."""

        def placed(values: Tensor) -> Tensor:
            whole = torch.zeros(1, net.config.reals, rows, columns)
            whole[:, :sent] = values.view(1, rows, columns, sent).permute(0, 3, 1, 2)
            return whole

        level = as_level(effective_snr_db(self.noise))
        with torch.inference_mode():
            rebuilt = net.decode(placed(self.reals), placed(self.noise), level, torch.tensor([sent]))
        return np.asarray((rebuilt[0].permute(1, 2, 0) * 255).round().clamp(0, 255).to(torch.uint8).numpy())


def hear(received: Reception, count: int) -> HeardReals | None:
    """The first ``count`` symbols as reals; missing and bad ones are erasures. ``None`` where all of them are."""
    if count == 0:
        return None
    received, _ = erase_bad(received[:count])
    noise = torch.full((count,), NOT_HEARD)
    noise[: len(received)] = received.noise_variance.float().clamp(max=NOT_HEARD)
    if bool((noise >= NOT_HEARD).all()):
        return None
    reals = torch.zeros(2 * count)
    reals[: 2 * len(received)] = unpair(received.symbols.to(torch.complex64))
    return HeardReals(reals, noise.repeat_interleave(2))


def to_symbols(reals: Tensor) -> Tensor:
    """Reals of pictures, ``(B, n, h, w)`` of mean power one half, as symbols ``(B, n h w / 2)``, place by place."""
    return pair_reals(reals.permute(0, 2, 3, 1).flatten(1))


def to_reals(symbols: Tensor, count: int, rows: int, columns: int) -> Tensor:
    """The inverse of :func:`to_symbols` with ``count`` reals for each of ``rows x columns`` places."""
    return unpair(symbols).view(-1, rows, columns, count).permute(0, 3, 1, 2)


def to_batch(picture: Pixels) -> Tensor:
    """A picture ``(H, W, colours)`` as the network takes it."""
    return as_batch(picture).contiguous(memory_format=torch.channels_last)


def as_level(snr_db: float) -> Tensor:
    """An SNR in dB as the network takes it, ``(1,)``, no higher than it was trained for."""
    return torch.tensor([min(snr_db, MAX_SNR_DB)])


def resized(sketch: Sketch, height: int, width: int) -> Sketch:
    """A sketch at another size; contours survive being made smaller, as the mean of each area keeps their weight."""
    if sketch.shape == (height, width):
        return sketch
    smaller = height * width < sketch.shape[0] * sketch.shape[1]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(sketch, (width, height), interpolation=how), dtype=np.uint8)


def load_net(data: bytes) -> DeepJscc:
    """The network of an asset.

    Raises:
        InputError: These are not weights of a DeepJSCC network.
    """
    return read_network(data, "a DeepJSCC network", lambda stated: DeepJscc(DeepJsccConfig.from_json(stated["config"])))


def load(data: bytes) -> DeepJsccPictureCodec:
    """The picture codec with the weights of an asset."""
    return DeepJsccPictureCodec(load_net(data))


def load_sketch(data: bytes) -> DeepJsccSketchCodec:
    """The sketch codec with the weights of an asset."""
    return DeepJsccSketchCodec(load_net(data))
