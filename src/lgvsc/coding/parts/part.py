"""What a part of a burst is: how it is put on the air, how long it is, and how it is read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from lgvsc.coding.belief import Belief
from lgvsc.coding.burst.control import MessageControl
from lgvsc.coding.modem.digital import decode_bits, encode_bits, mcs_at, symbol_count
from lgvsc.coding.modem.fec import Bits
from lgvsc.coding.pictures.roads import PictureRoads
from lgvsc.coding.pictures.sketches import SketchRoad
from lgvsc.core.air import Part, Purpose, Reception
from lgvsc.core.message import PartStatus, Segment


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Under what terms a segment is coded.

    Attributes:
        belief: What the transmitter believes of the channel.
        sketch_symbols: Of each sketch after the first, on average.
        picture_symbols: What each picture may take; known to parts that fill what the others leave.
    """

    belief: Belief
    sketch_symbols: int
    picture_symbols: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """A part as it is sent: pieces for the ledger in the order sent, and the control fields that announce them."""

    pieces: tuple[Part, ...]
    announced: Mapping[str, int]

    def __len__(self) -> int:
        return sum(len(piece) for piece in self.pieces)


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """A part as it arrived: what it adds to the segment, and what became of it, by name."""

    found: Mapping[str, Any] = field(default_factory=dict)
    status: Mapping[str, PartStatus] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Tools:
    """What parts may need beside their own code.

    Attributes:
        roads: The ways that a keyframe can take.
        make_sketches: Loads what codes sketches; called when there is one to send or to read. ``None``: cannot.
    """

    roads: PictureRoads
    make_sketches: Callable[[], SketchRoad] | None = None


class MessagePart(ABC):
    """One kind of part.

    Attributes:
        control: The layout that announces it. Only control of this layout is given to :meth:`length` and
            :meth:`decode`; other layouts say that nothing was sent.
        names: Of its entries in the status of a segment.
        fills: Whether it takes the symbols that the other parts leave of the budget.
    """

    control: ClassVar[type[MessageControl]] = MessageControl
    names: ClassVar[tuple[str, ...]]
    fills: ClassVar[bool] = False

    def __init__(self, tools: Tools) -> None:
        self.tools = tools

    @abstractmethod
    def encode(self, segment: Segment, terms: Terms) -> Coded | None:
        """The part as symbols; ``None`` where the segment has none."""

    @abstractmethod
    def length(self, control: Any) -> int | None:
        """Symbols of the part; ``None`` where this receiver has nothing that reads it."""

    @abstractmethod
    def decode(self, received: Reception, control: Any) -> Heard:
        """What its symbols, ``length(control)`` of them, tell."""


def digital(purpose: Purpose, bits: Bits, terms: Terms, label: str = "") -> tuple[Part, int]:
    """Bits as a piece of a burst, and the number of their modulation and coding scheme."""
    mcs = terms.belief.mcs(len(bits), purpose)
    return Part(purpose, encode_bits(bits, mcs), len(bits), label), mcs.index


def digital_length(payload_bits: int, mcs: int) -> int:
    """Symbols of a digital piece; 0 where none was sent."""
    return symbol_count(payload_bits, mcs_at(mcs, payload_bits)) if payload_bits else 0


def read_bits(received: Reception, payload_bits: int, mcs: int) -> Bits | None:
    """A digital piece; ``None`` where none was sent or its CRC fails."""
    return decode_bits(received, payload_bits, mcs_at(mcs, payload_bits)) if payload_bits else None


def became(sent: int, got: object) -> PartStatus:
    """What became of a part."""
    if not sent:
        return "absent"
    return "lost" if got is None else "ok"
