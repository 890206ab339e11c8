"""A message over a packet network: packets of any size from 51 bytes, of which any subset makes a whole video.

Captions and side information of a segment are its *words*; they, its structure layer, its keyframe and its closing
keyframe are each cut into fragments of equal size, with extra ones that make up for lost ones. Every packet stands for
itself, so the receiver needs neither the first nor any other particular one; what it cannot put together it reports
lost, as the receiver of symbols does, and the world model copes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np

from lgvsc.coding.frames.elementary import CODECS
from lgvsc.coding.frames.formats import STEPS
from lgvsc.coding.packets.erasure_code import MAX_FRAGMENTS, Bytes, all_fragments, extra_fragments
from lgvsc.coding.packets.packet_header import CRC_BYTES, PacketHeader, PacketPart, pack_packet, read_packet
from lgvsc.coding.pictures.digital_picture import MEAN_COLOUR_BYTES, decode_picture, encode_picture
from lgvsc.coding.words.side import COLOURS, MOTION, decode_side, encode_side, side_bits, side_kinds
from lgvsc.coding.words.text import decode_text, encode_text
from lgvsc.core.message import LOOKS, Motion, PartStatus, Segment, StructureLayer
from lgvsc.core.video import Pixels, VideoFormat
from lgvsc.errors import ConfigError

MIN_MTU, MAX_MTU = 51, 65_507  # the smallest payload of LoRaWAN, the largest of UDP
MAX_STREAMS = 16  # that a receiver tells apart
MAX_PENDING_BYTES = 1 << 27
RESTART_S = 1.0  # of silence, at least, before a stream is taken to have been given up for another one
_CUT, _CAPTION, _KINDS = 4, 8, MOTION | COLOURS  # what the first byte of the words says that they hold
_END_OF_PART = b"\x80"  # followed by the zeros that fill the last fragment

StreamKey: TypeAlias = tuple[int, int, int, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketConfig:
    """How a message is put into packets.

    Attributes:
        mtu: Bytes of the largest packet, 51 to 65507.
        keyframe_bits_per_pixel: Size of a keyframe, at most.
        extra: Fragments that make up for lost ones, as a share of those that they protect, rounded up. A part with
            one fragment has thus a copy from any share above 0 on. A part of 256 fragments or more goes without.
    """

    mtu: int = 1200
    keyframe_bits_per_pixel: float = 0.12
    extra: float = 0.25

    def __post_init__(self) -> None:
        if not MIN_MTU <= self.mtu <= MAX_MTU:
            raise ConfigError(f"mtu is {self.mtu}; packets have {MIN_MTU} to {MAX_MTU} bytes")
        if not 0 < self.keyframe_bits_per_pixel <= 24:
            raise ConfigError(f"keyframe_bits_per_pixel is {self.keyframe_bits_per_pixel}; 0.12 is usual, 24 the limit")
        if not 0 <= self.extra <= 8:
            raise ConfigError(f"extra is {self.extra}; it is a share of the fragments, 0 to 8")


def packetise(segments: Iterable[Segment], config: PacketConfig | None = None, *, stream: int = 0) -> Iterator[bytes]:
    """Packets of a message, segment by segment as they come; the last packet says that the video ends.

    Args:
        stream: Tells this transmission from others, 0 to 65535.

    Raises:
        InputError: A video is larger or longer than a packet can say.
    """
    config = config or PacketConfig()
    segment = None
    for segment in segments:
        yield from (packet for _, packet in _segment_packets(segment, config, stream))
    if segment is not None:
        frames = segment.stop
        video = replace(segment.video, frames=frames)
        yield pack_packet(_header(segment, stream, "end", video=video, start=frames, length=0, last=True), b"")


def depacketise(packets: Iterable[bytes]) -> Iterator[Segment]:
    """The segments of a message, in order, from any packets of it, in any order, some of them twice.

    All packets are awaited, as any may come last; :class:`Assembler` does not wait so long. Packets that are damaged or
    of another stream are passed over. Without a single good packet there is no segment.
    """
    assembler = Assembler()
    for packet in packets:
        assembler.add(packet)
    yield from assembler.finish()


class Assembler:
    """Packets to segments, as they arrive.

    A segment leaves when it is complete and so is everything before it, or when something later has been there for
    ``patience_s``: what is missing then is given up. The caller tells the time.

    Args:
        patience_s: How much later a packet may arrive than one of a later segment.
    """

    def __init__(self, patience_s: float = math.inf) -> None:
        self._patience_s = patience_s
        self._streams: dict[StreamKey, _Stream] = {}
        self._chosen: _Stream | None = None
        self._left: set[StreamKey] = set()  # of the sender's earlier runs
        self._pending_bytes = 0

    def over(self, at_s: float) -> bool:
        """Whether nothing more is to be expected: the end was announced, and all has left or been given up."""
        stream = self._stream
        if stream is None or stream.end is None:
            return False
        return stream.reached >= stream.end or at_s - stream.end_since_s >= self._patience_s

    @property
    def ended(self) -> bool:
        """Whether the end of the stream was announced."""
        return self._stream is not None and self._stream.end is not None

    def replaced(self, at_s: float) -> bool:
        """Whether the sender was started anew: this stream has fallen silent for good, and another one has begun.

        Silence is none while a segment of this stream may still be in the making: it lasts as long as the longest yet.
        """
        stream, successor = self._chosen, self._successor()
        if stream is None or successor is None:
            return False
        return at_s - stream.heard_s > max(RESTART_S, 1.5 * stream.longest_s)

    def proceed(self) -> bool:
        """Leave this stream for the one that was begun after it. False where there is none."""
        successor = self._successor()
        if successor is None:
            return False
        for key, stream in list(self._streams.items()):
            if stream is self._chosen:
                self._pending_bytes -= stream.pending_bytes
                del self._streams[key]
                self._left.add(key)
        self._chosen = successor
        return True

    def _successor(self) -> _Stream | None:
        """A stream with something to show, of which nothing had come when the chosen one was last heard."""
        if self._chosen is None:
            return None
        later = [s for s in self._streams.values() if s.first_s > self._chosen.heard_s and s.has_a_whole_one]
        return max(later, key=lambda stream: stream.packets, default=None)

    def add(self, packet: bytes, at_s: float = 0.0) -> bool:
        """Take a packet that arrived at a time. False where it is none, or of no use."""
        read = read_packet(packet)
        if read is None or self._pending_bytes + len(packet) > MAX_PENDING_BYTES:
            return False
        header, payload = read
        video = header.video
        key = (header.stream, video.height, video.width, float(video.fps))
        if key in self._left:
            return False
        if key not in self._streams and len(self._streams) >= MAX_STREAMS:
            self._drop_smallest_stream()
        stream = self._streams.setdefault(key, _Stream(video, at_s))
        if not stream.take(header, payload, at_s):
            return False
        self._pending_bytes += len(payload) if header.part != "end" else 0
        return True

    def _drop_smallest_stream(self) -> None:
        """Make room for one more stream: the one of fewest packets goes, unless it is the one that is shown."""
        others = [(s.packets, key) for key, s in self._streams.items() if s is not self._chosen]
        _, fewest = min(others)
        self._pending_bytes -= self._streams.pop(fewest).pending_bytes

    def due(self, at_s: float) -> Iterator[Segment]:
        """Segments that can leave at a time."""
        yield from self._leaving(at_s, self._patience_s)

    def finish(self) -> Iterator[Segment]:
        """All that is left; after it, what is known to be missing at the end as one empty segment."""
        yield from self._leaving(0.0, -math.inf)
        stream = self._stream
        if stream is not None and stream.end is not None and stream.reached < stream.end:
            rest = replace(stream.video, frames=stream.end)
            lost: dict[str, PartStatus] = {"control": "lost"}
            yield Segment(video=rest, start=stream.reached, stop=stream.end, last=True, status=lost)
            stream.reached = stream.end

    @property
    def _stream(self) -> _Stream | None:
        """The stream of most packets so far, until a segment of one has left."""
        if self._chosen is not None or not self._streams:
            return self._chosen
        return max(self._streams.values(), key=lambda stream: stream.packets)

    def _leaving(self, at_s: float, patience_s: float) -> Iterator[Segment]:
        stream = self._stream
        while stream is not None and (pending := stream.next_one(at_s, patience_s)) is not None:
            self._chosen = stream
            self._pending_bytes -= pending.size_bytes
            yield pending.segment(stream.video)


@dataclass(slots=True, eq=False)
class _Fragments:
    """What has arrived of a part."""

    count: int
    size: int
    received: dict[int, Bytes] = field(default_factory=dict)

    def take(self, header: PacketHeader, payload: bytes) -> bool:
        if (header.count, len(payload)) != (self.count, self.size) or header.index in self.received or not payload:
            return False
        self.received[header.index] = np.frombuffer(payload, dtype=np.uint8)
        return True

    @property
    def complete(self) -> bool:
        return len(self.received) >= self.count

    def whole(self) -> bytes | None:
        """The part, or ``None`` where too much of it is missing."""
        fragments = all_fragments(self.received, self.count) if self.complete else None
        if fragments is None:
            return None
        data = fragments.tobytes().rstrip(b"\x00")
        return data[:-1] if data.endswith(_END_OF_PART) else None

    def prefix(self) -> bytes:
        """What is there without a gap from its first byte on; of the last fragment nothing, which may be filled up."""
        there = 0
        while there < self.count - 1 and there in self.received:
            there += 1
        return b"".join(self.received[index].tobytes() for index in range(there))

    def beginning(self) -> bytes:
        """As much of the part as is there from its first byte on, at least."""
        first = self.received.get(0)
        return b"" if first is None else first.tobytes()


@dataclass(slots=True, eq=False)
class _Pending:
    """A segment of which something has arrived."""

    first: PacketHeader
    since_s: float
    size_bytes: int = 0
    parts: dict[PacketPart, _Fragments] = field(default_factory=dict)

    @property
    def stop(self) -> int:
        return self.first.start + self.first.length

    @property
    def complete(self) -> bool:
        return all(part in self.parts and self.parts[part].complete for part in self._sent)

    @property
    def _sent(self) -> list[PacketPart]:
        pictures: list[tuple[PacketPart, bool]] = [
            ("keyframe", self.first.keyframe_sent),
            ("closing_keyframe", self.first.closing_sent),
            ("structure", self.first.structure_sent),
        ]
        return ["words", *(part for part, sent in pictures if sent)]

    def take(self, header: PacketHeader, payload: bytes) -> bool:
        if (header.length, header.last) != (self.first.length, self.first.last) or header.part not in self._sent:
            return False
        fragments = self.parts.setdefault(header.part, _Fragments(header.count, len(payload)))
        if not fragments.take(header, payload):
            return False
        self.size_bytes += len(payload)
        return True

    def segment(self, video: VideoFormat) -> Segment:
        words = self.parts.get("words")
        whole = words.whole() if words else None
        read = _read_words(whole if whole is not None else (words.beginning() if words else b""), whole is not None)
        keyframe, closing = self._picture("keyframe", video), self._picture("closing_keyframe", video)
        small = self.parts.get("structure")
        structure = small.whole() if small else None
        status: dict[str, PartStatus] = {
            "control": "ok",
            **read.status,
            **({"structure": _status(1, structure)} if self.first.structure_sent else {}),
            "keyframe": _status(self.first.keyframe_sent, keyframe),
            "closing_keyframe": _status(self.first.closing_sent, closing),
        }
        cut = self.first.start + read.cut if 0 < read.cut <= self.first.length else None
        return Segment(
            video=video,
            start=self.first.start,
            stop=self.stop,
            caption=read.caption,
            motion=read.motion,
            colours=read.colours,
            cut=cut,
            last=self.first.last,
            keyframe=keyframe,
            closing_keyframe=closing,
            structure=_read_structure(structure if structure is not None else small.prefix() if small else b""),
            status=status,
        )

    def _picture(self, part: PacketPart, video: VideoFormat) -> Pixels | None:
        fragments = self.parts.get(part)
        data = fragments.whole() if fragments else None
        return None if data is None else decode_picture(data, video.height, video.width)


class _Stream:
    """The segments of one transmission that have not left yet."""

    def __init__(self, video: VideoFormat, at_s: float) -> None:
        self.video = video
        self.packets = 0
        self.first_s = self.heard_s = at_s
        self.longest_s = 0.0  # of the segments so far
        self.reached = 0  # frames that have left
        self.end: int | None = None
        self.end_since_s = math.inf
        self._pending: dict[int, _Pending] = {}

    def take(self, header: PacketHeader, payload: bytes, at_s: float) -> bool:
        self.packets += 1
        self.heard_s = max(self.heard_s, at_s)
        self.longest_s = max(self.longest_s, header.length / float(header.video.fps))
        self.video = header.video if header.video.frames else self.video
        if header.part == "end":
            self.end_since_s = min(self.end_since_s, at_s)
            self.end = header.start
            return True
        if header.start < self.reached:
            return False  # too late
        pending = self._pending.setdefault(header.start, _Pending(header, at_s))
        return pending.take(header, payload)

    @property
    def pending_bytes(self) -> int:
        return sum(pending.size_bytes for pending in self._pending.values())

    @property
    def has_a_whole_one(self) -> bool:
        """Whether a segment is complete, or the end is known."""
        return self.end is not None or any(pending.complete for pending in self._pending.values())

    def next_one(self, at_s: float, patience_s: float) -> _Pending | None:
        """The earliest segment, if it can leave."""
        if not self._pending:
            return None
        start = min(self._pending)
        head = self._pending[start]
        later = min((one.since_s for key, one in self._pending.items() if key > start), default=self.end_since_s)
        if not head.complete:
            waited_s = at_s - later  # its own rest may still come
        elif start > self.reached:
            waited_s = at_s - min(later, head.since_s)  # and so may what is before it
        else:
            waited_s = math.inf
        if waited_s < patience_s:
            return None
        self.reached = max(self.reached, head.stop)
        return self._pending.pop(start)


@dataclass(frozen=True, slots=True)
class _Words:
    """What the words of a segment say, as far as they arrived."""

    caption: str | None
    motion: Motion | None
    colours: Pixels | None
    cut: int
    status: dict[str, PartStatus]


def _write_words(segment: Segment) -> bytes:
    said = side_kinds(segment.motion, segment.colours)
    data = np.packbits(encode_side(segment.motion, segment.colours)).tobytes()
    if segment.cut is not None:
        said |= _CUT
        data += (segment.cut - segment.start).to_bytes(2, "big")
    if segment.caption is not None:
        said |= _CAPTION
        data += np.packbits(encode_text(segment.caption)).tobytes()
    return bytes([said]) + data


def _read_words(data: bytes, whole: bool) -> _Words:
    """From all the words, or from their beginning."""
    if not data:
        return _Words(None, None, None, 0, {"caption": "lost", "side": "lost"})
    said, at = data[0], 1
    motion = colours = caption = None
    cut = 0
    if kinds := said & _KINDS:
        bits = side_bits(kinds)
        side = np.frombuffer(data[at : at + -(-bits // 8)], dtype=np.uint8)
        at += -(-bits // 8)
        motion, colours = decode_side(np.unpackbits(side)[:bits], kinds) if at <= len(data) else (None, None)
    if said & _CUT:
        cut = int.from_bytes(data[at : at + 2], "big")
        at += 2
    if said & _CAPTION and whole:
        caption = decode_text(np.unpackbits(np.frombuffer(data[at:], dtype=np.uint8)))
    status = {
        "caption": _status(said & _CAPTION, caption),
        "side": _status(kinds, motion if motion is not None else colours),
    }
    return _Words(caption, motion, colours, cut, status)


def _write_structure(layer: StructureLayer) -> bytes:
    form = layer.codec << 6 | layer.eighths - 1 << 3 | STEPS.index(layer.step)
    return bytes([form, layer.headers_sent << 7 | layer.quantiser, layer.header_check, layer.look]) + layer.payload


def _read_structure(data: bytes) -> StructureLayer | None:
    """From all of it, or from its beginning."""
    if len(data) <= 4 or data[0] >> 6 >= len(CODECS) or data[3] >= len(LOOKS):
        return None
    return StructureLayer(
        codec=data[0] >> 6,
        eighths=(data[0] >> 3 & 7) + 1,
        step=STEPS[data[0] & 7],
        quantiser=data[1] & 127,
        payload=data[4:],
        headers_sent=bool(data[1] >> 7),
        header_check=data[2],
        look=data[3],
    )


def _status(sent: int, got: object) -> PartStatus:
    if not sent:
        return "absent"
    return "lost" if got is None else "ok"


def _segment_packets(segment: Segment, config: PacketConfig, stream: int) -> Iterator[tuple[PacketPart, bytes]]:
    """First what is needed of each part, then what makes up for losses: a burst of them does not take both."""
    extras: list[tuple[PacketPart, bytes]] = []
    for part, data in _parts(segment, config):
        packets = _fragment_packets(_header(segment, stream, part), data, config)
        for header, packet in packets:
            if header.index < header.count:
                yield part, packet
            else:
                extras.append((part, packet))
    yield from extras


def _parts(segment: Segment, config: PacketConfig) -> Iterator[tuple[PacketPart, bytes]]:
    yield "words", _write_words(segment)
    if segment.structure is not None:
        yield "structure", _write_structure(segment.structure)
    pixels = segment.video.height * segment.video.width
    max_bytes = max(MEAN_COLOUR_BYTES, int(config.keyframe_bits_per_pixel * pixels / 8))
    pictures: tuple[tuple[PacketPart, Pixels | None], ...] = (
        ("keyframe", segment.keyframe),
        ("closing_keyframe", segment.closing_keyframe),
    )
    for part, picture in pictures:
        if picture is not None:
            yield part, encode_picture(picture, max_bytes)


def _fragment_packets(header: PacketHeader, data: bytes, config: PacketConfig) -> Iterator[tuple[PacketHeader, bytes]]:
    data += _END_OF_PART
    count, extra = 1, 0
    while True:
        extra = max(0, min(math.ceil(config.extra * count), MAX_FRAGMENTS - count))
        largest = replace(header, index=count + extra - 1, count=count)
        room = config.mtu - len(largest.packed()) - CRC_BYTES
        if count * room >= len(data):
            break
        count = -(-len(data) // room)
    size = -(-len(data) // count)
    fragments = np.frombuffer(data.ljust(count * size, b"\x00"), dtype=np.uint8).reshape(count, size)
    for index, fragment in enumerate(np.concatenate([fragments, extra_fragments(fragments, extra)])):
        numbered = replace(header, index=index, count=count)
        yield numbered, pack_packet(numbered, fragment.tobytes())


def _header(segment: Segment, stream: int, part: PacketPart, **changes: object) -> PacketHeader:
    header = PacketHeader(
        stream=stream,
        video=segment.video,
        start=segment.start,
        length=len(segment),
        last=segment.last,
        keyframe_sent=segment.keyframe is not None,
        closing_sent=segment.closing_keyframe is not None,
        structure_sent=segment.structure is not None,
        part=part,
        index=0,
        count=1,
    )
    return replace(header, **changes)  # type: ignore[arg-type]
