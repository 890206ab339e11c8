"""A structure layer from what the format search settled on, and its frames again."""

from __future__ import annotations

from lgvsc.coding.frames.elementary import CODECS, CodecName
from lgvsc.coding.frames.format_search import FormatChoice
from lgvsc.coding.frames.formats import middle_of_step, picture_count
from lgvsc.coding.frames.standard_codec import CodedGop, coded_size, decode_gop, to_rgb
from lgvsc.core.message import StructureLayer
from lgvsc.core.video import Pixels


def structure_of(codec: CodecName, choice: FormatChoice) -> StructureLayer:
    """What a search chose, as the part of a message."""
    coded = choice.coded
    return StructureLayer(
        codec=CODECS.index(codec),
        eighths=choice.format.eighths,
        step=choice.format.step,
        quantiser=round(choice.quantiser.value) if coded.headers_sent else coded.header_qp,
        payload=coded.payload,
        headers_sent=coded.headers_sent,
        header_check=coded.header_check,
    )


def structure_frames(
    layer: StructureLayer, height: int, width: int, length: int, *, of: tuple[int, int] | None = None
) -> list[tuple[int, Pixels]]:
    """Small frames as far as they can be decoded, enlarged, with their places in the segment. Never raises.

    Args:
        layer: As received.
        height, width: To which they are enlarged.
        length: Frames of the segment.
        of: Height and width of the video, where that is another size.
    """
    size = coded_size(*(of or (height, width)), layer.eighths)
    coded = CodedGop(layer.payload, layer.headers_sent, layer.quantiser, layer.header_check)
    most, first = picture_count(length, layer.step), middle_of_step(layer.step, length)
    return [
        (first + picture.position * layer.step, to_rgb(picture.frame, height, width))
        for picture in decode_gop(CODECS[layer.codec], coded, size, constant_qp=False)
        if picture.position < most
    ]
