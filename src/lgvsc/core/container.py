r"""The byte form of a semantic message, ``.lgvsc``: for files, not for the air.

A file is a header and one chunk per segment. Each chunk starts with a marker and carries its length and a CRC, so
a reader that meets damage goes on at the next marker, loses that segment only, and says where::

    file    = "LGVSC\n" version:u8 chunk*
    chunk   = "SEG\x1a" length:u32 crc32:u32 payload            all integers big-endian
    payload = JSON of the numbers and words:u32-prefixed, keyframe:u32-prefixed, closing keyframe:u32-prefixed,
              sketch:u32-prefixed for each frame that the JSON lists under "sketches",
              structure layer:u32-prefixed where the JSON has "structure": its bitstream, as it goes on the air

A file with a structure layer has version 3, with sketches or colours version 2, any other version 1. Pictures are
lossless WebP of the simple form. What a chunk may hold is bounded before anything is allocated, and so is what a whole
file may ask for: a few bytes can stand for millions of pixels, or begin a thousand chunks inside each other.
"""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, get_args

import cv2
import numpy as np
from PIL import Image

from lgvsc.core.files import atomic_write, require_file
from lgvsc.core.message import (
    CAMERAS,
    COLOUR_CELLS,
    LOOKS,
    MAX_CAPTION_BYTES,
    PARTS,
    Motion,
    PartStatus,
    Segment,
    SemanticMessage,
    StructureLayer,
)
from lgvsc.core.video import MAX_PIXELS, Pixels, VideoFormat
from lgvsc.errors import InputError

MAGIC = b"LGVSC\n"
VERSION = 1
SKETCH_VERSION = 2  # of a file with sketches or colours in it
STRUCTURE_VERSION = 3  # of a file with a structure layer in it
MARKER = b"SEG\x1a"
MAX_CHUNK_BYTES = 8 * MAX_PIXELS  # two lossless pictures of the largest size, and room
MAX_WORDS_BYTES = 4 * MAX_CAPTION_BYTES + 4096  # JSON of the words and numbers; escapes may quadruple a caption
MAX_FRAMES = 1 << 40
MAX_SKETCHES = 127  # of a segment, as the control stream has it
BLOCK_BYTES = 512  # in which markers are looked for; a file of nothing else is read again from each
MAX_REREADS = 16  # of the whole file, in search of chunks whose CRC holds
MAX_FLAT_PIXELS = 1 << 27  # that a file may unfold to however small it is ...
MAX_PIXELS_PER_BYTE = 64  # ... and for each of its bytes; slides of flat colour reach about 60, photographs 1
MAX_FLAT_BYTES, MAX_BYTES_PER_BYTE = 1 << 27, 16  # of pictures in memory at once, counted likewise

OnDamage = Callable[[int, int], None]


def write_message(path: Path, segments: Iterable[Segment]) -> None:
    """Write segments as they come; the file appears when the last one is in.

    Segments are consumed one by one, so a generator may stand behind them.
    """
    with message_writer(path) as write:
        for segment in segments:
            write(segment)


@contextmanager
def message_writer(path: Path) -> Iterator[Callable[[Segment], None]]:
    """Something that writes segments when they are there; the file appears when the block ends well."""
    with atomic_write(path) as file:
        file.write(MAGIC + bytes([VERSION]))
        version = VERSION

        def write(segment: Segment) -> None:
            nonlocal version
            payload = _pack(segment)
            file.write(MARKER + struct.pack(">II", len(payload), zlib.crc32(payload)) + payload)
            version = max(version, _version(segment))

        yield write
        file.seek(len(MAGIC))
        file.write(bytes([version]))


def _version(segment: Segment) -> int:
    if segment.structure is not None:
        return STRUCTURE_VERSION
    return SKETCH_VERSION if segment.sketches or segment.colours is not None else VERSION


