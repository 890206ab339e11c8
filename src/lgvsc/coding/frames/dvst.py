"""DVST on the air: the frames after a keyframe as analogue symbols, and a digital header with their rates and gains.

The transmitter codes each frame against what a receiver would have rebuilt of the frame before it without the noise: it
decodes its own symbols as they were sent, at the SNR that it believes in. The receiver's picture differs by its noise,
and what differs is carried along until the next keyframe.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from lgvsc.channel.common import erase_bad, pair_reals, unpair
from lgvsc.coding.frames.map_sequence import FrameRates, decode_sequence, encode_sequence
from lgvsc.coding.pictures.ntscc import GainScale, effective_snr_db, place, stream_of
from lgvsc.coding.pictures.rate_map import Bits
from lgvsc.core.air import Reception
from lgvsc.core.tensors import as_batch
from lgvsc.core.video import Pixels
from lgvsc.errors import ConfigError, ShapeError
from lgvsc.models.weights import read_network
from lgvsc.nets.dvst import (
    BLOCK,
    ENTRY,
    FLOW_GRID,
    Dvst,
    DvstConfig,
    allocate,
    choose_rates,
    entry_sums,
)

GAIN = GainScale(8, 32, -5.0)
MIN_SIDE = 16
MAX_COUNT = 255  # frames in one header
MAX_SNR_DB = 60.0
NOT_HEARD = 1e6  # variance of the noise in what did not arrive
MOST_MOTION = 64.0  # pixels between two frames; more is not looked for
WORTH = 0.9  # motion is kept where it lowers the difference to this share
HOLD = 1.25  # parts whose squared error is not this many times as large as if they were coded stay as they are
INVISIBLE = (0.5 / 255) ** 2
CHANGE_FLOOR = 0.35  # of the mean change, that also a frame in which nothing changes is worth


@dataclass(frozen=True, slots=True, eq=False)
class CodedDifferences:
    """The frames after a keyframe, coded.

    Attributes:
        header: uint8 0/1: all that the receiver must know exactly, to be sent digitally. At least 8 bits.
        symbols: complex64 ``(n,)``, unit mean energy; the caller announces n.
        expected: What a receiver at the believed SNR would rebuild, as the transmitter reckons.
    """

    header: Bits
    symbols: Tensor
    expected: tuple[Pixels, ...]


class DvstCodec:
    """Sends frames, each against the one before, by the compact DVST network. Any size from 16 pixels a side.

    Args:
        net: Trained network, the same at both ends.
        holds: Whether the transmitter sends nothing for the parts of a frame that coding would not make better. Always,
            but for a network that was never trained.
    """

    def __init__(self, net: Dvst, *, holds: bool = True) -> None:
        self._net, self._holds = net.eval(), holds
        self.colours = net.config.colours

    # Transmitter

    def encode(
        self,
        frames: Sequence[Pixels],
        reference: Pixels,
        *,
        max_symbols: int,
        snr_db: float,
        eta: float | None = None,
    ) -> CodedDifferences:
        """Frames in order, the first against ``reference``, each other against the rebuilt one before it.

        Args:
            frames: uint8 ``(H, W, 3)``, or ``(H, W)`` for sketches; 1 to 255 of them.
            reference: The keyframe as the receiver is reckoned to have rebuilt it, of the same size.
            max_symbols: Of all frames together, header not included. Frames in which more changes get more.
            snr_db: Es/N0 that the transmitter believes.
            eta: Reals for each bit of information, as the papers have it (0.2), within ``max_symbols``. ``None``: as
                many as ``max_symbols`` allows, fewer only where hardly anything changes.

        Raises:
            ShapeError: Frames and reference do not match. ConfigError: too small, or too many frames.
        """
        self._check(frames, reference)
        if eta is not None and not eta > 0:
            raise ConfigError(f"eta is {eta}; it is a positive number of reals per bit, 0.2 in the papers")
        height, width = reference.shape[:2]
        size = padded_size(height, width)
        flows, changes = motion_of([reference, *frames], size)
        worth = changes + CHANGE_FLOOR * max(float(changes.mean()), 1e-6)
        state = to_batch(reference, size)
        rates: list[FrameRates] = []
        streams: list[Tensor] = []
        expected: list[Pixels] = []
        left = max(0, int(max_symbols))
        for at, frame in enumerate(frames):
            share = int(left * float(worth[at] / worth[at:].sum()))
            sent = transmit_frame(
                self._net,
                to_batch(frame, size),
                flows[at],
                state,
                snr_db=snr_db,
                most_reals=2 * share,
                eta=eta,
                holds=self._holds,
            )
            rates.append(sent.rates)
            streams.append(sent.reals)
            state = sent.expected
            expected.append(to_pixels(state, height, width))
            left -= len(sent.reals) // 2
        config = self._net.config
        header = encode_sequence(rates, len(config.motion_rates), len(config.rates))
        return CodedDifferences(header, pair_reals(torch.cat(streams)) / math.sqrt(2), tuple(expected))

    def _check(self, frames: Sequence[Pixels], reference: Pixels) -> None:
        shape = (*reference.shape[:2], 3) if self.colours == 3 else reference.shape[:2]
        for frame in (reference, *frames):
            if frame.shape != shape or frame.dtype != np.uint8:
                raise ShapeError(f"frames and reference must be uint8 {shape}, got {frame.dtype} {frame.shape}")
        if min(shape[:2]) < MIN_SIDE:
            raise ConfigError(f"DVST needs {MIN_SIDE} pixels a side, got {shape[0]}x{shape[1]}")
        if not 1 <= len(frames) <= MAX_COUNT:
            raise ConfigError(f"DVST codes 1 to {MAX_COUNT} frames at a time, got {len(frames)}")

    # Receiver

    def symbol_count(self, header: Bits, count: int, height: int, width: int) -> int:
        """Symbols that frames with this header take; 0 where it makes no sense."""
        rates = self._rates(header, count, height, width)
        return sum(self._symbols(one) for one in rates) if rates else 0

    def decode(
        self, received: Reception, header: Bits | None, reference: Pixels, count: int, height: int, width: int
    ) -> list[Pixels]:
        """``count`` frames from what was received; missing symbols count as not heard.

        Args:
            received: The analogue symbols.
            header: ``None`` where it was lost, and where it makes no sense, the reference is held.
            reference: The picture before the first frame, as this receiver rebuilt it.
        """
        rates = None if header is None else self._rates(header, count, height, width)
        if rates is None or reference.shape[:2] != (height, width):
            return [reference] * count
        received, _ = erase_bad(received)
        size, start, frames = padded_size(height, width), 0, list[Pixels]()
        state, shown = to_batch(reference, size), reference
        for one in rates:
            symbols = self._symbols(one)
            heard = received[start : start + symbols]
            start += symbols
            noise = torch.full((symbols,), NOT_HEARD)
            noise[: len(heard)] = heard.noise_variance.float().nan_to_num(NOT_HEARD).clamp(0, NOT_HEARD)
            if not symbols or bool((noise < NOT_HEARD).any()):  # of a frame of which nothing was heard: the one before
                reals = torch.zeros(2 * symbols)
                reals[: 2 * len(heard)] = unpair(heard.symbols.to(torch.complex64))
                state = receive_frame(self._net, math.sqrt(2) * reals, noise.repeat_interleave(2), one, state)
                shown = to_pixels(state, height, width)
            frames.append(shown)
        return frames

    def _rates(self, header: Bits, count: int, height: int, width: int) -> list[FrameRates] | None:
        if min(height, width) < MIN_SIDE or not 1 <= count <= MAX_COUNT or not len(header):
            return None
        rows, columns = (side // ENTRY for side in padded_size(height, width))
        config = self._net.config
        return decode_sequence(header, count, (rows, columns), len(config.motion_rates), len(config.rates))

    def _symbols(self, rates: FrameRates) -> int:
        motion, rest = as_maps(rates)
        return int(self._net.reals(motion, rest)) // 2


@dataclass(frozen=True, slots=True, eq=False)
class SentFrame:
    """One frame as the transmitter sends it.

    Attributes:
        rates: For the header.
        reals: Of mean power one, ``(n,)``, n even.
        expected: What it reckons that the receiver will have, ``(1, colours, H, W)``.
    """

    rates: FrameRates
    reals: Tensor
    expected: Tensor


@torch.inference_mode()
def transmit_frame(
    net: Dvst,
    picture: Tensor,
    flow: Tensor,
    reference: Tensor,
    *,
    snr_db: float,
    most_reals: int,
    eta: float | None = None,
    holds: bool = True,
) -> SentFrame:
    """Code one frame, ``(1, colours, H, W)``, against the picture before it.

    Args:
        flow: From :func:`motion_of`, ``(1, 2, H / 8, W / 8)``.
        reference: The picture before it, as the receiver is reckoned to have it.
        snr_db: Es/N0 as believed.
        most_reals, eta: As of :meth:`DvstCodec.encode`.
        holds: As of :class:`DvstCodec`.
    """
    blocks = picture.shape[2] * picture.shape[3] // BLOCK**2
    snr = torch.tensor([min(snr_db, MAX_SNR_DB)])
    sender = net.state(snr, torch.tensor([most_reals / blocks]), torch.ones(1))
    motion = net.analyse_motion(flow, sender)
    motion_bits = net.motion_information(motion)
    context = net.context(reference, net.synthesise_motion(motion, sender))  # as if motion arrived as it is
    bits = entry_sums(net.information(net.analyse(picture, context, sender), context)[0])

    def coded(held: Tensor) -> SentFrame:
        maps = tuple(m.masked_fill(held, 0) for m in choose_rates(motion_bits, bits, eta or 0.0, net.config))
        if eta is None or int(net.reals(*maps)) > most_reals:
            maps = tuple(m[None] for m in allocate(motion_bits[0], bits[0], most_reals, net.config, held[0]))
        motion_map, rest = maps
        motion_reals = stream_of(net.encode_motion(motion, motion_map, sender), net.motion_sent(motion_map))
        # The context as the receiver will have it: the motion after its link. Its noise comes later.
        guess = receiver_state(net, snr, motion_map, rest, torch.ones(1))
        arrived = place(motion_reals, net.motion_sent(motion_map))
        noise = torch.full((1, 1, 1, 1), 10 ** (-float(snr) / 10)) * mean_power(motion_reals)
        told = net.decode_motion(arrived, motion_map, guess, noise)
        context = net.context(reference, net.synthesise_motion(told, guess))
        rest_reals = stream_of(net.encode(net.analyse(picture, context, sender), rest, sender), net.sent(rest))
        reals = torch.cat([motion_reals, rest_reals])
        rates = FrameRates(GAIN.level(math.sqrt(mean_power(reals))), motion_map[0].numpy(), rest[0].numpy())
        sent = reals / math.sqrt(max(mean_power(reals), 1e-12))
        n0 = torch.full((len(sent),), 10 ** (-float(snr) / 10))
        return SentFrame(rates, sent, receive_frame(net, sent, n0, rates, reference))

    made = coded(torch.zeros_like(bits, dtype=torch.bool))
    if not holds:
        return made
    error, still = (F.avg_pool2d((picture - p).square().mean(1), ENTRY) for p in (made.expected, reference))
    held = still < HOLD * error + INVISIBLE
    return coded(held) if bool(held.any()) else made


@torch.inference_mode()
def receive_frame(net: Dvst, reals: Tensor, n0: Tensor, rates: FrameRates, reference: Tensor) -> Tensor:
    """Rebuild one frame. Entries for which nothing was sent stay as they were.

    Args:
        reals: As they arrived, sent with mean power one, ``(n,)``.
        n0: Of the symbol that each was part of, which is the variance of its noise here; ``(n,)``.
        rates: From the header.
        reference: The picture before it, ``(1, colours, H, W)``.

    Returns:
        ``(1, colours, H, W)`` in [0, 1].
    """
    motion_map, rest = as_maps(rates)
    gain = GAIN.gain(rates.gain)
    snr = torch.tensor([effective_snr_db(n0)]) if len(n0) else torch.tensor([MAX_SNR_DB])
    state = receiver_state(net, snr, motion_map, rest, torch.tensor([gain]))
    motion_sent, sent = net.motion_sent(motion_map), net.sent(rest)
    cut = int(motion_sent.sum())
    values, noise = reals * gain, n0 * gain**2
    motion = net.decode_motion(place(values[:cut], motion_sent), motion_map, state, place(noise[:cut], motion_sent))
    context = net.context(reference, net.synthesise_motion(motion, state))
    latent = net.decode(place(values[cut:], sent), rest, state, place(noise[cut:], sent))
    made = net.synthesise(latent, context, state).float().clamp(0, 1)
    held = ((motion_map == 0) & (rest == 0))[:, None].repeat_interleave(ENTRY, -2).repeat_interleave(ENTRY, -1)
    return torch.where(held, reference, made)


def receiver_state(net: Dvst, snr_db: Tensor, motion_map: Tensor, rest: Tensor, gain: Tensor) -> Tensor:
    """State of the receiving networks: SNR, symbols for a block on average, and gain."""
    per_block = net.reals(motion_map, rest).float() / (rest[0].numel() * (ENTRY // BLOCK) ** 2)
    return net.state(snr_db, per_block, gain)


def mean_power(reals: Tensor) -> float:
    """Mean square of reals; 0 where there are none."""
    return float(reals.square().mean()) if len(reals) else 0.0


def as_maps(rates: FrameRates) -> tuple[Tensor, Tensor]:
    """Rate maps of one frame as a batch."""
    return torch.from_numpy(rates.motion)[None], torch.from_numpy(rates.rates)[None]


def motion_of(pictures: Sequence[Pixels], size: tuple[int, int]) -> tuple[list[Tensor], NDArray[np.float64]]:
    """Motion from each picture to the next, and how much it leaves over.

    Dense inverse search (Kroeger et al. 2016) at full size, averaged over 8 x 8 pixels, and none where it helps little.

    Returns:
        For each picture but the first: motion ``(1, 2, H / 8, W / 8)`` in pixels of a picture padded to ``size``, and
        the root mean square of what differs after it, on the 8-bit scale, ``(n - 1,)``.
    """
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    padded = [pad(picture, size) for picture in pictures]
    grey = [cv2.cvtColor(p, cv2.COLOR_RGB2GRAY) if p.ndim == 3 else p for p in padded]
    rows, columns = np.mgrid[: size[0], : size[1]].astype(np.float32)
    coarse = (size[1] // FLOW_GRID, size[0] // FLOW_GRID)
    flows, changes = list[Tensor](), list[float]()
    for before, now in pairwise(grey):
        found = np.zeros((*size, 2), np.float32)
        if not np.array_equal(before, now):
            dense = np.asarray(search.calc(now, before, found))
            found = np.clip(np.nan_to_num(dense), -MOST_MOTION, MOST_MOTION)
        moved = cv2.remap(
            before, columns + found[..., 0], rows + found[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        error, still = (np.square(now.astype(np.float32) - other) for other in (moved, before))
        blocks = (2 * size[1] // ENTRY, 2 * size[0] // ENTRY)
        helps = cv2.resize(error, blocks, interpolation=cv2.INTER_AREA) < WORTH * cv2.resize(
            still, blocks, interpolation=cv2.INTER_AREA
        )
        kept = cv2.resize(helps.astype(np.float32), coarse, interpolation=cv2.INTER_NEAREST)
        flow = cv2.resize(found, coarse, interpolation=cv2.INTER_AREA) * kept[..., None]
        flows.append(torch.from_numpy(np.ascontiguousarray(flow.transpose(2, 0, 1)))[None])
        changes.append(math.sqrt(float(np.minimum(error, still).mean())))
    return flows, np.array(changes)


def padded_size(height: int, width: int) -> tuple[int, int]:
    """Height and width, in pixels, up to whole entries."""
    return -(-height // ENTRY) * ENTRY, -(-width // ENTRY) * ENTRY


def pad(picture: Pixels, size: tuple[int, int]) -> Pixels:
    """Mirrored out to whole entries."""
    height, width = picture.shape[:2]
    more = ((0, size[0] - height), (0, size[1] - width), (0, 0))
    return np.pad(picture, more[: picture.ndim], mode="symmetric")


def to_batch(picture: Pixels, size: tuple[int, int]) -> Tensor:
    """A picture or a sketch as the network takes it, ``(1, colours, H, W)`` in [0, 1]."""
    padded = pad(picture, size).reshape(*size, -1)
    return as_batch(padded).contiguous(memory_format=torch.channels_last)


def to_pixels(batch: Tensor, height: int, width: int) -> Pixels:
    """The inverse of :func:`to_batch`."""
    picture = (batch[0, :, :height, :width].permute(1, 2, 0) * 255).round().clamp(0, 255).to(torch.uint8).numpy()
    return np.ascontiguousarray(picture if picture.shape[2] == 3 else picture[..., 0])


def load(data: bytes) -> DvstCodec:
    """The codec with the weights of an asset.

    Raises:
        InputError: These are not weights of this network.
    """
    net = read_network(data, "a compact DVST", lambda stated: Dvst(DvstConfig.from_json(stated["config"])))
    return DvstCodec(net)
