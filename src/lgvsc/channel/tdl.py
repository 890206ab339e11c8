"""The tapped delay lines of 3GPP over OFDM: gains that differ from subcarrier to subcarrier and change with time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor

from lgvsc.channel.common import NOISE_BLOCK, Stream, branches, importing_sionna
from lgvsc.channel.fading import EstimationFrame
from lgvsc.channel.rayleigh import Waves, clarke_correlation, turned
from lgvsc.errors import ConfigError

TdlModel: TypeAlias = Literal["A", "B", "C", "D", "E"]

SPEED_OF_LIGHT_M_S = 299_792_458.0
CYCLIC_PREFIX = 144 / 2048  # of the symbol without it: 5G's normal prefix
DIRECT_PATH_SHIFT = 0.7  # Doppler shift of the direct path over the largest (TR 38.901, 7.7.2)
MAX_DOPPLER = 0.05  # per OFDM symbol; beyond, subcarriers would disturb each other by more than -24 dB
REACH = 2  # OFDM symbols before and after, whose pilots an estimate also uses


class Profile(NamedTuple):
    """Paths of a delay line: delays in s and mean powers that add up to one, float64 ``(paths,)``.

    ``direct_power`` of the first path's power belongs to a path with no fading.
    """

    delays_s: Tensor
    powers: Tensor
    direct_power: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TdlFading:
    """A TDL model of 3GPP TR 38.901 (7.7.2) between the transmitter's and the receiver's FFT.

    One symbol is one resource element. Symbols fill the subcarriers of an OFDM symbol from the lowest to the highest,
    then the next OFDM symbol. Paths must arrive within the cyclic prefix and change little during an OFDM symbol, which
    is checked; so a resource element sees one gain and no neighbour. The prefix is no resource element: it is 6.6 %
    of the airtime and not in the CBR, as anywhere in 5G.

    Delays and powers come from Sionna. Its generator starts anew with every call, while a stream here must fade the
    same however it is cut into bursts; so each path is a :class:`~lgvsc.channel.rayleigh.Waves` that runs on.

    Attributes:
        model: A, B, C without and D, E with a direct path.
        delay_spread_ns: RMS delay spread; 10 (very short) to 1000 (very long), 100 is nominal (Table 7.7.3-1).
        speed_m_s: Of the receiver; largest Doppler shift is speed over wavelength.
        carrier_hz: Carrier frequency.
        subcarrier_hz: Subcarrier spacing.
        fft_size: Subcarriers, all of them used.
    """

    kind: ClassVar[str] = "tdl"
    model: TdlModel = "A"
    delay_spread_ns: float = 100.0
    speed_m_s: float = 1.5
    carrier_hz: float = 3.5e9
    subcarrier_hz: float = 15e3
    fft_size: int = 64

    def __post_init__(self) -> None:
        if self.fft_size < 1:
            raise ConfigError(f"channel.fft_size is {self.fft_size}; OFDM has at least one subcarrier, 64 is usual")
        if self.doppler > MAX_DOPPLER:
            raise ConfigError(
                f"at channel.speed_m_s = {self.speed_m_s:g} the channel turns by {self.doppler:.2g} cycles in an OFDM "
                f"symbol, and above {MAX_DOPPLER} subcarriers disturb each other; take a larger channel.subcarrier_hz"
            )

    @property
    def symbol_s(self) -> float:
        """Duration of an OFDM symbol with its prefix."""
        return (1 + CYCLIC_PREFIX) / self.subcarrier_hz

    @property
    def doppler(self) -> float:
        """Largest Doppler shift in cycles per OFDM symbol."""
        return self.speed_m_s * self.carrier_hz / SPEED_OF_LIGHT_M_S * self.symbol_s

    def profile(self) -> Profile:
        """Delays and powers.

        Raises:
            ConfigError: The last path arrives after the cyclic prefix.
        """
        profile = tdl_profile(self.model, self.delay_spread_ns, self.carrier_hz)
        last_s, prefix_s = float(profile.delays_s.max()), CYCLIC_PREFIX / self.subcarrier_hz
        if last_s > prefix_s:
            raise ConfigError(
                f"TDL-{self.model} with channel.delay_spread_ns = {self.delay_spread_ns:g} is {1e6 * last_s:.3g} us "
                f"long, longer than the cyclic prefix of {1e6 * prefix_s:.3g} us; take a smaller channel.subcarrier_hz"
            )
        return profile

    def gains(self, generator: torch.Generator) -> Stream:
        delays_s, powers, direct_power = self.profile()
        of_waves, of_phase = branches(generator, 2)
        waves = Waves(len(powers), self.doppler, of_waves)
        amplitude = (powers - direct_power * (torch.arange(len(powers)) == 0)).sqrt().to(torch.complex128)
        phase = torch.rand((), dtype=torch.float64, generator=of_phase)
        response = turned(-self._subcarriers() * delays_s[:, None])  # (paths, subcarriers)
        count = max(1, NOISE_BLOCK // self.fft_size)
        moment = 0

        def next_block() -> Tensor:
            nonlocal moment
            paths = waves.next(count) * amplitude
            moments = torch.arange(moment, moment + count, dtype=torch.float64)
            paths[:, 0] += math.sqrt(direct_power) * turned(DIRECT_PATH_SHIFT * self.doppler * moments + phase)
            moment += count
            return (paths @ response).flatten().to(torch.complex64)

        return Stream(next_block)

    def covariance(self, a: Tensor, b: Tensor) -> Tensor:
        delays_s, powers, direct_power = self.profile()
        time = self.doppler * (a[:, None] // self.fft_size - b // self.fft_size)
        frequencies = self._subcarriers()
        lag_hz = frequencies[a % self.fft_size][:, None] - frequencies[b % self.fft_size]
        direct = direct_power * turned(DIRECT_PATH_SHIFT * time - lag_hz * delays_s[0])
        scattered = powers - direct_power * (torch.arange(len(powers)) == 0)
        response = (scattered * turned(-lag_hz[:, :, None] * delays_s)).sum(dim=2)
        return clarke_correlation(time) * response + direct

    def frame(self, pilot_spacing: int) -> EstimationFrame:
        if self.fft_size % pilot_spacing:
            raise ConfigError(
                f"channel.fft_size is {self.fft_size}, no multiple of channel.pilot_spacing = {pilot_spacing}; make it "
                "one, so that every OFDM symbol has its pilots on the same subcarriers"
            )
        last_s = float(self.profile().delays_s.max())
        if pilot_spacing * self.subcarrier_hz * last_s >= 1:
            raise ConfigError(
                f"a pilot on every {pilot_spacing}th subcarrier cannot follow paths of {1e6 * last_s:.3g} us; "
                f"channel.pilot_spacing must be below {1 / (self.subcarrier_hz * last_s):.3g}"
            )
        return EstimationFrame(self.fft_size, REACH)

    def _subcarriers(self) -> Tensor:
        """Frequencies in Hz around the carrier, float64 ``(fft_size,)``."""
        return self.subcarrier_hz * (torch.arange(self.fft_size, dtype=torch.float64) - self.fft_size // 2)


@lru_cache(maxsize=16)
def tdl_profile(model: TdlModel, delay_spread_ns: float, carrier_hz: float) -> Profile:
    """The table of a model, from Sionna (3GPP TR 38.901, Tables 7.7.2-1 to 7.7.2-5)."""
    with importing_sionna():
        from sionna.phy.channel.tr38901 import TDL

        table = TDL(model, delay_spread_ns * 1e-9, carrier_hz, precision="double", device="cpu")
    direct_power = float(table.mean_power_los) if table.los else 0.0
    powers = table.mean_powers.double()
    return Profile(table.delays.double(), powers / powers.sum(), direct_power / float(powers.sum()))
