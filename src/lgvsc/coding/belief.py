"""What the transmitter believes of the channel: decided once, in the configuration, and handed on as one object."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lgvsc.coding.budget import Budget
from lgvsc.coding.burst.control import Control
from lgvsc.coding.burst.control_block import MAX_CONTROL_SYMBOLS, control_insured
from lgvsc.coding.modem.digital import Mcs, symbol_count
from lgvsc.coding.modem.link_adaptation import McsRule, choose_mcs
from lgvsc.core.air import Purpose
from lgvsc.core.video import VideoFormat

ALWAYS_ADAPTED: frozenset[Purpose] = frozenset({"keyframes", "video"})  # whatever rule the words go by
TYPICAL_KEYFRAME_BITS = 8000


@dataclass(frozen=True, slots=True)
class Belief:
    """The channel as the transmitter sees it. A receiver never uses it.

    Attributes:
        esn0_db: Es/N0 per symbol in dB.
        rule: How the modulation and code of words, numbers and structure are chosen; pictures adapt always.
        data_share: Of all symbols on the air, how many belong to bursts; pilots are the others.
        frame_symbols: What the air adds to each burst besides pilots: a radio frame, or nothing.
        insured_db: How much lower the SNR may be and control and a picture still arrive.
    """

    esn0_db: float
    rule: McsRule = "adaptive"
    data_share: float = 1.0
    frame_symbols: int = 0
    insured_db: float = 0.0

    def mcs(self, payload_bits: int, purpose: Purpose) -> Mcs:
        """The modulation and coding scheme of a payload."""
        rule = "adaptive" if purpose in ALWAYS_ADAPTED else self.rule
        return choose_mcs(payload_bits, self.esn0_db, purpose, rule)

    def symbols(self, payload_bits: int, purpose: Purpose) -> int:
        """How many symbols a payload takes."""
        return symbol_count(payload_bits, self.mcs(payload_bits, purpose))

    def bits_per_symbol(self, payload_bits: int = TYPICAL_KEYFRAME_BITS, purpose: Purpose = "keyframes") -> float:
        """Spectral efficiency that a payload of usual size reaches; turns a budget in bit/s into symbols."""
        return self.mcs(payload_bits, purpose).efficiency

    def head_symbols(self, layout: type[Control]) -> int:
        """Symbols that a burst takes before anything is in it: preamble, control block, and the frame around it."""
        return layout.head_symbols(self.esn0_db, self.insured_db) + self.frame_symbols

    def insured(self, worse_db: float, layout: type[Control]) -> Belief | None:
        """The same for a channel that may be so much worse; ``None`` where no control would arrive through that."""
        reaches = control_insured(MAX_CONTROL_SYMBOLS, layout.block_bits(), self.esn0_db, worse_db)
        return replace(self, insured_db=worse_db) if reaches else None

    def symbols_per_frame(
        self,
        budget: str,
        video: VideoFormat,
        payload_bits: int = TYPICAL_KEYFRAME_BITS,
        purpose: Purpose = "keyframes",
    ) -> float:
        """Symbols that a budget leaves to bursts for each frame of a video, pilots paid first.

        Args:
            budget: As :class:`~lgvsc.coding.budget.Budget` reads it; it limits all that is on the air.
            payload_bits, purpose: See :meth:`bits_per_symbol`.
        """
        efficiency = self.bits_per_symbol(payload_bits, purpose)
        return Budget.parse(budget).symbols_per_frame(video, efficiency) * self.data_share
