"""How many symbols a keyframe may cost: a fixed share, or what a budget leaves over."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal, Self, TypeAlias

from lgvsc.core.video import VideoFormat
from lgvsc.errors import ConfigError

Objective: TypeAlias = Literal["look", "structure"]  # what a budget is spent for

MIN_KEYFRAME_CBR = 0.003  # below this a keyframe says less than its caption
MAX_KEYFRAME_CBR = 0.08  # above this more symbols no longer show
CEILING_S = 3.0  # a video this long or longer stays below the ceiling that holds without a budget
LEAST_SYMBOLS = 100  # of a picture: fewer carry none, however small it is, and the ceiling must not take it away
DENSEST_S = 0.2  # and so often may a segment begin until then


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit on everything that is sent, as the user wrote it.

    Attributes:
        amount: The number.
        unit: ``cbr``: symbols over 3 x H x W x F. ``symbols``: for the whole video. ``bps``: payload bits per second
            that a digital link would carry in the same symbols, at the spectral efficiency it reaches for a keyframe
            at the believed SNR.
    """

    amount: float
    unit: Literal["cbr", "symbols", "bps"]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``5kbps``, ``800bps``, ``2000symbols`` or ``6e-4cbr``.

        Raises:
            ConfigError: Any other form, or an amount that is not positive.
        """
        match = re.fullmatch(r"\s*([0-9.]+(?:e[+-]?[0-9]+)?)\s*(kbps|bps|symbols|cbr)\s*", text.lower())
        try:
            amount = float(match[1]) if match else 0.0
        except ValueError:
            amount = 0.0
        if match is None or not 0 < amount < 1e12:
            raise ConfigError(f"budget {text!r} is not understood; write for example 5kbps, 2000symbols or 6e-4cbr")
        return cls(amount * 1000, "bps") if match[2] == "kbps" else cls(amount, match[2])  # type: ignore[arg-type]

    def symbols_per_frame(self, video: VideoFormat, bits_per_symbol: float) -> float:
        """The budget as channel symbols per frame of the source.

        Raises:
            ConfigError: A budget for the whole video, but its length is not known.
        """
        if self.unit == "cbr":
            return self.amount * 3 * video.height * video.width
        if self.unit == "bps":
            return self.amount / bits_per_symbol / float(video.fps)
        if video.frames is None:
            raise ConfigError("a budget in symbols needs a video of known length; give it in cbr or kbps")
        return self.amount / video.frames


@dataclass(frozen=True, slots=True)
class PicturePlan:
    """Which pictures are to come, as settled beforehand: those of a piece share its budget evenly.

    Attributes:
        pieces: First frames of the segments of each piece, in order.
        until: End of the last piece.
        closing: Whether the last frame of the last piece is sent, too.
    """

    pieces: tuple[tuple[int, ...], ...]
    until: int
    closing: bool

    def ahead(self, at: int) -> tuple[int, int, int]:
        """Frames, segments and pictures that are still to come of the piece in which frame ``at - 1`` lies."""
        ends = [*(piece[0] for piece in self.pieces[1:]), self.until]
        for piece, end in zip(self.pieces, ends, strict=True):
            if piece[0] < at <= end:
                segments = sum(start >= at for start in piece)
                return end - at, segments, segments + bool(segments and self.closing and end == self.until)
        return 0, 0, 0


class KeyframeAllowance:
    """Symbols that the pictures of each segment may cost, so that the whole video stays within its budget.

    Without a budget every picture gets ``keyframe_cbr``, or less where segments come so thick that a video of three
    seconds would cost more than ``max_cbr``. With one, every frame of a segment earns its share, words
    and numbers are paid first, and pictures get the rest; what a segment does not spend the next one may. With a plan,
    the pictures of a piece get the same, the first ones on credit.

    Args:
        video: Format of the source.
        keyframe_cbr: Symbols of one picture over ``3 x H x W`` where there is no budget.
        symbols_per_frame: The budget, from :meth:`Budget.symbols_per_frame`; ``None`` for no budget.
        plan: Which pictures will come.
        max_cbr: Ceiling without a budget, of a video of :data:`CEILING_S` or more; 0 for none.
    """

    def __init__(
        self,
        video: VideoFormat,
        keyframe_cbr: float,
        symbols_per_frame: float | None,
        plan: PicturePlan | None = None,
        max_cbr: float = 0.0,
    ) -> None:
        self._fps = float(video.fps)
        self._max_cbr = max_cbr
        self._volume = 3 * video.height * video.width
        self._keyframe_cbr = keyframe_cbr
        self._per_frame = symbols_per_frame
        self._plan = plan
        self._credit = 0.0
        self._at = 0  # frames so far

    def picture_symbols(self, frames: int, other_symbols: int, pictures: int, bare: int = 0) -> int:
        """Symbols for each of ``pictures`` pictures in a segment of ``frames`` frames.

        Of a budget, ``bare`` more, on which nothing can be seen, are left the least that a picture costs.
        """
        self._at += frames
        self._credit -= other_symbols
        if self._per_frame is None:
            floor = max(MIN_KEYFRAME_CBR * self._volume, LEAST_SYMBOLS)
            least = max(self._below_ceiling(other_symbols, pictures + bare), floor)
            return round(min(self._keyframe_cbr * self._volume, least))
        self._credit += self._per_frame * frames
        more_frames, segments, more_pictures = self._plan.ahead(self._at) if self._plan else (0, 0, 0)
        ahead = self._per_frame * more_frames - segments * other_symbols  # words of one segment cost about the same
        kept_back = bare * bare_symbols(self._volume)
        share = (self._credit + ahead - kept_back) / max(1, pictures + more_pictures)
        return int(min(max(share, MIN_KEYFRAME_CBR * self._volume), MAX_KEYFRAME_CBR * self._volume))

    def _below_ceiling(self, other_symbols: int, pictures: int) -> float:
        """Symbols for each picture that leave room below the ceiling for one more like it, and for many bad ones."""
        if not self._max_cbr:
            return math.inf
        ceiling = self._max_cbr * self._volume * max(self._at, CEILING_S * self._fps)
        more = max(0.0, CEILING_S - self._at / self._fps) / DENSEST_S
        kept_back = more * (MIN_KEYFRAME_CBR * self._volume + other_symbols)
        return (ceiling + self._credit - kept_back) / (max(1, pictures) + 1)

    def spend(self, symbols: int) -> None:
        """Take what the pictures really cost from the credit."""
        self._credit -= symbols


def bare_symbols(volume: int) -> float:
    """What is kept back for a picture of ``3 x H x W`` values on which nothing can be seen."""
    return max(MIN_KEYFRAME_CBR * volume, LEAST_SYMBOLS)
