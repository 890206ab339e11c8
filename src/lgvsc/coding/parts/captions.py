"""The caption of a segment: text, compressed, as bits."""

from __future__ import annotations

from lgvsc.coding.burst.control import MessageControl
from lgvsc.coding.modem.fec import Bits
from lgvsc.coding.parts.part import Coded, Heard, MessagePart, Terms, became, digital, digital_length, read_bits
from lgvsc.coding.words.text import decode_text, encode_text
from lgvsc.core.air import Reception
from lgvsc.core.message import Segment

MAX_CAPTION_BITS = MessageControl.most("caption_bits")


class Captions(MessagePart):
    """Sends and reads captions."""

    names = ("caption",)

    def encode(self, segment: Segment, terms: Terms) -> Coded | None:
        if not segment.caption or not len(bits := caption_bits(segment.caption)):
            return None
        piece, mcs = digital("captions", bits, terms)
        return Coded((piece,), {"caption_bits": len(bits), "caption_mcs": mcs})

    def length(self, control: MessageControl) -> int:
        return digital_length(control.caption_bits, control.caption_mcs)

    def decode(self, received: Reception, control: MessageControl) -> Heard:
        bits = read_bits(received, control.caption_bits, control.caption_mcs)
        caption = decode_text(bits) if bits is not None else None
        return Heard({"caption": caption}, {"caption": became(control.caption_bits, caption)})


def caption_bits(caption: str) -> Bits:
    """A caption as bits, shortened from its end where control could not announce so many."""
    while len(bits := encode_text(caption)) > MAX_CAPTION_BITS:
        caption = caption[: len(caption) * 9 // 10]
    return bits
