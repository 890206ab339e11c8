"""Where the control layouts live today: the one place that may change when they move.

Every golden test of control blocks reaches them through the functions below, and through nothing else.
"""

from __future__ import annotations

import numpy as np
import torch

from lgvsc.coding.burst import control, control_block
from lgvsc.coding.parts import sketches, structure

_HOMES: dict[int, type[control.Control]] = {
    0: control.MessageControl,
    7: sketches.SketchControl,
    1: structure.StructureControl,
    2: structure.StructureAndPictureControl,
    3: structure.StructureAloneControl,
    4: control.VideoControl,
    5: control.FramesControl,
    6: control.DvstControl,
}


def pack(version: int, values: dict[str, int]) -> list[int]:
    """Bits of a block of a version, from the values of its fields by name, the version itself left out."""
    return _HOMES[version](**values).pack().tolist()


def read_back(version: int, bits: list[int], names: list[str]) -> dict[str, int] | None:
    """Values of the named fields as a receiver reads them; ``None`` where it takes the bits for no block."""
    got = _HOMES[version].unpack(np.array(bits, dtype=np.uint8))
    return None if got is None or got.version != version else {name: getattr(got, name) for name in names}


def quadrants(bits: list[int], snr_db: float) -> str:
    """QPSK symbols of a coded block as hexadecimal digits, one each: which quadrant, 0 to 3."""
    symbols: torch.Tensor = control_block.encode_control(np.array(bits, dtype=np.uint8), snr_db)
    return "".join(str(2 * int(s.real < 0) + int(s.imag < 0)) for s in symbols.tolist() for s in [complex(s)])
