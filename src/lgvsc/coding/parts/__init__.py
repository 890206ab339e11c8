"""What a burst of a semantic message can hold: one file for each kind of part, and the order in which they are sent.

A new part is a file here and a line in ``PARTS``. What it announces in control stands in a subclass of
``MessageControl`` beside it. Nothing here cuts a stream into bursts, or knows more than one part.
"""

from __future__ import annotations

from lgvsc.coding.parts.captions import Captions
from lgvsc.coding.parts.part import MessagePart
from lgvsc.coding.parts.pictures import ClosingKeyframe, Keyframe
from lgvsc.coding.parts.side_information import SideInformation
from lgvsc.coding.parts.sketches import Sketches
from lgvsc.coding.parts.structure import StructurePart

PARTS: tuple[type[MessagePart], ...] = (
    Captions,
    SideInformation,
    StructurePart,
    Keyframe,
    ClosingKeyframe,
    Sketches,
)
