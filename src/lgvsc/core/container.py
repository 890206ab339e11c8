"""The byte form of a semantic message, ``.lgvsc``: for files, not for the air.

A file is a header and one chunk per segment. Each chunk starts with a marker and carries its length and a CRC, so
a reader that meets damage goes on at the next marker and loses that segment only::

    file    = "LGVSC\\n" version:u8 chunk*
    chunk   = "SEG\\x1a" length:u32 crc32:u32 payload            all integers big-endian
    payload = JSON of the numbers and words:u32-prefixed, keyframe:u32-prefixed, closing keyframe:u32-prefixed

Pictures are lossless WebP. What a chunk may hold is bounded before anything is allocated.
"""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from lgvsc.core.files import atomic_write
from lgvsc.core.message import CAMERAS, MAX_CAPTION_BYTES, Motion, Segment, SemanticMessage
from lgvsc.core.video import MAX_PIXELS, Pixels, VideoFormat
from lgvsc.errors import InputError

MAGIC = b"LGVSC\n"
VERSION = 1
MARKER = b"SEG\x1a"
MAX_CHUNK_BYTES = 8 * MAX_PIXELS  # two lossless pictures of the largest size, and room
MAX_WORDS_BYTES = 4 * MAX_CAPTION_BYTES + 4096  # JSON of the words and numbers; escapes may quadruple a caption


def write_message(path: Path, segments: Iterable[Segment]) -> None:
    """Write segments as they come; the file appears when the last one is in.

    Segments are consumed one by one, so a generator may stand behind them.
    """
    with atomic_write(path) as file:
        file.write(MAGIC + bytes([VERSION]))
        for segment in segments:
            payload = _pack(segment)
            file.write(MARKER + struct.pack(">II", len(payload), zlib.crc32(payload)) + payload)


def read_message(path: Path) -> SemanticMessage:
    """All intact segments of a file.

    Raises:
        InputError: Not a ``.lgvsc`` file, of another version, or without a single intact segment.
    """
    segments = tuple(read_segments(path))
    if not segments:
        raise InputError(f"{path} holds no intact segment")
    return SemanticMessage(segments)


def read_segments(path: Path) -> Iterator[Segment]:
    """Intact segments one by one; damaged ones are passed over."""
    if not path.is_file():
        raise InputError(f"{path} is not a file; give the path of a .lgvsc message")
    with path.open("rb") as file:
        head = file.read(len(MAGIC) + 1)
        if head[:-1] != MAGIC:
            raise InputError(f"{path} is not an lgvsc message: it does not begin with {MAGIC!r}")
        if head[-1] != VERSION:
            raise InputError(f"{path} has version {head[-1]} of the message format; this release reads {VERSION}")
        while _seek_marker(file):
            after_marker = file.tell()
            payload = _read_payload(file)
            segment = _unpack(payload) if payload is not None else None
            if segment is None:
                file.seek(after_marker)  # the length may be what is damaged: look for the next marker from here
            else:
                yield segment


def message_view(segments: Iterable[Segment]) -> dict[str, Any]:
    """What a person wants to read of a message, as plain JSON types; pictures are given by size only."""
    rows = [_view(segment) for segment in segments]
    return {"version": VERSION, "segments": rows}


def _view(segment: Segment) -> dict[str, Any]:
    video = segment.video
    return {
        "video": f"{video.width}x{video.height} at {float(video.fps):.6g} fps",
        "start": segment.start,
        "stop": segment.stop,
        "caption": segment.caption,
        "keyframe": segment.keyframe is not None,
        "closing_keyframe": segment.closing_keyframe is not None,
        "motion": {name: getattr(segment.motion, name) for name in Motion.__slots__} if segment.motion else None,
        "cut": segment.cut,
        "last": segment.last,
        "divergence": segment.divergence,
        "status": segment.status,
    }


def _pack(segment: Segment) -> bytes:
    video = segment.video
    words = _view(segment) | {
        "video": [video.height, video.width, video.fps.numerator, video.fps.denominator, video.frames],
    }
    blobs = [json.dumps(words, ensure_ascii=False).encode()]
    blobs += [_picture_bytes(p) if p is not None else b"" for p in (segment.keyframe, segment.closing_keyframe)]
    return b"".join(struct.pack(">I", len(blob)) + blob for blob in blobs)


def _unpack(payload: bytes) -> Segment | None:
    """A segment from an intact chunk; ``None`` where its content is not what a writer of ours makes."""
    try:
        blobs, rest = [], payload
        for _ in range(3):
            (size,) = struct.unpack_from(">I", rest)
            blobs.append(rest[4 : 4 + size])
            rest = rest[4 + size :]
        if len(blobs[0]) > MAX_WORDS_BYTES:
            return None
        words = json.loads(blobs[0])
        height, width, numerator, denominator, frames = words["video"]
        video = VideoFormat(int(height), int(width), Fraction(numerator, denominator), frames)
        motion = Motion(**words["motion"]) if words["motion"] else None
        start, stop, caption = int(words["start"]), int(words["stop"]), words["caption"]
        if not 0 < video.height * video.width <= MAX_PIXELS or not 0 <= start < stop or video.fps <= 0:
            return None
        if caption is not None and len(caption.encode()) > MAX_CAPTION_BYTES:
            return None
        if motion is not None and motion.camera not in CAMERAS:
            return None
        return Segment(
            video=video,
            start=start,
            stop=stop,
            caption=caption,
            motion=motion,
            cut=words["cut"],
            last=bool(words["last"]),
            divergence=words["divergence"],
            keyframe=_picture(blobs[1], video),
            closing_keyframe=_picture(blobs[2], video),
            status=dict(words["status"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError, struct.error):
        return None


def _picture_bytes(pixels: Pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", lossless=True, quality=20, method=0)
    return buffer.getvalue()


def _picture(data: bytes, video: VideoFormat) -> Pixels | None:
    if not data:
        return None
    try:
        with Image.open(io.BytesIO(data), formats=["WEBP"]) as image:
            if image.size != (video.width, video.height):  # before any pixel is decoded
                return None
            return np.asarray(image.convert("RGB"))
    except (UnidentifiedImageError, OSError):
        return None


def _read_payload(file: BinaryIO) -> bytes | None:
    head = file.read(8)
    if len(head) < 8:
        return None
    size, crc = struct.unpack(">II", head)
    if size > MAX_CHUNK_BYTES:
        return None
    payload = file.read(size)
    return payload if len(payload) == size and zlib.crc32(payload) == crc else None


def _seek_marker(file: BinaryIO) -> bool:
    """Place the file behind the next marker. ``False`` at the end of the file."""
    tail = b""
    while block := file.read(65536):
        window = tail + block
        found = window.find(MARKER)
        if found >= 0:
            file.seek(found + len(MARKER) - len(window), io.SEEK_CUR)
            return True
        tail = window[-len(MARKER) + 1 :]
    return False
