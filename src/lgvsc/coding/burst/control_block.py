"""Control blocks: a fixed number of bits in one of five lengths, which the receiver finds out by trying."""

from __future__ import annotations

from torch import Tensor

from lgvsc.coding.modem.digital import demodulate, modulate
from lgvsc.coding.modem.fec import POLAR_CRC_BITS, Bits, PolarCode, polar_code
from lgvsc.coding.modem.link_adaptation import INSURED, control_required_snr_db
from lgvsc.core.air import Reception
from lgvsc.errors import ConfigError

CONTROL_FORMATS = (136, 224, 400, 704, 1408)  # symbols of QPSK; the longest two repeat their code word
MAX_CONTROL_SYMBOLS = CONTROL_FORMATS[-1]
MAX_CONTROL_RATE = 0.85
HOPELESS_DB = 8.0  # a format that needs so much more than the channel grants is not tried


def encode_control(bits: Bits, snr_db: float, insured_db: float = 0.0) -> Tensor:
    """Code a control block in the shortest format that should survive.

    Like the aggregation levels of a 5G control channel, the format is not announced: see :func:`decode_control`.

    Args:
        bits: uint8 of 0 and 1, ``(payload_bits,)``; both ends know how many. At most 843.
        snr_db: Es/N0 that the transmitter believes.
        insured_db: How much lower it may be and the block still arrive, 99 times in 100.

    Returns:
        complex64, as many symbols as one of ``CONTROL_FORMATS``.
    """
    symbols = control_symbols(len(bits), snr_db, insured_db)
    return modulate(control_code(symbols, len(bits)).encode(bits[None])[0], 2)


def control_symbols(payload_bits: int, snr_db: float, insured_db: float = 0.0) -> int:
    """Length of the format that :func:`encode_control` takes: the longest, where none is safe enough."""
    formats = control_formats(payload_bits)
    safe = (
        n
        for n in formats
        if control_required_snr_db(n, payload_bits) <= snr_db and control_insured(n, payload_bits, snr_db, insured_db)
    )
    return next(safe, formats[-1])


def control_insured(symbols: int, payload_bits: int, snr_db: float, insured_db: float) -> bool:
    """Whether a block of a format arrives through a channel worse than ``snr_db`` by so much, too."""
    return not insured_db or control_required_snr_db(symbols, payload_bits, INSURED) <= snr_db - insured_db


def decode_control(received: Reception, payload_bits: int) -> tuple[Bits, int] | None:
    """Try the formats from short to long until a CRC holds.

    Args:
        received: Starts with the control block; what follows it is ignored, what is missing counts as erased.
        payload_bits: Length of the block, known to both ends.

    Returns:
        The bits, uint8 ``(payload_bits,)``, and how many symbols they took; ``None`` where no format decodes.
        Noise passes for a control block with a probability of about 5 x 2^-24.
    """
    llr = demodulate(received, 2, symbols=MAX_CONTROL_SYMBOLS)
    n0 = received.noise_variance[:MAX_CONTROL_SYMBOLS]
    best_n0 = float(n0.nan_to_num(float("inf")).clamp(min=1e-9).min()) if len(n0) else float("inf")
    for symbols in control_formats(payload_bits):
        heard = llr[: 2 * symbols]
        needed_n0 = 10 ** (-(control_required_snr_db(symbols, payload_bits) - HOPELESS_DB) / 10)
        if best_n0 > needed_n0 or not bool(heard.any()):
            continue
        bits, passes = control_code(symbols, payload_bits).decode(heard[None])
        if passes[0]:
            return bits[0], symbols
    return None


def control_formats(payload_bits: int) -> tuple[int, ...]:
    """The formats that hold a block of this length, in symbols, short to long."""
    formats = tuple(n for n in CONTROL_FORMATS if payload_bits + POLAR_CRC_BITS <= MAX_CONTROL_RATE * min(2 * n, 1024))
    if not formats or payload_bits < 4:
        raise ConfigError(f"a control block of {payload_bits} bits fits no format; use 4 to 843")
    return formats


def control_code(symbols: int, payload_bits: int) -> PolarCode:
    """The polar code of one format."""
    return polar_code(payload_bits, 2 * symbols)
