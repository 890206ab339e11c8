"""What is left of a long payload when some of its code blocks fail: everything up to the first that did."""

from __future__ import annotations

import numpy as np

from lgvsc.coding.modem.digital import Mcs, decode_blocks
from lgvsc.coding.modem.fec import Bits
from lgvsc.core.air import Reception


def intact_prefix(received: Reception, payload_bits: int, mcs: Mcs) -> Bits:
    """Demodulate and decode a payload of known length, block by block.

    :func:`~lgvsc.coding.modem.digital.decode_bits` wants all or nothing; a stream of coded pictures is of use up to the
    first gap in it.

    Args:
        received: At least ``symbol_count(payload_bits, mcs)`` symbols; missing ones count as erased.

    Returns:
        uint8 of 0 and 1: the payload, or its beginning; empty where already the first block fails.
    """
    intact = [np.zeros(0, dtype=np.uint8)]
    for bits, passes in decode_blocks(received, payload_bits, mcs):
        intact.append(bits[: len(bits) if passes.all() else int(np.argmin(passes))].flatten())
        if not passes.all():
            break
    return np.concatenate(intact)[:payload_bits]
