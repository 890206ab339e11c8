"""Segments to bursts and back: the transmitter's and the receiver's view of the same few parts.

A burst is a preamble and a control block, then, where they are sent, the caption, the side information, the
keyframe, the sketches, and in the last burst the closing keyframe. Every part has its own code and can be lost by
itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from lgvsc.channel.common import erase_bad
from lgvsc.coding.budget import Budget, KeyframeAllowance
from lgvsc.coding.control import (
    CONTROL_BITS,
    MAX_SKETCH_HEADER_BITS,
    MAX_SKETCH_SYMBOLS,
    SKETCH_CONTROL_BITS,
    SKETCH_VERSION,
    VERSION,
    Control,
    pack_control,
    read_control,
)
from lgvsc.coding.control_block import MAX_CONTROL_SYMBOLS, control_symbols, encode_control
from lgvsc.coding.digital import decode_bits, encode_bits, mcs_at, symbol_count
from lgvsc.coding.framing import PREAMBLE, ControlRead, bursts
from lgvsc.coding.roads import PictureRoads
from lgvsc.coding.side import decode_side, encode_side, side_bits, side_kinds
from lgvsc.coding.sketch_road import SketchRoad
from lgvsc.coding.snr import McsRule, choose_mcs
from lgvsc.coding.text import decode_text, encode_text
from lgvsc.core.air import Burst, Part, Purpose, Reception
from lgvsc.core.interfaces import CodedPicture
from lgvsc.core.message import PartStatus, Segment
from lgvsc.core.video import Pixels, VideoFormat
from lgvsc.errors import ConfigError

Bits: TypeAlias = NDArray[np.uint8]

CLOSING_KEYFRAME = "closing keyframe"  # its label in the ledger
OTHER_SKETCHES = "other sketches"  # the label of all but the first
SKETCH_RATE_MAP = "rate map of the other sketches"
MAX_CAPTION_BITS = 2**13 - 1  # what the control stream can announce
TYPICAL_KEYFRAME_BITS = 8000  # fixes the spectral efficiency by which a budget in bit/s becomes symbols


@dataclass(frozen=True, slots=True, kw_only=True)
class CodingConfig:
    """How a message is put on the air.

    Attributes:
        budget: Limit on all symbols, for example ``"6e-4cbr"``; empty for none.
        keyframe_cbr: Symbols of one keyframe over ``3 x H x W`` where there is no budget.
        sketch_symbols: Of each sketch after the first of a segment, on average; the first has always 1024. GVSC's
            0.0026 for eight sketches of a video leaves 438.
        believed_snr_db: What the transmitter thinks the channel's Es/N0 is; ``None``: it knows.
        mcs: How captions and side information are modulated and coded: ``adaptive`` to the believed SNR, as in LGVSC's
            Table I (``lgvsc-table-1``, or ``paper``), or by turbo code and 4-QAM (``gvsc``). Keyframes adapt always.
        refine_steps: How often the transmitter improves each keyframe's analogue symbols (compact NTSCC) for the
            receiver that it knows; 12 bring most of it, at 60 ms each for 256x256 pixels.
    """

    budget: str = ""
    keyframe_cbr: float = 0.02
    sketch_symbols: int = 438
    believed_snr_db: float | None = None
    mcs: Literal["adaptive", "lgvsc-table-1", "gvsc", "paper"] = "adaptive"
    refine_steps: int = 0

    def __post_init__(self) -> None:
        if self.budget:
            Budget.parse(self.budget)
        if not 0 < self.keyframe_cbr <= 1:
            raise ConfigError(f"coding.keyframe_cbr is {self.keyframe_cbr}, but it lies in (0, 1]; 0.02 is usual")
        if not 16 <= self.sketch_symbols <= 1024:
            raise ConfigError(f"coding.sketch_symbols is {self.sketch_symbols}; give 16 to 1024 for each sketch")
        if self.mcs not in (*get_args(McsRule), "paper"):
            raise ConfigError(f"coding.mcs is {self.mcs!r}; there are {', '.join(get_args(McsRule))} and paper")
        if self.refine_steps < 0:
            raise ConfigError(f"coding.refine_steps is {self.refine_steps}; give 0 for none; 12 bring most of the gain")

    @property
    def text_mcs(self) -> McsRule:
        """The rule for captions and side information; ``paper`` is LGVSC's."""
        return "lgvsc-table-1" if self.mcs == "paper" else self.mcs