def read_message(path: Path, on_damage: OnDamage = lambda start, stop: None) -> SemanticMessage:
    """All intact segments of a file, in the order of the video.

    Args:
        on_damage: Called with every range of bytes ``[start, stop)`` that holds no intact segment.

    Raises:
        InputError: Not a ``.lgvsc`` file, of another version, without a single intact segment, or with more pictures
            than should be in memory at once.
    """
    segments: dict[int, Segment] = {}
    room = None
    for segment in read_segments(path, on_damage):
        room = MAX_FLAT_BYTES + MAX_BYTES_PER_BYTE * path.stat().st_size if room is None else room
        pictures = (segment.keyframe, segment.closing_keyframe, *(sketch for _, sketch in segment.sketches))
        room -= sum(picture.nbytes for picture in pictures if picture is not None)
        if room < 0:
            raise InputError(
                f"the pictures of {path} take too much memory at once; take them one by one, read_segments"
            )
        segments.setdefault(segment.start, segment)
    if not segments:
        raise InputError(f"{path} holds no intact segment")
    return SemanticMessage(tuple(segments[start] for start in sorted(segments)))


def read_segments(path: Path, on_damage: OnDamage = lambda start, stop: None) -> Iterator[Segment]:
    """Intact segments one by one; damaged ones are passed over.

    Args:
        on_damage: Called with every range of bytes ``[start, stop)`` that holds no intact segment.

    Raises:
        InputError: Not a ``.lgvsc`` file, of another version, or one that asks for absurdly much work for its size.
    """
    require_file(path, "a .lgvsc message")
    with path.open("rb") as file:
        head = file.read(len(MAGIC) + 1)
        if head[:-1] != MAGIC:
            raise InputError(f"{path} is not an lgvsc message: it does not begin with {MAGIC!r}")
        if not VERSION <= head[-1] <= STRUCTURE_VERSION:
            raise InputError(
                f"{path} has version {head[-1]} of the message format; this release reads {VERSION} to "
                f"{STRUCTURE_VERSION}"
            )
        size = path.stat().st_size
        effort = _Effort(MAX_REREADS * size, MAX_FLAT_PIXELS + MAX_PIXELS_PER_BYTE * size)
        intact_until = len(head)
        while _seek_marker(file, effort):
            after_marker = file.tell()
            payload = _read_payload(file, size)
            effort.bytes_left -= file.tell() - after_marker
            segment = _unpack(payload, effort) if payload is not None else None
            if segment is None:
                file.seek(after_marker)  # the length may be what is damaged: look for the next marker from here
            else:
                marker = after_marker - len(MARKER)
                if marker > intact_until:
                    on_damage(intact_until, marker)
                intact_until = file.tell()
                yield segment
            if effort.bytes_left < 0 or effort.pixels_left < 0:
                raise InputError(
                    f"{path} asks for far more work than its {size} bytes can mean; it is not read further"
                )
        if size > intact_until:
            on_damage(intact_until, size)


def message_view(segments: Iterable[Segment]) -> dict[str, Any]:
    """What a person wants to read of a message, as plain JSON types; pictures are given by size only.

    ``missing_frames`` are the ranges ``[start, stop)`` that no segment describes, as far as the segments tell.
    """
    rows, version = [], VERSION
    for segment in segments:
        rows.append(_view(segment))
        version = max(version, _version(segment))
    return {"version": version, "segments": rows, "missing_frames": _missing(rows)}


def _missing(rows: list[dict[str, Any]]) -> list[list[int]]:
    ranges = sorted((row["start"], row["stop"]) for row in rows)
    ends = [row["stop"] for row in rows if row["last"]]  # what a source says of its own length may be wrong
    known = max(ends or [row["frames"] or 0 for row in rows], default=0)
    missing, reached = [], 0
    for start, stop in [*ranges, (known, known)]:
        if start > reached:
            missing.append([reached, start])
        reached = max(reached, stop)
    return missing


def _view(segment: Segment) -> dict[str, Any]:
    video = segment.video
    return {
        "video": f"{video.width}x{video.height} at {float(video.fps):.6g} fps",
        "fps": float(video.fps),
        "frames": video.frames,
        "start": segment.start,
        "stop": segment.stop,
        "caption": segment.caption,
        "keyframe": segment.keyframe is not None,
        "closing_keyframe": segment.closing_keyframe is not None,
        "sketches": [index for index, _ in segment.sketches],
        "motion": _view_of_motion(segment.motion),
        "colours": None if segment.colours is None else colours_in_hex(segment.colours),
        "structure": view_of_structure(segment.structure),
        "cut": segment.cut,
        "last": segment.last,
        "divergence": segment.divergence,
        "status": segment.status,
    }


def _view_of_motion(motion: Motion | None) -> dict[str, Any] | None:
    return {name: getattr(motion, name) for name in Motion.__slots__} if motion else None


