"""What is left of a long payload when some of its code blocks fail: everything up to the first that did."""

from __future__ import annotations

import numpy as np

from lgvsc.coding.digital import Mcs, block_code, block_count, demodulate, symbol_count
from lgvsc.coding.fec import Bits
from lgvsc.core.air import Reception


def intact_prefix(received: Reception, payload_bits: int, mcs: Mcs) -> Bits:
    """Demodulate and decode a payload of known length, block by block.

    :func:`~lgvsc.coding.digital.decode_bits` wants all or nothing; a stream of coded pictures is of use up to the
    first gap in it.

    Args:
        received: At least ``symbol_count(payload_bits, mcs)`` symbols; missing ones count as erased.

    Returns:
        uint8 of 0 and 1: the payload, or its beginning; empty where already the first block fails.
    """
    blocks, code = block_count(payload_bits, mcs), block_code(payload_bits, mcs)
    llr = demodulate(received, mcs.bits_per_symbol, symbols=symbol_count(payload_bits, mcs))
    bits, passes = code.decode(llr.reshape(blocks, code.coded_bits))
    intact = blocks if passes.all() else int(np.argmin(passes))
    return bits[:intact].flatten()[:payload_bits]