class MessageCodec:
    """Puts segments on the air and reads them back.

    Args:
        roads: The ways that a keyframe can take.
        snr_db: Es/N0 in dB that the transmitter believes in. The receiver does not use it.
        config: Budget and keyframe quality.
        make_sketches: Loads what codes sketches; called when there is one to send or to read. ``None``: cannot.
    """

    def __init__(
        self,
        roads: PictureRoads,
        snr_db: float,
        config: CodingConfig,
        make_sketches: Callable[[], SketchRoad] | None = None,
    ) -> None:
        self._roads = roads
        self._make_sketches = make_sketches
        self._snr_db = snr_db
        self._config = config

    def encode(self, segments: Iterable[Segment]) -> Iterator[tuple[Segment, Burst]]:
        """One burst for each segment. Only the budget remembers anything from one to the next."""
        allowance: KeyframeAllowance | None = None
        for index, segment in enumerate(segments):
            allowance = allowance or self._allowance(segment.video)
            yield segment, self._encode_segment(segment, index, allowance)

    def decode(self, receptions: Iterable[Reception]) -> Iterator[Segment]:
        """Segments whose control could be read, in the order of arrival, with whatever else was intact."""
        for control, body in bursts(receptions, self._read_control, control_symbols=MAX_CONTROL_SYMBOLS):
            yield self._decode_segment(control, body)

    # Transmitter

    def _encode_segment(self, segment: Segment, index: int, allowance: KeyframeAllowance) -> Burst:
        words, words_mcs = self._digital("captions", caption_bits(segment.caption) if segment.caption else None)
        side, side_mcs = self._digital("side", encode_side(segment.motion, segment.colours))
        drawn = self._sketches_of(segment)
        version, bits = (SKETCH_VERSION, SKETCH_CONTROL_BITS) if drawn.parts else (VERSION, CONTROL_BITS)
        head_symbols = len(PREAMBLE) + control_symbols(bits, self._snr_db)
        spent = head_symbols + sum(len(part) for part in (words, side, *drawn.parts) if part)
        key, closing = self._pictures_of(segment, spent, allowance)
        control = Control(
            version=version,
            height=segment.video.height,
            width=segment.video.width,
            fps_numerator=segment.video.fps.numerator,
            fps_denominator=segment.video.fps.denominator,
            total_frames=segment.video.frames or 0,
            start=segment.start,
            length=len(segment),
            last=int(segment.last),
            cut=segment.cut - segment.start if segment.cut is not None else 0,
            caption_bits=words.payload_bits if words else 0,
            caption_mcs=words_mcs,
            side=side_kinds(segment.motion, segment.colours),
            side_mcs=side_mcs,
            keyframe_codec=key.codec if key else 0,
            keyframe_length=key.length if key else 0,
            keyframe_mode=key.mode if key else 0,
            closing_codec=closing.codec if closing else 0,
            closing_length=closing.length if closing else 0,
            closing_mode=closing.mode if closing else 0,
            sketches=len(segment.sketches),
            sketch_spacing=drawn.spacing,
            sketch_header_bits=drawn.header_bits,
            sketch_header_mcs=drawn.header_mcs,
            sketch_symbols=drawn.symbols,
        )
        head = torch.cat([PREAMBLE, encode_control(pack_control(control), self._snr_db)])
        shown = [picture_part(key, "keyframe"), picture_part(closing, CLOSING_KEYFRAME)]
        parts = (Part("control", head, bits), words, side, *shown, *drawn.parts)
        return Burst(index, tuple(part for part in parts if part is not None))

    def _digital(self, purpose: Purpose, bits: Bits | None) -> tuple[Part | None, int]:
        """A digital part and the index of its modulation and coding scheme."""
        if bits is None or len(bits) == 0:
            return None, 0
        mcs = choose_mcs(len(bits), self._snr_db, purpose, self._config.text_mcs)
        return Part(purpose, encode_bits(bits, mcs), len(bits)), mcs.index

    def _sketches_of(self, segment: Segment) -> SketchParts:
        """The sketches as parts of the burst, and what control says of them."""
        if not segment.sketches:
            return SketchParts()
        indices = [index for index, _ in segment.sketches]
        spacing = indices[1] - indices[0] if len(indices) > 1 else 0
        even = [segment.start + place * spacing for place in range(len(indices))]
        if indices != even or not segment.start <= indices[-1] < segment.stop or (len(indices) > 1 and spacing < 1):
            raise ConfigError(
                f"sketches of frames {indices} cannot be announced; they lie evenly from the segment's first frame "
                f"{segment.start} on, before {segment.stop}"
            )
        coded = self._sketch_road.encode(
            [sketch for _, sketch in segment.sketches], symbols_each=self._config.sketch_symbols, snr_db=self._snr_db
        )
        parts = [Part("sketches", coded.key, 0, "key sketch")]
        if coded.others is None:
            return SketchParts(tuple(parts))
        header, symbols = coded.others.header, coded.others.symbols
        if not 0 < len(header) <= MAX_SKETCH_HEADER_BITS or len(symbols) > MAX_SKETCH_SYMBOLS:
            raise ConfigError(
                f"{len(indices)} sketches take {len(header)} bits and {len(symbols)} symbols, more than control can "
                "announce; send fewer of them, message.sketches"
            )
        mcs = choose_mcs(len(header), self._snr_db, "sketches", self._config.text_mcs)
        parts.append(Part("sketches", encode_bits(header, mcs), len(header), SKETCH_RATE_MAP))
        if len(symbols):
            parts.append(Part("sketches", symbols, 0, OTHER_SKETCHES))
        return SketchParts(tuple(parts), spacing, len(header), mcs.index, len(symbols))

    @cached_property
    def _sketch_road(self) -> SketchRoad:
        if self._make_sketches is None:
            raise ConfigError("this codec was given nothing that codes sketches")
        return self._make_sketches()

    def _pictures_of(
        self, segment: Segment, other_symbols: int, allowance: KeyframeAllowance
    ) -> tuple[CodedPicture | None, CodedPicture | None]:
        pictures = (segment.keyframe, segment.closing_keyframe)
        sent = sum(picture is not None for picture in pictures)
        share = allowance.picture_symbols(len(segment), other_symbols, sent)
        coded = tuple(
            self._roads.encode(p, max_symbols=share, snr_db=self._snr_db) if p is not None else None for p in pictures
        )
        allowance.spend(sum(picture.symbols.numel() for picture in coded if picture))
        return coded[0], coded[1]

    def _allowance(self, video: VideoFormat) -> KeyframeAllowance:
        config = self._config
        per_frame = None
        if config.budget:
            per_frame = Budget.parse(config.budget).symbols_per_frame(video, bits_per_symbol(self._snr_db))
        return KeyframeAllowance(video, config.keyframe_cbr, per_frame)

    # Receiver

    def _read_control(self, received: Reception) -> ControlRead[Control] | None:
        """What follows a preamble, as control; ``None`` where it is none."""
        read = read_control(received)
        if read is None or (read[0].sketches and self._make_sketches is None):
            return None
        control, symbols = read
        return ControlRead(control, control_symbols=symbols, body_symbols=sum(self._lengths(control)))

    def _lengths(self, control: Control) -> tuple[int, ...]:
        """Symbols of caption, side information, keyframe, closing keyframe, key sketch, rate map and other sketches."""

        def digital(payload_bits: int, mcs: int) -> int:
            return symbol_count(payload_bits, mcs_at(mcs, payload_bits)) if payload_bits else 0

        def picture(codec: int, length: int, mode: int) -> int:
            return self._roads.symbol_count(codec, length, mode, control.height, control.width)

        return (
            digital(control.caption_bits, control.caption_mcs),
            digital(side_bits(control.side), control.side_mcs),
            picture(control.keyframe_codec, control.keyframe_length, control.keyframe_mode),
            picture(control.closing_codec, control.closing_length, control.closing_mode),
            self._sketch_road.key_symbols if control.sketches else 0,
            digital(control.sketch_header_bits, control.sketch_header_mcs),
            control.sketch_symbols,
        )

    def _decode_segment(self, control: Control, body: Reception) -> Segment:
        body, erased = erase_bad(body)
        parts = cut_up(body, self._lengths(control))
        words = read_bits(parts[0], control.caption_bits, control.caption_mcs)
        caption = decode_text(words) if words is not None else None
        side = read_bits(parts[1], side_bits(control.side), control.side_mcs)
        motion, colours = decode_side(side, control.side) if side is not None else (None, None)
        size = control.height, control.width
        key = self._roads.decode(
            parts[2], control.keyframe_codec, control.keyframe_length, control.keyframe_mode, *size
        )
        closing = self._roads.decode(
            parts[3], control.closing_codec, control.closing_length, control.closing_mode, *size
        )
        sketches = self._read_sketches(control, parts[4], parts[5], parts[6])
        return control.segment().changed(
            caption=caption,
            motion=motion,
            colours=colours,
            keyframe=key,
            closing_keyframe=closing,
            sketches=sketches,
            erased_symbols=erased,
            status={
                "control": "ok",
                "caption": status(control.caption_bits, caption),
                "side": status(control.side, side),
                "keyframe": status(control.keyframe_length, key),
                "closing_keyframe": status(control.closing_length, closing),
                "key_sketch": status(control.sketches, sketches or None),
                "other_sketches": status(control.sketch_header_bits, sketches[1:] or None),
            },
        )

    def _read_sketches(
        self, control: Control, key: Reception, rate_map: Reception, others: Reception
    ) -> tuple[tuple[int, Pixels], ...]:
        """Sketches and the frames that they belong to, as far as they arrived."""
        if not control.sketches:
            return ()
        header = read_bits(rate_map, control.sketch_header_bits, control.sketch_header_mcs)
        drawn = self._sketch_road.decode(key, others, header, control.sketches, control.height, control.width)
        return tuple(zip(control.sketch_indices, drawn, strict=False))