def view_of_structure(layer: StructureLayer | None) -> dict[str, Any] | None:
    """How a structure layer is coded, and how long it is, as plain JSON types."""
    if layer is None:
        return None
    numbers = {name: getattr(layer, name) for name in ("codec", "eighths", "step", "quantiser")}
    return numbers | {"bytes": len(layer.payload)}


def _pack(segment: Segment) -> bytes:
    video = segment.video
    words = {  # the order of the keys is part of the byte form
        "video": [video.height, video.width, video.fps.numerator, video.fps.denominator, video.frames],
        "start": segment.start,
        "stop": segment.stop,
        "caption": segment.caption,
        "keyframe": segment.keyframe is not None,
        "closing_keyframe": segment.closing_keyframe is not None,
        "motion": _view_of_motion(segment.motion),
        "cut": segment.cut,
        "last": segment.last,
        "divergence": segment.divergence,
        "status": segment.status,
    }
    if segment.colours is not None:
        words["colours"] = segment.colours.tobytes().hex()
    if segment.sketches:
        words["sketches"] = [index for index, _ in segment.sketches]
    layer = segment.structure
    if layer is not None:
        words["structure"] = {name: getattr(layer, name) for name in StructureLayer.__slots__ if name != "payload"}
    blobs = [json.dumps(words, ensure_ascii=False).encode()]
    blobs += [_picture_bytes(p) if p is not None else b"" for p in (segment.keyframe, segment.closing_keyframe)]
    blobs += [_picture_bytes(sketch) for _, sketch in segment.sketches]
    blobs += [layer.payload] if layer is not None else []
    return b"".join(struct.pack(">I", len(blob)) + blob for blob in blobs)


@dataclass
class _Effort:
    """What a file may still ask for: bytes to be looked at, pixels to be decoded."""

    bytes_left: int
    pixels_left: int


def _unpack(payload: bytes, effort: _Effort) -> Segment | None:
    """A segment from an intact chunk; ``None`` where its content is not what a writer of ours makes."""
    try:
        words, keyframe, closing, *others = _blobs(payload)
        if len(words) > MAX_WORDS_BYTES:
            return None
        return _segment(json.loads(words), keyframe, closing, others, effort)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, struct.error, cv2.error):
        return None


def _blobs(payload: bytes) -> list[bytes]:
    blobs: list[bytes] = []
    at = 0
    while len(blobs) < 3 or (at < len(payload) and len(blobs) < 3 + MAX_SKETCHES + 1):
        (size,) = struct.unpack_from(">I", payload, at)
        blobs.append(payload[at + 4 : at + 4 + size])
        at += 4 + size
    if at != len(payload):
        raise ValueError("lengths do not add up")
    return blobs


