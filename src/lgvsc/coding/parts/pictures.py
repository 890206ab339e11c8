"""Keyframes of a segment: the one that it begins with, and the video's last frame. They fill what is left over."""

from __future__ import annotations

from typing import ClassVar

from lgvsc.coding.burst.control import MessageControl
from lgvsc.coding.parts.part import Coded, Heard, MessagePart, Terms, became
from lgvsc.core.air import Part, Reception
from lgvsc.core.interfaces import PictureHeader
from lgvsc.core.message import Segment

CLOSING_KEYFRAME = "closing keyframe"  # its label in the ledger


class _Picture(MessagePart):
    """Sends and reads one of a segment's pictures."""

    fills = True
    name: ClassVar[str]  # of the picture in a segment
    prefix: ClassVar[str]  # of its fields in control
    label: ClassVar[str]  # in the ledger

    def encode(self, segment: Segment, terms: Terms) -> Coded | None:
        picture = getattr(segment, self.name)
        if picture is None:
            return None
        belief = terms.belief
        coded = self.tools.roads.encode(
            picture, max_symbols=terms.picture_symbols, snr_db=belief.esn0_db, lasting=belief.insured_db > 0
        )
        announced = {f"{self.prefix}_{name}": value for name, value in coded.header._asdict().items()}
        return Coded((Part("keyframes", coded.symbols, coded.payload_bits, self.label),), announced)

    def length(self, control: MessageControl) -> int:
        return self.tools.roads.symbol_count(self._header(control), control.height, control.width)

    def decode(self, received: Reception, control: MessageControl) -> Heard:
        header = self._header(control)
        picture = self.tools.roads.decode(received, header, control.height, control.width, control.advised_look)
        return Heard({self.name: picture}, {self.name: became(header.length, picture)})

    def _header(self, control: MessageControl) -> PictureHeader:
        return PictureHeader(*(getattr(control, f"{self.prefix}_{name}") for name in PictureHeader._fields))


class Keyframe(_Picture):
    """The segment's first frame."""

    name, prefix, label = "keyframe", "keyframe", "keyframe"
    names = (name,)


class ClosingKeyframe(_Picture):
    """The video's last frame."""

    name, prefix, label = "closing_keyframe", "closing", CLOSING_KEYFRAME
    names = (name,)
