"""The learned road for a keyframe: a joint source-channel code for the picture, and a small digital header before it.

On the air: header (gain and rate map, over the digital link), then the analogue symbols, block after block. The
control stream announces the total and the header's size. On bad channels all rates are alike and there is no header:
then control's few bits hold the gain, and nothing stands between the picture and a soft fall.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import erase_bad, pair_reals, unpair
from lgvsc.coding.modem.digital import LADDER, decode_bits, encode_bits, mcs_at, symbol_count
from lgvsc.coding.modem.link_adaptation import choose_mcs
from lgvsc.coding.pictures.ntscc_refine import RefinementTrial
from lgvsc.coding.pictures.rate_map import PARTS, RateMap, decode_map, encode_map
from lgvsc.core.air import Reception
from lgvsc.core.interfaces import CodedPicture
from lgvsc.core.processor import native_bfloat16
from lgvsc.core.tensors import as_batch
from lgvsc.core.video import Pixels
from lgvsc.errors import ConfigError, InputError
from lgvsc.models.weights import load_asset, read_network, read_tensors
from lgvsc.nets.ntscc import GRANULE, Ntscc, NtsccConfig, allocate, pool
from lgvsc.nets.ntscc_look import network_at

KINDS = 16  # that the last four bits of ``length`` tell apart
EVEN_KINDS = 4  # the lowest: all rates alike, no header; with ``mode`` they name one of 64 gains
UNITS = 1 << 13  # of symbols, that the rest of ``length`` counts
MODES = 16
MIN_SIDE = 16
COARSE = 2  # a map names every second rate: half the bits, and hardly worse
SERVED_SNR_DB = 0.0  # down to which a header survives, whatever the transmitter believes: what it heads has no cliff
MAP_FROM_SNR_DB = 3.0  # below, rates that follow the picture gain less than their map costs
OTHER_POWERS = (0.5, 0.75)  # of the information, tried beside 1 where the transmitter takes its time


@dataclass(frozen=True, slots=True)
class GainScale:
    """Gains that can be told: ``2 ** (lowest + level / steps)`` with ``level`` of so many bits."""

    bits: int
    steps: int
    lowest: float

    def level(self, gain: float) -> int:
        """The nearest level; gains beyond the scale take its ends."""
        level = round((math.log2(max(gain, 1e-9)) - self.lowest) * self.steps)
        return min(max(level, 0), (1 << self.bits) - 1)

    def gain(self, level: int) -> float:
        return float(2 ** (self.lowest + level / self.steps))


IN_HEADER = GainScale(8, 32, -4.0)
IN_CONTROL = GainScale(6, 16, -3.0)


@dataclass(frozen=True, slots=True)
class Layout:
    """The sizes that both ends derive from a picture's height and width.

    Attributes:
        rows, columns: Of the rate map.
        unit: Symbols in steps of which totals are announced.
    """

    rows: int
    columns: int
    unit: int

    @classmethod
    def of(cls, height: int, width: int, config: NtsccConfig) -> Layout:
        rows, columns = -(-height // GRANULE), -(-width // GRANULE)
        most = 4 * rows * columns * config.rates[-1] + 4096
        return cls(rows, columns, -(-most // (UNITS - 1)))

    @property
    def entries(self) -> int:
        return self.rows * self.columns

    def map_bits(self, kind: int) -> int:
        """Bits of the rate map: 0.4 to 2.6 for each entry, in steps of 0.2."""
        return -(-self.entries * (4 + 2 * (kind - EVEN_KINDS)) // 10) if kind >= EVEN_KINDS else 0

    def header_bits(self, kind: int) -> int:
        return IN_HEADER.bits + self.map_bits(kind) if kind >= EVEN_KINDS else 0

    def header_symbols(self, kind: int, mode: int) -> int:
        bits = self.header_bits(kind)
        return symbol_count(bits, mcs_at(mode, bits)) if bits else 0


class NtsccPictureCodec:
    """Sends pictures by the compact NTSCC network. Any size from 16 pixels a side.

    Args:
        net: Trained network, the same at both ends. For what looks right instead of what errs least, the one of
            another look, see :meth:`looking`.
        refine_steps: How often the transmitter improves each picture's symbols for the receiver that it knows, see
            :mod:`lgvsc.coding.pictures.ntscc_refine`. With 0 it sends what the networks say; else it also tries a
            few rate maps. A step takes as long as two pictures decoded four times, at any look but the faithful
            one four times that, as LPIPS and DISTS are lowered there; the receiver need not know.

    Raises:
        ConfigError: ``refine_steps`` is negative.
    """

    name = "ntscc"
    codec = 1

    def __init__(self, net: Ntscc, refine_steps: int = 0) -> None:
        if refine_steps < 0:
            raise ConfigError(f"refine_steps is {refine_steps}; give 0 for none, or 12 for most of what they bring")
        self._net = net.eval()
        self.refine_steps = refine_steps

    def refined(self, steps: int) -> NtsccPictureCodec:
        """The same codec with so many steps for each picture."""
        return NtsccPictureCodec(self._net, steps)

    def looking(self, difference: Mapping[str, Tensor], look: float) -> NtsccPictureCodec:
        """The same codec at a look from 0, faithful, to 1, vivid. Each look reads what any other has sent.

        Args:
            difference: The vivid end, from :func:`lgvsc.nets.ntscc_look.difference`.
        """
        return NtsccPictureCodec(network_at(self._net, difference, look), self.refine_steps)

    # Transmitter

    def encode(self, picture: Pixels, *, max_symbols: int, snr_db: float) -> CodedPicture:
        """The picture in at most so many symbols, and in no less than 95 % of them where the rates reach so far.

        Raises:
            ConfigError: A side is below 16 pixels, or the symbols are too few for the lowest rate; the digital road
                may still do.
        """
        plan, stream, _ = self._analogue(picture, max_symbols, snr_db)
        layout = Layout.of(picture.shape[0], picture.shape[1], self._net.config)
        gain = rms(stream)
        header, kind, mode = self._announce(plan, float(gain))
        # A unit-energy symbol is two reals of mean power one half. The power is exact, what is told of it is rounded.
        sent = torch.cat([header, pair_reals(stream / (gain * math.sqrt(2)))])
        units = -(-len(sent) // layout.unit)
        sent = torch.cat([sent, sent.new_ones(units * layout.unit - len(sent))])
        return CodedPicture(sent, self.codec, units * KINDS + kind, mode, layout.header_bits(kind))

    def preview(self, picture: Pixels, *, max_symbols: int, snr_db: float, noise: torch.Generator) -> Pixels:
        """What would arrive of a picture, at this look, if nothing of its header were lost: for trials.

        Raises:
            ConfigError: As :meth:`encode`.
        """
        with torch.autocast("cpu", torch.bfloat16, enabled=native_bfloat16()):
            _, stream, indices = self._analogue(picture, max_symbols, snr_db)
            gain = rms(stream)
            heard = AwgnChannel(min(snr_db, 60.0), noise)(pair_reals(stream / (gain * math.sqrt(2))))
            with torch.inference_mode():
                return self._rebuild(heard, indices, float(gain))[: picture.shape[0], : picture.shape[1]]

    def _analogue(self, picture: Pixels, max_symbols: int, snr_db: float) -> tuple[Plan, Tensor, Tensor]:
        """How a picture will be sent, its reals one after the other at any power, and the rate of each block."""
        height, width = picture.shape[:2]
        if min(height, width) < MIN_SIDE:
            raise ConfigError(f"the learned picture code needs {MIN_SIDE} pixels a side, got {height}x{width}")
        layout = Layout.of(height, width, self._net.config)
        blocks = 4 * layout.entries
        snr_db = min(snr_db, 60.0)
        batch = to_batch(picture)
        with torch.inference_mode(False), torch.no_grad():  # whatever the caller is in: refining takes gradients
            sender = self._net.state(torch.tensor([snr_db]), torch.tensor([max_symbols / blocks]), torch.ones(1))
            latent = self._net.analyse(batch, sender)
            bits = pool(self._net.information(latent)[0])[0]
            plan = self._plan(bits, layout, max_symbols, snr_db)
            indices = to_blocks(plan.indices)
            reals = self._net.encode(latent, indices, sender)
            if self.refine_steps:
                trial = RefinementTrial(self._net, batch, height, width, snr_db)
                plans = [plan, *self._other_plans(bits, layout, max_symbols, snr_db)]
                maps = [to_blocks(other.indices) for other in plans]
                tried = [(self._net.encode(latent, rates, sender), rates) for rates in maps]
                best = trial.best(tried)
                plan, (reals, indices) = plans[best], tried[best]
                reals = trial.refine(reals, indices, self.refine_steps)
            return plan, stream_of(reals, self._net.sent(indices)), indices

    def min_symbols(self, height: int, width: int) -> int:
        """The fewest symbols in which a picture of this size can be sent."""
        layout = Layout.of(height, width, self._net.config)
        return -(-4 * layout.entries * self._net.config.rates[0] // layout.unit) * layout.unit

    def _plan(self, bits: Tensor, layout: Layout, max_symbols: int, snr_db: float) -> Plan:
        """Rates within the budget, header included: the smallest header that holds the map of what it leaves over.

        Raises:
            ConfigError: The symbols are too few.
        """
        rates = self._net.config.rates
        room = max_symbols // layout.unit * layout.unit
        least = 4 * layout.entries * rates[0]
        if room < least:
            raise ConfigError(
                f"{max_symbols} symbols are too few for the learned picture code at this size, which needs "
                f"{-(-least // layout.unit) * layout.unit}; use the digital road"
            )
        mapped = self._mapped(bits, layout, room, snr_db) if snr_db >= MAP_FROM_SNR_DB else None
        return mapped or Plan(even_map(layout, room, rates), np.zeros(0, np.uint8), 0, 0)

    def _mapped(self, bits: Tensor, layout: Layout, room: int, snr_db: float) -> Plan | None:
        """Rates that follow the information, and the header that tells them; ``None`` where that cannot be done."""
        rates = self._net.config.rates
        for kind in range(EVEN_KINDS, KINDS):
            mode = choose_mcs(layout.header_bits(kind), min(snr_db, SERVED_SNR_DB), "keyframes").index
            head = layout.header_symbols(kind, mode)
            if not 4 * layout.entries * rates[0] <= room - head <= 4 * layout.entries * rates[::COARSE][-1]:
                break  # a map has too little or too much to share out
            entries = allocate(bits, room - head, rates[::COARSE]).numpy()
            total = -(-(head + symbols_of(COARSE * entries, rates)) // layout.unit) * layout.unit
            typical = typical_entry(total - head, layout, rates)
            coded = encode_map(entries, typical, len(rates[::COARSE]), layout.map_bits(kind))
            if coded is not None:
                return Plan(COARSE * entries, coded, kind, mode)
        return None

    def _other_plans(self, bits: Tensor, layout: Layout, max_symbols: int, snr_db: float) -> Iterator[Plan]:
        """What else may be worth trying: rates that follow the information less closely, and rates all alike."""
        if snr_db < MAP_FROM_SNR_DB:
            return  # a header is what loses the picture when the channel is worse than believed
        room = max_symbols // layout.unit * layout.unit
        for power in OTHER_POWERS:
            mapped = self._mapped(bits**power, layout, room, snr_db)
            if mapped:
                yield mapped
        yield Plan(even_map(layout, room, self._net.config.rates), np.zeros(0, np.uint8), 0, 0)

    @staticmethod
    def _announce(plan: Plan, gain: float) -> tuple[Tensor, int, int]:
        """Header symbols, and the kind and mode that control must tell."""
        if plan.kind < EVEN_KINDS:
            level = IN_CONTROL.level(gain)
            return torch.zeros(0, dtype=torch.complex64), level // MODES, level % MODES
        level = IN_HEADER.level(gain)
        told = [(level >> shift) & 1 for shift in reversed(range(IN_HEADER.bits))]
        header = np.concatenate([np.array(told, dtype=np.uint8), plan.map_bits])
        return encode_bits(header, mcs_at(plan.mode, len(header))), plan.kind, plan.mode

    # Receiver

    def symbol_count(self, length: int, mode: int, height: int, width: int) -> int:
        """Symbols of a picture: ``length`` holds their number in units, and in its last four bits the kind."""
        return length // KINDS * Layout.of(height, width, self._net.config).unit

    def decode(self, received: Reception, length: int, mode: int, height: int, width: int) -> Pixels | None:
        """The picture; ``None`` where its header is lost, or not one of its symbols was heard."""
        if min(height, width) < MIN_SIDE or not 0 <= mode < min(MODES, len(LADDER)):
            return None
        layout, rates = Layout.of(height, width, self._net.config), self._net.config.rates
        kind, total = length % KINDS, self.symbol_count(length, mode, height, width)
        head = layout.header_symbols(kind, mode)
        if total - head < 4 * layout.entries * rates[0]:
            return None
        received, _ = erase_bad(received[:total])
        if kind < EVEN_KINDS:
            indices, gain = even_map(layout, total, rates), IN_CONTROL.gain(kind * MODES + mode)
        else:
            bits = layout.header_bits(kind)
            header = decode_bits(received[:head], bits, mcs_at(mode, bits)) if len(received) else None
            if header is None:
                return None
            typical, shape = typical_entry(total - head, layout, rates), (layout.rows, layout.columns)
            indices = COARSE * decode_map(header[IN_HEADER.bits :], shape, typical, len(rates[::COARSE]))
            gain = IN_HEADER.gain(int("".join(map(str, header[: IN_HEADER.bits])), 2))
        if symbols_of(indices, rates) > total - head or not bool(received.noise_variance[head:].isfinite().any()):
            return None
        with torch.inference_mode():
            return self._rebuild(received[head:], to_blocks(indices), gain)[:height, :width]

    def _rebuild(self, received: Reception, indices: Tensor, gain: float) -> Pixels:
        """Picture of whole blocks from the analogue symbols. Each real is weighed by its own noise."""
        net = self._net
        mask = net.sent(indices)
        count = int(mask.sum())
        reals = torch.zeros(count)
        noise = torch.full((count,), 1e6)  # what did not arrive
        heard = unpair(received.symbols.to(torch.complex64))[:count]
        reals[: len(heard)] = heard
        variance = received.noise_variance.float().nan_to_num(1e6, posinf=1e6).clamp(0, 1e6)
        noise[: len(heard)] = variance.repeat_interleave(2)[:count]
        snr_db = torch.tensor([effective_snr_db(noise)])
        state = net.state(snr_db, net.rates[indices].float().mean((1, 2)), torch.tensor([gain]))
        placed = place(reals * gain * math.sqrt(2), mask)
        latent = net.decode(placed, indices, state, place(noise * gain**2, mask))
        picture = net.synthesise(latent, state)[0].permute(1, 2, 0)
        return np.asarray((picture * 255).round().clamp(0, 255).to(torch.uint8).numpy())


@dataclass(frozen=True, slots=True)
class Plan:
    """How a picture will be sent.

    Attributes:
        indices: Rate map, ``(rows, columns)``.
        map_bits: The same on the air.
        kind: What control announces of it: below ``EVEN_KINDS`` no map, else its size.
        mode: Modulation and coding scheme of the header.
    """

    indices: RateMap
    map_bits: NDArray[np.uint8]
    kind: int
    mode: int


def even_map(layout: Layout, symbols: int, rates: tuple[int, ...]) -> RateMap:
    """Rates as equal as the number of symbols allows, from integers alone: two neighbouring ones, evenly mixed."""
    fitting = [index for index, rate in enumerate(rates) if 4 * layout.entries * rate <= symbols]
    low = max(fitting, default=0)
    raised = 0
    if low + 1 < len(rates):
        step = 4 * (rates[low + 1] - rates[low])
        raised = min(layout.entries, max(0, symbols - 4 * layout.entries * rates[low]) // step)
    places = np.arange(layout.entries)
    up = (places + 1) * raised // layout.entries - places * raised // layout.entries
    return (low + up).astype(np.int64).reshape(layout.rows, layout.columns)


def typical_entry(symbols: int, layout: Layout, rates: tuple[int, ...]) -> int:
    """Entry of the map, in eighths, that stands for so many symbols spread evenly; from integers alone."""
    blocks = 4 * layout.entries
    return PARTS // COARSE * sum(symbols**2 > a * b * blocks**2 for a, b in pairwise(rates))


def symbols_of(indices: RateMap, rates: tuple[int, ...]) -> int:
    """Complex symbols that a rate map of groups of four blocks spends."""
    return 4 * int(np.array(rates)[indices].sum())


def to_blocks(indices: RateMap) -> Tensor:
    """Rate map of all blocks, ``(1, h, w)``, from that of groups of four."""
    return torch.from_numpy(indices.repeat(2, 0).repeat(2, 1))[None]


def to_batch(picture: Pixels) -> Tensor:
    """A picture as the network takes it: mirrored out to whole map entries, ``(1, 3, H, W)`` in [0, 1]."""
    height, width = picture.shape[:2]
    padded = np.pad(picture, ((0, -height % GRANULE), (0, -width % GRANULE), (0, 0)), mode="symmetric")
    return as_batch(padded).contiguous(memory_format=torch.channels_last)


def rms(reals: Tensor) -> Tensor:
    """Root mean square, kept from zero."""
    return reals.square().mean().sqrt().clamp(min=1e-9)


def stream_of(reals: Tensor, mask: Tensor) -> Tensor:
    """The reals that are sent, block after block in raster order: ``(1, n, h, w)`` to ``(count,)``."""
    return reals.permute(0, 2, 3, 1)[mask.permute(0, 2, 3, 1).bool()]


def place(stream: Tensor, mask: Tensor) -> Tensor:
    """The inverse of :func:`stream_of`; zero where nothing is sent."""
    out = torch.zeros_like(mask.permute(0, 2, 3, 1))
    out[mask.permute(0, 2, 3, 1).bool()] = stream
    return out.permute(0, 3, 1, 2)


def effective_snr_db(noise: Tensor) -> float:
    """SNR of a channel of constant noise on which a linear estimator would err as much as on these symbols."""
    error = float((noise / (1 + noise)).mean()) if noise.numel() else 1.0
    return -10 * math.log10(max(error / max(1 - error, 1e-9), 1e-6))


@lru_cache(maxsize=4)
def shipped_at(look: float) -> NtsccPictureCodec:
    """The shipped code at a look from 0, faithful, to 1, vivid, loaded once in a process."""
    from lgvsc.models.catalog import find
    from lgvsc.models.catalog import load as load_model

    faithful: NtsccPictureCodec = load_model("compact-ntscc")
    if not look:
        return faithful
    difference, _ = read_tensors(load_asset(find("compact-ntscc-vivid")))
    return faithful.looking(difference, look)


def load_vivid(data: bytes) -> NtsccPictureCodec:
    """The shipped code at the vivid look, from what that differs by.

    Raises:
        InputError: This is not the vivid end of the shipped network.
    """
    from lgvsc.models.catalog import load as load_model

    faithful: NtsccPictureCodec = load_model("compact-ntscc")
    difference, _ = read_tensors(data)
    try:
        return faithful.looking(difference, 1.0)
    except (KeyError, RuntimeError) as error:
        raise InputError(f"this is not the vivid end of the compact NTSCC: {error}") from error


def load(data: bytes) -> NtsccPictureCodec:
    """The codec with the weights of an asset.

    Raises:
        InputError: These are not weights of this network.
    """
    net = read_network(data, "a compact NTSCC", lambda stated: Ntscc(NtsccConfig.from_json(stated["config"])))
    return NtsccPictureCodec(net)
