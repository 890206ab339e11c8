"""Segments to bursts and back: the transmitter's and the receiver's view of the same few parts.

A burst is a preamble and a control block, then, where they are sent, the caption, the side information, the
keyframe, and in the last burst the closing keyframe. Every part has its own code and can be lost by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from lgvsc.channel.common import erase_bad
from lgvsc.coding.budget import Budget, KeyframeAllowance
from lgvsc.coding.control import CONTROL_BITS, Control, pack_control, unpack_control
from lgvsc.coding.control_block import MAX_CONTROL_SYMBOLS, control_symbols, decode_control, encode_control
from lgvsc.coding.digital import decode_bits, encode_bits, mcs_at, symbol_count
from lgvsc.coding.framing import PREAMBLE, ControlRead, bursts
from lgvsc.coding.roads import PictureRoads
from lgvsc.coding.side import SIDE_BITS, decode_motion, encode_motion
from lgvsc.coding.snr import McsRule, choose_mcs
from lgvsc.coding.text import decode_text, encode_text
from lgvsc.core.air import Burst, Part, Purpose, Reception
from lgvsc.core.interfaces import CodedPicture
from lgvsc.core.message import PartStatus, Segment
from lgvsc.core.video import VideoFormat
from lgvsc.errors import ConfigError

Bits: TypeAlias = NDArray[np.uint8]

CLOSING_KEYFRAME = "closing keyframe"  # its label in the ledger
MAX_CAPTION_BITS = 2**13 - 1  # what the control stream can announce
TYPICAL_KEYFRAME_BITS = 8000  # fixes the spectral efficiency by which a budget in bit/s becomes symbols


@dataclass(frozen=True, slots=True, kw_only=True)
class CodingConfig:
    """How a message is put on the air.

    Attributes:
        budget: Limit on all symbols, for example ``"6e-4cbr"``; empty for none.
        keyframe_cbr: Symbols of one keyframe over ``3 x H x W`` where there is no budget.
        believed_snr_db: What the transmitter thinks the channel's Es/N0 is; ``None``: it knows.
        mcs: How captions and side information are modulated and coded: ``adaptive`` to the believed SNR, as in LGVSC's
            Table I (``lgvsc-table-1``, or ``paper``), or by turbo code and 4-QAM (``gvsc``). Keyframes adapt always.
    """

    budget: str = ""
    keyframe_cbr: float = 0.02
    believed_snr_db: float | None = None
    mcs: Literal["adaptive", "lgvsc-table-1", "gvsc", "paper"] = "adaptive"

    def __post_init__(self) -> None:
        if self.budget:
            Budget.parse(self.budget)
        if not 0 < self.keyframe_cbr <= 1:
            raise ConfigError(f"coding.keyframe_cbr is {self.keyframe_cbr}, but it lies in (0, 1]; 0.02 is usual")
        if self.mcs not in (*get_args(McsRule), "paper"):
            raise ConfigError(f"coding.mcs is {self.mcs!r}; there are {', '.join(get_args(McsRule))} and paper")

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
    """

    def __init__(self, roads: PictureRoads, snr_db: float, config: CodingConfig) -> None:
        self._roads = roads
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
        side, side_mcs = self._digital("side", encode_motion(segment.motion) if segment.motion else None)
        head_symbols = len(PREAMBLE) + control_symbols(CONTROL_BITS, self._snr_db)
        spent = head_symbols + sum(len(part) for part in (words, side) if part)
        key, closing = self._pictures_of(segment, spent, allowance)
        control = Control(
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
            side_sent=int(side is not None),
            side_mcs=side_mcs,
            keyframe_codec=key.codec if key else 0,
            keyframe_length=key.length if key else 0,
            keyframe_mode=key.mode if key else 0,
            closing_codec=closing.codec if closing else 0,
            closing_length=closing.length if closing else 0,
            closing_mode=closing.mode if closing else 0,
        )
        head = torch.cat([PREAMBLE, encode_control(pack_control(control), self._snr_db)])
        shown = [picture_part(key, "keyframe"), picture_part(closing, CLOSING_KEYFRAME)]
        parts = (Part("control", head, CONTROL_BITS), words, side, *shown)
        return Burst(index, tuple(part for part in parts if part is not None))

    def _digital(self, purpose: Purpose, bits: Bits | None) -> tuple[Part | None, int]:
        """A digital part and the index of its modulation and coding scheme."""
        if bits is None or len(bits) == 0:
            return None, 0
        mcs = choose_mcs(len(bits), self._snr_db, purpose, self._config.text_mcs)
        return Part(purpose, encode_bits(bits, mcs), len(bits)), mcs.index

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
        read = decode_control(received, CONTROL_BITS)
        control = unpack_control(read[0]) if read else None
        if read is None or control is None:
            return None
        return ControlRead(control, control_symbols=read[1], body_symbols=sum(self._lengths(control)))

    def _lengths(self, control: Control) -> tuple[int, int, int, int]:
        """Symbols of caption, side information, keyframe and closing keyframe, from what control says."""

        def digital(payload_bits: int, mcs: int) -> int:
            return symbol_count(payload_bits, mcs_at(mcs, payload_bits)) if payload_bits else 0

        def picture(codec: int, length: int, mode: int) -> int:
            return self._roads.symbol_count(codec, length, mode, control.height, control.width)

        return (
            digital(control.caption_bits, control.caption_mcs),
            digital(SIDE_BITS * control.side_sent, control.side_mcs),
            picture(control.keyframe_codec, control.keyframe_length, control.keyframe_mode),
            picture(control.closing_codec, control.closing_length, control.closing_mode),
        )

    def _decode_segment(self, control: Control, body: Reception) -> Segment:
        body, erased = erase_bad(body)
        parts = cut_up(body, self._lengths(control))
        words = read_bits(parts[0], control.caption_bits, control.caption_mcs)
        caption = decode_text(words) if words is not None else None
        side = read_bits(parts[1], SIDE_BITS * control.side_sent, control.side_mcs)
        motion = decode_motion(side) if side is not None else None
        size = control.height, control.width
        key = self._roads.decode(
            parts[2], control.keyframe_codec, control.keyframe_length, control.keyframe_mode, *size
        )
        closing = self._roads.decode(
            parts[3], control.closing_codec, control.closing_length, control.closing_mode, *size
        )
        return control.segment().changed(
            caption=caption,
            motion=motion,
            keyframe=key,
            closing_keyframe=closing,
            erased_symbols=erased,
            status={
                "control": "ok",
                "caption": status(control.caption_bits, caption),
                "side": status(control.side_sent, motion),
                "keyframe": status(control.keyframe_length, key),
                "closing_keyframe": status(control.closing_length, closing),
            },
        )


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