@dataclass(frozen=True, slots=True, eq=False)
class SketchParts:
    """The sketches of a segment in a burst, and what control says of them; see ``control.SKETCH_LAYOUT``."""

    parts: tuple[Part, ...] = ()
    spacing: int = 0
    header_bits: int = 0
    header_mcs: int = 0
    symbols: int = 0


def bits_per_symbol(snr_db: float) -> float:
    """Spectral efficiency that a keyframe of usual size reaches; turns a budget in bit/s into symbols."""
    return choose_mcs(TYPICAL_KEYFRAME_BITS, snr_db, "keyframes").efficiency


def caption_bits(caption: str) -> Bits:
    """A caption as bits, shortened from its end where control could not announce so many."""
    while len(bits := encode_text(caption)) > MAX_CAPTION_BITS:
        caption = caption[: len(caption) * 9 // 10]
    return bits


def picture_part(coded: CodedPicture | None, label: str) -> Part | None:
    """A coded picture as a part of a burst."""
    return Part("keyframes", coded.symbols, coded.payload_bits, label) if coded else None


def read_bits(received: Reception, payload_bits: int, mcs: int) -> Bits | None:
    """A digital part; ``None`` where none was sent or its CRC fails."""
    return decode_bits(received, payload_bits, mcs_at(mcs, payload_bits)) if payload_bits else None


def cut_up(body: Reception, lengths: Iterable[int]) -> list[Reception]:
    """Consecutive pieces of a burst."""
    pieces, start = [], 0
    for length in lengths:
        pieces.append(body[start : start + length])
        start += length
    return pieces


def status(sent: int, got: object) -> PartStatus:
    """What became of a part."""
    if not sent:
        return "absent"
    return "lost" if got is None else "ok"
