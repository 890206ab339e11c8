"""Side information of a segment, motion and colours, as bits."""

from __future__ import annotations

from lgvsc.coding.burst.control import MessageControl
from lgvsc.coding.parts.part import Coded, Heard, MessagePart, Terms, became, digital, digital_length, read_bits
from lgvsc.coding.words.side import decode_side, encode_side, side_bits, side_kinds
from lgvsc.core.air import Reception
from lgvsc.core.message import Segment


class SideInformation(MessagePart):
    """Sends and reads side information."""

    names = ("side",)

    def encode(self, segment: Segment, terms: Terms) -> Coded | None:
        kinds = side_kinds(segment.motion, segment.colours)
        if not kinds:
            return None
        piece, mcs = digital("side", encode_side(segment.motion, segment.colours), terms)
        return Coded((piece,), {"side": kinds, "side_mcs": mcs})

    def length(self, control: MessageControl) -> int:
        return digital_length(side_bits(control.side), control.side_mcs)

    def decode(self, received: Reception, control: MessageControl) -> Heard:
        bits = read_bits(received, side_bits(control.side), control.side_mcs)
        motion, colours = decode_side(bits, control.side) if bits is not None else (None, None)
        return Heard({"motion": motion, "colours": colours}, {"side": became(control.side, bits)})
