"""Sketches on the air, as GVSC sends them: the first by DeepJSCC, the others by what has changed since.

The first sketch of a segment, its key sketch, needs no header: 1024 symbols, whatever it shows. The others are coded
against the one before by DVST, whose rate map must arrive exactly and so goes as bits, under a code of their own.
Where these bits are lost the key sketch is all there is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from torch import Tensor

from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import seeded
from lgvsc.coding.modem.fec import Bits
from lgvsc.coding.pictures.deepjscc import SKETCH_SIDE, DeepJsccSketchCodec, Sketch, resized
from lgvsc.core.air import Reception
from lgvsc.core.video import Pixels
from lgvsc.errors import ConfigError

TRIAL_SEED = 0  # of the noise behind which the transmitter looks at its own key sketch


class CodedSketchDifferences(Protocol):
    """Sketches after the first, as :class:`lgvsc.coding.frames.dvst.DvstCodec` codes them."""

    @property
    def header(self) -> Bits:
        """uint8 0/1: all that the receiver must know exactly."""
        ...

    @property
    def symbols(self) -> Tensor:
        """complex64 ``(n,)``, mean energy one."""
        ...


class DifferenceCodec(Protocol):
    """Codes pictures against the one before each: what this file needs of a DVST codec for one colour."""

    colours: int

    def encode(
        self, frames: Sequence[Pixels], reference: Pixels, *, max_symbols: int, snr_db: float, eta: float | None = None
    ) -> CodedSketchDifferences: ...

    def decode(
        self, received: Reception, header: Bits | None, reference: Pixels, count: int, height: int, width: int
    ) -> list[Pixels]: ...


@dataclass(frozen=True, slots=True, eq=False)
class CodedSketches:
    """Sketches of a segment as channel symbols.

    Attributes:
        key: Of the first sketch, complex64 ``(key_symbols,)``.
        others: The rest; ``None`` where the segment has one sketch only.
    """

    key: Tensor
    others: CodedSketchDifferences | None


class SketchRoad:
    """Sends sketches of a segment, the first by itself and each other one against the one before.

    Args:
        key: Codes the first sketch.
        make_others: Loads what codes the others; called when a segment has more than one.
    """

    def __init__(self, key: DeepJsccSketchCodec, make_others: Callable[[], DifferenceCodec]) -> None:
        self._key = key
        self._make_others = make_others
        self.key_symbols = key.symbol_count

    @cached_property
    def _others(self) -> DifferenceCodec:
        codec = self._make_others()
        if codec.colours != 1:
            raise ConfigError(f"a sketch has one colour, this network codes {codec.colours}; take one for sketches")
        return codec

    def encode(self, sketches: Sequence[Sketch], *, symbols_each: int, snr_db: float) -> CodedSketches:
        """Code the sketches of a segment, at 256 x 256 pixels whatever their size.

        Args:
            sketches: At least one, in order, uint8 ``(H, W)``.
            symbols_each: What each sketch after the first may cost on average; its share of the header comes on top.
            snr_db: Es/N0 that the transmitter believes.
        """
        key = self._key.encode(sketches[0], snr_db)
        if len(sketches) == 1:
            return CodedSketches(key, None)
        reference = self._key.decode(AwgnChannel(snr_db, seeded(TRIAL_SEED))(key))
        assert reference is not None
        small = [resized(sketch, SKETCH_SIDE, SKETCH_SIDE) for sketch in sketches[1:]]
        others = self._others.encode(small, reference, max_symbols=symbols_each * len(small), snr_db=snr_db)
        return CodedSketches(key, others)

    def decode(
        self, key: Reception, others: Reception, header: Bits | None, count: int, height: int, width: int
    ) -> list[Sketch]:
        """The sketches that could be had, in order from the first on, uint8 ``(height, width)``.

        None where no symbol of the key sketch was heard, since the others say only what changes in it; it alone where
        the header of the others was lost.
        """
        first = self._key.decode(key)
        if first is None:
            return []
        drawn = [first]
        if count > 1 and header is not None:
            drawn += self._others.decode(others, header, first, count - 1, SKETCH_SIDE, SKETCH_SIDE)
        return [resized(sketch, height, width) for sketch in drawn]