def _segment(words: dict[str, Any], keyframe: bytes, closing: bytes, others: list[bytes], effort: _Effort) -> Segment:
    """Raises ValueError, KeyError, TypeError or AttributeError where a value is not of its kind."""
    structure = _structure(**words["structure"], payload=others.pop()) if "structure" in words else None
    height, width, numerator, denominator, frames = words["video"]
    video = VideoFormat(
        _whole(height, 1, MAX_PIXELS),
        _whole(width, 1, MAX_PIXELS // height),
        Fraction(_whole(numerator, 1, 1 << 32), _whole(denominator, 1, 1 << 32)),
        None if frames is None else _whole(frames, 0, MAX_FRAMES),
    )
    start, cut, caption, motion = _whole(words["start"], 0, MAX_FRAMES), words["cut"], words["caption"], words["motion"]
    if caption is not None and len(caption.encode()) > MAX_CAPTION_BYTES:
        raise ValueError("caption too long")
    stop = _whole(words["stop"], start + 1, MAX_FRAMES)
    return Segment(
        video=video,
        start=start,
        stop=stop,
        caption=caption,
        motion=None if motion is None else _motion(**motion),
        colours=_colours(words.get("colours")),
        cut=None if cut is None else _whole(cut, 0, MAX_FRAMES),
        last=bool(_one_of(words["last"], (False, True))),
        divergence=None if words["divergence"] is None else _number(words["divergence"]),
        keyframe=_picture(keyframe, video, effort),
        closing_keyframe=_picture(closing, video, effort),
        sketches=tuple(_sketches(words.get("sketches", []), others, start, stop, video, effort)),
        structure=structure,
        status={_one_of(part, PARTS): _one_of(what, get_args(PartStatus)) for part, what in words["status"].items()},
    )


def _sketches(
    indices: Any, blobs: list[bytes], start: int, stop: int, video: VideoFormat, effort: _Effort
) -> Iterator[tuple[int, Pixels]]:
    """Raises ValueError where indices do not rise within the segment, or pictures and indices differ in number."""
    for index, blob in zip(indices, blobs, strict=True):
        start = _whole(index, start, stop - 1) + 1
        picture = _picture(blob, video, effort)
        if picture is None:
            raise ValueError("a sketch that is not there")
        yield index, np.ascontiguousarray(picture[..., 0])


def _structure(*, payload: bytes, headers_sent: Any, **numbers: Any) -> StructureLayer:
    """Raises TypeError where there are other numbers, ValueError where one is out of range."""
    ranges = {"codec": (0, 3), "eighths": (1, 8), "step": (1, 1023), "quantiser": (0, 127), "header_check": (0, 255)}
    ranges |= {"look": (0, len(LOOKS) - 1)}
    numbers.setdefault("look", 0)
    if numbers.keys() != ranges.keys():
        raise ValueError("other numbers than a structure layer has")
    whole = {name: _whole(value, *ranges[name]) for name, value in numbers.items()}
    return StructureLayer(payload=payload, headers_sent=_one_of(headers_sent, (False, True)), **whole)


def _motion(*, camera: Any, **numbers: Any) -> Motion:
    return Motion(camera=_one_of(camera, CAMERAS), **{name: _number(value) for name, value in numbers.items()})


def colours_in_hex(colours: Pixels) -> list[list[str]]:
    """A colour layout row by row, each cell as ``rrggbb``."""
    return [[bytes(cell).hex() for cell in row.tolist()] for row in colours]


def _colours(code: Any) -> Pixels | None:
    if code is None:
        return None
    return np.frombuffer(bytes.fromhex(code), np.uint8).reshape(COLOUR_CELLS, COLOUR_CELLS, 3)


def _whole(value: Any, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{value} is no whole number from {low} to {high}")
    return value


def _number(value: Any) -> float:
    """JSON as Python reads it knows NaN, infinities, and integers that no float can hold."""
    if type(value) not in (int, float) or not -1e9 <= value <= 1e9:
        raise ValueError(f"{value} is no number of reasonable size")
    return value


def _one_of(value: Any, known: tuple[Any, ...]) -> Any:
    if value not in known:
        raise ValueError(f"{value} is none of {known}")
    return value


def _picture_bytes(pixels: Pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", lossless=True, quality=20, method=0)
    return buffer.getvalue()


def _picture(data: bytes, video: VideoFormat, effort: _Effort) -> Pixels | None:
    """``None`` where there is none. Raises ValueError where the data are no picture of the video's size."""
    if not data:
        return None
    # Width and height as the simple lossless form has them, 14 bits each, less one; looked at before decoding.
    size = int.from_bytes(data[21:25], "little")
    if data[8:16] != b"WEBPVP8L" or ((size & 0x3FFF) + 1, (size >> 14 & 0x3FFF) + 1) != (video.width, video.height):
        raise ValueError("not a lossless WebP picture of this size")
    effort.pixels_left -= video.height * video.width
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    if pixels is None or pixels.shape != (video.height, video.width, 3):
        raise ValueError("not a picture")
    return pixels.astype(np.uint8, copy=False)


def _read_payload(file: BinaryIO, file_size: int) -> bytes | None:
    head = file.read(8)
    if len(head) < 8:
        return None
    size, crc = struct.unpack(">II", head)
    if size > min(MAX_CHUNK_BYTES, file_size - file.tell()):
        return None
    payload = file.read(size)
    return payload if len(payload) == size and zlib.crc32(payload) == crc else None


def _seek_marker(file: BinaryIO, effort: _Effort) -> bool:
    """Place the file behind the next marker. ``False`` at the end of the file."""
    tail = b""
    while block := file.read(BLOCK_BYTES):
        effort.bytes_left -= len(block)
        window = tail + block
        found = window.find(MARKER)
        if found >= 0:
            file.seek(found + len(MARKER) - len(window), io.SEEK_CUR)
            return True
        tail = window[-len(MARKER) + 1 :]
    return False
