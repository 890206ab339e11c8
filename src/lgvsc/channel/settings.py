"""Settings of the channel, and the gains, losses and pilots that they stand for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from lgvsc.channel.erasures import GilbertElliottLosses, IndependentLosses, Losses
from lgvsc.channel.fading import Csi, Fading
from lgvsc.channel.pilots import Pilots
from lgvsc.channel.rayleigh import BlockFading, ClarkeFading
from lgvsc.channel.tdl import TdlFading, TdlModel
from lgvsc.errors import ConfigError

SnrDef: TypeAlias = Literal["esn0", "ebn0"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelConfig:
    """The physical channel, and what the receiver knows of it.

    Attributes:
        kind: ``awgn``; ``rayleigh``: one gain per symbol; ``tdl``: a 3GPP delay line under OFDM.
        snr_db: Mean SNR in dB, in [-40, 100].
        snr_def: What ``snr_db`` is: Es/N0 per symbol, or Eb/N0 per information bit. Eb/N0 needs one code rate and
            modulation for all that is sent, which only ``conventional.mode = "paper"`` has.
        csi: What the receiver knows where the channel fades, see :class:`~lgvsc.channel.fading.FadingChannel`.
        pilot_spacing: With ``csi = "estimated"``, the first of so many symbols is a pilot, charged to control.
        fading: Of ``rayleigh``: one gain for ``block_symbols`` symbols, one for each (``fast``), or gains that change
            with a Doppler spectrum.
        block_symbols: Symbols of a fading block.
        doppler: Largest Doppler shift times the duration of a symbol.
        tdl_model, delay_spread_ns, speed_m_s, carrier_hz, subcarrier_hz, fft_size: Of ``tdl``, see
            :class:`~lgvsc.channel.tdl.TdlFading`.
        erasures: Loss of packets on top: none, independent, or in bursts.
        loss_rate: Share of packets lost, in [0, 1).
        mean_burst: Mean number of packets lost in a row, of ``gilbert-elliott``.
        packet_symbols: Symbols of a packet.
    """

    kind: Literal["awgn", "rayleigh", "tdl"] = "awgn"
    snr_db: float = 10.0
    snr_def: SnrDef = "esn0"
    csi: Csi = "perfect"
    pilot_spacing: int = 8
    fading: Literal["block", "fast", "doppler"] = "block"
    block_symbols: int = 64
    doppler: float = 0.01
    tdl_model: TdlModel = "A"
    delay_spread_ns: float = 100.0
    speed_m_s: float = 1.5
    carrier_hz: float = 3.5e9
    subcarrier_hz: float = 15e3
    fft_size: int = 64
    erasures: Literal["none", "iid", "gilbert-elliott"] = "none"
    loss_rate: float = 0.1
    mean_burst: float = 3.0
    packet_symbols: int = 64

    def __post_init__(self) -> None:
        if not -40 <= self.snr_db <= 100:
            raise ConfigError(f"channel.snr_db is {self.snr_db}; a channel has -40 to 100 dB")
        for name in ("carrier_hz", "subcarrier_hz"):
            if not 0 < getattr(self, name) < 1e12:
                raise ConfigError(f"channel.{name} is {getattr(self, name)}; it is a frequency above 0 Hz")
        if not 0 < self.delay_spread_ns < 1e6:
            raise ConfigError(f"channel.delay_spread_ns is {self.delay_spread_ns}; 10 to 1000 are usual")
        if not 0 <= self.speed_m_s < 1e4:
            raise ConfigError(f"channel.speed_m_s is {self.speed_m_s}; a walk is 1.5, a car 30")
        if self.packet_symbols < 1:
            raise ConfigError(f"channel.packet_symbols is {self.packet_symbols}; a packet holds at least one symbol")
        self.losses()
        if self.gains() is None and self.csi != "perfect":
            raise ConfigError(
                f"channel.csi = {self.csi!r} is about fading gains, and {self.kind} has none; use csi = 'perfect', or "
                "channel.kind = 'rayleigh' or 'tdl'"
            )
        self.pilots()

    def gains(self) -> Fading | None:
        """The fading process; ``None`` where nothing fades."""
        if self.kind == "awgn":
            return None
        if self.kind == "tdl":
            return TdlFading(
                model=self.tdl_model,
                delay_spread_ns=self.delay_spread_ns,
                speed_m_s=self.speed_m_s,
                carrier_hz=self.carrier_hz,
                subcarrier_hz=self.subcarrier_hz,
                fft_size=self.fft_size,
            )
        if self.fading == "doppler":
            return ClarkeFading(self.doppler)
        return BlockFading(1 if self.fading == "fast" else self.block_symbols)

    def losses(self) -> Losses | None:
        """The process of packet losses; ``None`` where none are lost."""
        if self.erasures == "none":
            return None
        if self.erasures == "iid":
            return IndependentLosses(self.loss_rate)
        return GilbertElliottLosses(self.loss_rate, self.mean_burst)

    @property
    def data_share(self) -> float:
        """Of all symbols sent, how many are no pilots."""
        return 1.0 if self.gains() is None or self.csi != "estimated" else 1 - 1 / self.pilot_spacing

    def pilots(self) -> Pilots | None:
        """The pilots that both ends agree on; ``None`` where none are sent."""
        gains = self.gains()
        if gains is None or self.csi != "estimated":
            return None
        return Pilots(gains, self.pilot_spacing)
