"""Speed of the channels, and what estimated gains cost: uncoded QPSK over fading.

    python benchmarks/channels.py [--symbols N]

Prints million symbols per second on one thread, pilots and estimates included where gains are estimated, and bit error
rates with gains known, estimated by one pilot in eight symbols, and not known, at the same Es/N0 of each symbol.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable

import torch
from torch import Tensor

from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import child_generator
from lgvsc.channel.fading import Csi, Fading, FadingChannel
from lgvsc.channel.pilots import Pilots, joined
from lgvsc.channel.rayleigh import BlockFading, ClarkeFading
from lgvsc.channel.tdl import TdlFading
from lgvsc.core.air import Burst, Part, Reception

FADINGS: dict[str, Fading] = {
    "rayleigh, blocks of 64": BlockFading(64),
    "rayleigh, doppler 0.01": ClarkeFading(0.01),
    "tdl-A, 100 ns, 1.5 m/s": TdlFading(),
    "tdl-C, 300 ns, 30 m/s": TdlFading(model="C", delay_spread_ns=300.0, speed_m_s=30.0),
    "tdl-D, 100 ns, 1.5 m/s": TdlFading(model="D"),
}
SNRS_DB = (5.0, 10.0, 20.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--symbols", type=int, default=200_000)
    symbols = parser.parse_args().symbols
    torch.set_num_threads(1)
    sent = qpsk(symbols)
    seconds, _ = timed(lambda: AwgnChannel(10.0, child_generator(0, "speed"))(sent))
    print(f"awgn: {symbols / seconds / 1e6:.1f} Msymbol/s\n")
    print("channel                   SNR dB  known gains  estimated       none  known Msymbol/s  estimated Msymbol/s")
    for name, fading in FADINGS.items():
        for snr_db in SNRS_DB:
            row(name, fading, snr_db, sent)


def row(name: str, fading: Fading, snr_db: float, sent: Tensor) -> None:
    pilots = Pilots(fading, 8)
    burst = pilots.inserted(Burst(0, (Part("video", sent),)), 0)

    def over(symbols: Tensor, csi: Csi) -> Reception:
        return FadingChannel(fading, snr_db, child_generator(0, "bench", name), csi=csi)(symbols)

    known_s, known = timed(lambda: over(sent, "perfect"))
    estimated_s, estimated = timed(lambda: joined(list(pilots.estimated([over(burst.symbols, "estimated")]))))
    rates = [error_rate(received.symbols, sent) for received in (known, estimated, over(sent, "none"))]
    cells = "  ".join(f"{rate:11.2e}" for rate in rates)
    speed = "  ".join(f"{sent.numel() / s / 1e6:15.2f}" for s in (known_s, estimated_s))
    print(f"{name:25s} {snr_db:6g}  {cells}  {speed}")


def qpsk(count: int) -> Tensor:
    """Random symbols of energy one."""
    signs = 1 - 2 * torch.randint(0, 2, (2, count), generator=child_generator(0, "bits")).float()
    return torch.complex(signs[0], signs[1]) / math.sqrt(2)


def error_rate(received: Tensor, sent: Tensor) -> float:
    """Wrong bits over bits, by hard decision."""
    wrong = (received.real * sent.real < 0).double() + (received.imag * sent.imag < 0).double()
    return float(wrong.mean()) / 2


def timed(make: Callable[[], Reception]) -> tuple[float, Reception]:
    """Seconds of one call, and its result."""
    start = time.perf_counter()
    result = make()
    return time.perf_counter() - start, result


if __name__ == "__main__":
    main()
