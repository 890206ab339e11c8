"""Sketches of a segment: the first by itself, the others as what changes, their rate map as bits between the two."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, ClassVar

from lgvsc.coding.burst.control import MessageControl
from lgvsc.coding.modem.digital import MCS_BITS
from lgvsc.coding.parts.part import Coded, Heard, MessagePart, Terms, became, digital, digital_length, read_bits
from lgvsc.coding.pictures.sketches import SketchRoad
from lgvsc.core.air import Part, Reception
from lgvsc.core.message import Segment
from lgvsc.errors import ConfigError

OTHER_SKETCHES = "other sketches"  # the label of all but the first
SKETCH_RATE_MAP = "rate map of the other sketches"


@dataclass(frozen=True, kw_only=True)
class SketchControl(MessageControl):
    """A segment with sketches."""

    version: ClassVar[int] = 7

    sketches: Annotated[int, 7] = 0  # how many frames have one
    sketch_spacing: Annotated[int, 10] = 0  # frames from one to the next, the first being that of frame ``start``
    sketch_header_bits: Annotated[int, 13] = 0  # of the sketches after the first; 0: there is no other
    sketch_header_mcs: Annotated[int, MCS_BITS] = 0
    sketch_symbols: Annotated[int, 17] = 0  # analogue symbols of the sketches after the first

    @property
    def sketch_indices(self) -> list[int]:
        """Frames that have a sketch, in order."""
        return [self.start + place * self.sketch_spacing for place in range(self.sketches)]

    def plausible(self) -> bool:
        """Whether there are sketches, at frames of the segment."""
        several = self.sketches > 1
        return (
            MessageControl.plausible(self)
            and self.sketches > 0
            and several == (self.sketch_spacing > 0) == (self.sketch_header_bits > 0)
            and (self.sketches - 1) * self.sketch_spacing < self.length
            and (several or self.sketch_symbols == 0)
        )


class Sketches(MessagePart):
    """Sends and reads sketches."""

    control = SketchControl
    names = ("key_sketch", "other_sketches")

    def encode(self, segment: Segment, terms: Terms) -> Coded | None:
        if not segment.sketches:
            return None
        indices = [index for index, _ in segment.sketches]
        spacing = _spacing(segment, indices)
        coded = self._road.encode(
            [sketch for _, sketch in segment.sketches],
            symbols_each=terms.sketch_symbols,
            snr_db=terms.belief.esn0_db,
        )
        pieces = [Part("sketches", coded.key, 0, "key sketch")]
        announced = {"sketches": len(indices), "sketch_spacing": spacing}
        if coded.others is None:
            return Coded(tuple(pieces), announced)
        header, symbols = coded.others.header, coded.others.symbols
        most_bits, most_symbols = (SketchControl.most(name) for name in ("sketch_header_bits", "sketch_symbols"))
        if not 0 < len(header) <= most_bits or len(symbols) > most_symbols:
            raise ConfigError(
                f"{len(indices)} sketches take {len(header)} bits and {len(symbols)} symbols, more than control can "
                "announce; send fewer of them, message.sketches"
            )
        rate_map, mcs = digital("sketches", header, terms, SKETCH_RATE_MAP)
        pieces.append(rate_map)
        if len(symbols):
            pieces.append(Part("sketches", symbols, 0, OTHER_SKETCHES))
        announced |= {
            "sketch_header_bits": len(header),
            "sketch_header_mcs": mcs,
            "sketch_symbols": len(symbols),
        }
        return Coded(tuple(pieces), announced)

    def length(self, control: SketchControl) -> int | None:
        if self.tools.make_sketches is None:
            return None
        rate_map = digital_length(control.sketch_header_bits, control.sketch_header_mcs)
        return self._road.key_symbols + rate_map + control.sketch_symbols

    def decode(self, received: Reception, control: SketchControl) -> Heard:
        after_key = self._road.key_symbols
        after_map = after_key + digital_length(control.sketch_header_bits, control.sketch_header_mcs)
        header = read_bits(received[after_key:after_map], control.sketch_header_bits, control.sketch_header_mcs)
        drawn = self._road.decode(
            received[:after_key], received[after_map:], header, control.sketches, control.height, control.width
        )
        sketches = tuple(zip(control.sketch_indices, drawn, strict=False))
        status = {
            "key_sketch": became(control.sketches, sketches or None),
            "other_sketches": became(control.sketch_header_bits, sketches[1:] or None),
        }
        return Heard({"sketches": sketches}, status)

    @cached_property
    def _road(self) -> SketchRoad:
        if self.tools.make_sketches is None:
            raise ConfigError("this codec was given nothing that codes sketches")
        return self.tools.make_sketches()


def _spacing(segment: Segment, indices: list[int]) -> int:
    """Frames from one sketch to the next.

    Raises:
        ConfigError: They do not lie evenly from the segment's first frame on, or not in the segment.
    """
    spacing = indices[1] - indices[0] if len(indices) > 1 else 0
    even = [segment.start + place * spacing for place in range(len(indices))]
    if indices != even or not segment.start <= indices[-1] < segment.stop or (len(indices) > 1 and spacing < 1):
        raise ConfigError(
            f"sketches of frames {indices} cannot be announced; they lie evenly from the segment's first frame "
            f"{segment.start} on, before {segment.stop}"
        )
    return spacing
