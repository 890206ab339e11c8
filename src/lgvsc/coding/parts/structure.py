"""The structure layer of a segment: small frames through a standard codec, as bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from lgvsc.coding.burst.control import MessageControl
from lgvsc.coding.frames.elementary import CODECS
from lgvsc.coding.frames.formats import STEPS
from lgvsc.coding.modem.digital import MCS_BITS, mcs_at
from lgvsc.coding.modem.prefix import intact_prefix
from lgvsc.coding.parts.part import Coded, Heard, MessagePart, Terms, became, digital, digital_length
from lgvsc.core.air import Reception
from lgvsc.core.message import LOOKS, Segment, StructureLayer
from lgvsc.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class StructureControl(MessageControl):
    """A segment with a structure layer, and all else that a segment can have."""

    version: ClassVar[int] = 1

    structure_codec: Annotated[int, 2] = 0
    structure_eighths: Annotated[int, 3] = 0  # of the source's height and width that are coded, minus one
    structure_step: Annotated[int, 3] = 0  # one frame in so many is coded, as an index into STEPS
    structure_bytes: Annotated[int, 20] = 0
    structure_mcs: Annotated[int, MCS_BITS] = 0
    structure_headers: Annotated[int, 1] = 0  # parameter sets are sent
    structure_quantiser: Annotated[int, 7] = 0
    structure_check: Annotated[int, 8] = 0  # of the parameter sets
    structure_look: Annotated[int, 0] = 0  # other than the usual one; layouts that can say so have bits for it

    @property
    def look(self) -> int:
        """The look that is advised, a place in ``LOOKS``."""
        return self.structure_look ^ usual_look(self.keyframe_length > 0)

    @property
    def advised_look(self) -> float | None:
        return LOOKS[self.look]

    def plausible(self) -> bool:
        return MessageControl.plausible(self) and self.structure_codec < len(CODECS) and self.structure_bytes > 0


@dataclass(frozen=True, kw_only=True)
class StructureAndPictureControl(StructureControl):
    """The same without words, side information and a closing keyframe, for which it has no bits."""

    version: ClassVar[int] = 2

    cut: Annotated[int, 0] = 0
    caption_bits: Annotated[int, 0] = 0
    caption_mcs: Annotated[int, 0] = 0
    side: Annotated[int, 0] = 0
    side_mcs: Annotated[int, 0] = 0
    closing_codec: Annotated[int, 0] = 0
    closing_length: Annotated[int, 0] = 0
    closing_mode: Annotated[int, 0] = 0


@dataclass(frozen=True, kw_only=True)
class StructureAloneControl(StructureAndPictureControl):
    """The same without a keyframe either; as short as the control block of a standard codec alone."""

    version: ClassVar[int] = 3

    keyframe_codec: Annotated[int, 0] = 0
    keyframe_length: Annotated[int, 0] = 0
    keyframe_mode: Annotated[int, 0] = 0


@dataclass(frozen=True, kw_only=True)
class LookControl(StructureControl):
    """A segment that should be shown in another look than the usual one."""

    structure_look: Annotated[int, 2] = 0


@dataclass(frozen=True, kw_only=True)
class LookAndPictureControl(StructureAndPictureControl):
    """The same without words, side information and a closing keyframe."""

    structure_look: Annotated[int, 2] = 0


@dataclass(frozen=True, kw_only=True)
class LookAloneControl(StructureAloneControl):
    """The same without a keyframe either."""

    structure_look: Annotated[int, 2] = 0


_LAYOUTS = (StructureAloneControl, StructureAndPictureControl, StructureControl)
_LOOK_LAYOUTS = (LookAloneControl, LookAndPictureControl, LookControl)
for _layout in (*_LAYOUTS, *_LOOK_LAYOUTS):
    _layout.shorter = ()
StructureControl.shorter = (*_LAYOUTS, *_LOOK_LAYOUTS)

MOST_BYTES = StructureControl.most("structure_bytes")


class StructurePart(MessagePart):
    """Sends and reads structure layers. What arrives in part is kept up to the first block that was lost."""

    control = StructureControl
    names = ("structure",)

    def encode(self, segment: Segment, terms: Terms) -> Coded | None:
        layer = segment.structure
        if layer is None or not layer.payload:
            return None
        if len(layer.payload) > MOST_BYTES:
            raise ConfigError(
                f"a structure layer of {len(layer.payload)} bytes is longer than control can announce, {MOST_BYTES}; "
                "give shorter groups, structure.group_frames, or a smaller budget"
            )
        bits = np.unpackbits(np.frombuffer(layer.payload, np.uint8))
        piece, mcs = digital("structure", bits, terms, described(layer))
        announced = {
            "structure_codec": layer.codec,
            "structure_eighths": layer.eighths - 1,
            "structure_step": STEPS.index(layer.step),
            "structure_bytes": len(layer.payload),
            "structure_mcs": mcs,
            "structure_headers": int(layer.headers_sent),
            "structure_quantiser": layer.quantiser,
            "structure_check": layer.header_check,
            "structure_look": layer.look ^ usual_look(segment.keyframe is not None),
        }
        return Coded((piece,), announced)

    def length(self, control: StructureControl) -> int:
        return digital_length(8 * control.structure_bytes, control.structure_mcs)

    def decode(self, received: Reception, control: StructureControl) -> Heard:
        bits = 8 * control.structure_bytes
        prefix = intact_prefix(received, bits, mcs_at(control.structure_mcs, bits))
        payload = np.packbits(prefix[: len(prefix) // 8 * 8]).tobytes()
        layer = StructureLayer(
            codec=control.structure_codec,
            eighths=control.structure_eighths + 1,
            step=STEPS[control.structure_step],
            quantiser=control.structure_quantiser,
            payload=payload,
            headers_sent=bool(control.structure_headers),
            header_check=control.structure_check,
            look=control.look,
        )
        whole = len(payload) == control.structure_bytes
        return Heard({"structure": layer if payload else None}, {"structure": became(bits, layer if whole else None)})


def usual_look(keyframe: bool) -> int:
    """The look that costs no bit, as a place in ``LOOKS``: vivid with a keyframe for its texture, faithful without."""
    return len(LOOKS) - 1 if keyframe else 0


def described(layer: StructureLayer) -> str:
    """For the ledger: how the small frames are coded."""
    return f"{layer.eighths}/8 of each side, 1 frame in {layer.step}, {CODECS[layer.codec].upper()} {layer.quantiser}"
