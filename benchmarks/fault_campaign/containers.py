"""Message files: every bit flipped, bursts, every truncation, wrong versions, hostile numbers, bombs."""

from __future__ import annotations

import io
import json
import random
import struct
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fault_campaign.damage import bit_flips, bursts
from fault_campaign.parsers import as_file, chunk, golden_message, words_seeds
from fault_campaign.verdicts import Case, Outcome, Verdict, clear
from lgvsc.core.container import MARKER, SKETCH_VERSION, VERSION, message_view, read_message, read_segments
from lgvsc.core.message import Segment
from lgvsc.errors import InputError

HEAD = 7  # bytes before the first chunk
STORED = Path(__file__).parents[2] / "tests" / "golden" / "message_v1.lgvsc"


@cache
def stored_message() -> bytes:
    """The golden file of the repository."""
    return STORED.read_bytes()


@cache
def segments_of(data: bytes) -> tuple[Segment, ...]:
    return tuple(read_segments(as_file("sent.lgvsc", data)))


def same(one: Segment, other: Segment) -> bool:
    """Equal in every field, pictures included."""
    simple = ("video", "start", "stop", "caption", "motion", "cut", "last", "divergence", "status")
    pictures = ((one.keyframe, other.keyframe), (one.closing_keyframe, other.closing_keyframe))
    return all(getattr(one, name) == getattr(other, name) for name in simple) and all(
        (a is None) == (b is None) and (a is None or np.array_equal(a, b)) for a, b in pictures
    )


def message_verdict(data: bytes, original: bytes, spared: int | None = None) -> Verdict:
    """Read damaged bytes and compare with what was written.

    Args:
        spared: How many segments must have survived; ``None``: any number.
    """
    damage: list[tuple[int, int]] = []
    try:
        got = list(read_segments(as_file("damaged.lgvsc", data), lambda start, stop: damage.append((start, stop))))
    except InputError as error:
        return clear(error)
    sent = {segment.start: segment for segment in segments_of(original)}
    for segment in got:
        if segment.start not in sent or not same(segment, sent[segment.start]):
            return Verdict(Outcome.WRONG, f"the segment at frame {segment.start} is not the one that was written")
    if spared is not None and len({segment.start for segment in got}) < spared:
        return Verdict(Outcome.WRONG, f"{len(got)} segments survived where {spared} were not touched")
    if len({segment.start for segment in got}) == len(sent) and not damage:
        return Verdict(Outcome.HARMLESS)
    if not got:
        return Verdict(Outcome.REFUSED, "holds no intact segment")
    if damage or message_view(got)["missing_frames"]:
        return Verdict(Outcome.REPORTED)
    return Verdict(Outcome.WRONG, "a segment is gone and nobody says so")


def flips(every: int = 1) -> Iterator[Case]:
    """Every single bit of the golden file. In a chunk only its own segment may be lost."""
    data = stored_message()
    count = len(segments_of(data))
    for number, (name, damaged) in enumerate(bit_flips(data, every)):
        spared = count - 1 if number * every >= 8 * HEAD else None
        yield Case(name, lambda damaged=damaged, spared=spared: message_verdict(damaged, data, spared))


def truncations(every: int = 1) -> Iterator[Case]:
    """Every length. What lies wholly before the cut must survive."""
    data = stored_message()
    ends = [*[at for at in range(len(data)) if data.startswith(MARKER, at)][1:], len(data)]
    for length in range(0, len(data), every):
        spared = sum(end <= length for end in ends) if length >= HEAD else None
        yield Case(f"cut at {length}", lambda n=length, spared=spared: message_verdict(data[:n], data, spared))


def burst_errors(count: int = 2000) -> Iterator[Case]:
    data = stored_message()
    for name, damaged in bursts(data, count):
        yield Case(name, lambda damaged=damaged: message_verdict(damaged, data))


def shuffled_chunks(count: int = 500) -> Iterator[Case]:
    """Chunks dropped, repeated and put in another order."""
    data, rng = golden_message(), random.Random(0)
    begins = [at for at in range(len(data)) if data.startswith(MARKER, at)]
    pieces = [data[a:b] for a, b in zip(begins, [*begins[1:], len(data)], strict=True)]
    for number in range(count):
        order = [rng.randrange(len(pieces)) for _ in range(rng.randrange(6))]
        yield Case(f"order {order}, {number}", lambda order=order: chunks_verdict(order, pieces, data))


def chunks_verdict(order: list[int], pieces: list[bytes], original: bytes) -> Verdict:
    path = as_file("shuffled.lgvsc", original[:HEAD] + b"".join(pieces[index] for index in order))
    message = read_message(path)
    starts = [segment.start for segment in message.segments]
    if starts != sorted({segments_of(original)[index].start for index in order}):
        return Verdict(Outcome.WRONG, f"segments at {starts} from chunks {order}")
    lost = len(set(order)) < len(pieces)
    if lost != bool(message_view(message.segments)["missing_frames"]):
        return Verdict(Outcome.WRONG, f"what is missing is not told for {order}")
    return Verdict(Outcome.REPORTED if lost else Outcome.HARMLESS)


# Hostile content under a CRC that holds


def repacked(words: bytes, keyframe: bytes = b"", closing: bytes = b"") -> bytes:
    """The payload of a chunk."""
    return b"".join(struct.pack(">I", len(blob)) + blob for blob in (words, keyframe, closing))


def words_with(**changes: Any) -> bytes:
    return json.dumps(json.loads(words_seeds()[0]) | changes).encode()


STRANGE: tuple[Any, ...] = (
    *(None, True, -1, 0, 2**31, 2**63, 2**64, 10**400, 1.5, -0.0, 1e308),
    *(float("nan"), float("inf"), "", "12", "\ud800", "a" * 5000, [], [[]], {}, {"a": 1}, [1] * 5),
)


def hostile_numbers() -> Iterator[Case]:
    """Every field with every strange value: 2^31 pixels wide, 2^63 frames long, NaN, words for numbers."""
    plain = json.loads(words_seeds()[0])
    for number, value in enumerate(STRANGE):
        for name in plain:
            yield hostile(f"{name} is strange value {number}", repacked(words_with(**{name: value})))
        for at in range(5):
            video = [*plain["video"][:at], value, *plain["video"][at + 1 :]]
            yield hostile(f"video[{at}] is strange value {number}", repacked(words_with(video=video)))
        for name in plain["motion"]:
            motion = plain["motion"] | {name: value}
            yield hostile(f"motion {name} is strange value {number}", repacked(words_with(motion=motion)))
        yield hostile(f"status is strange value {number}", repacked(words_with(status={"caption": value})))
    for name in plain:
        without = {key: value for key, value in plain.items() if key != name}
        yield hostile(f"no {name}", repacked(json.dumps(without).encode()))
    for depth in (100, 1000, 6000):
        for left, right in (("[", "]"), ('{"a":', "}")):
            yield hostile(f"nesting {left} {depth}", repacked((left * depth + "1" + right * depth).encode()))
            deep = words_with(caption=0).replace(b'"caption": 0', f'"caption": {left * depth}1{right * depth}'.encode())
            yield hostile(f"nesting {left} {depth} in a field", repacked(deep))
    yield hostile(
        "an integer of 5000 digits", repacked(words_with(start=0).replace(b'"start": 0', b'"start": ' + b"9" * 5000))
    )
    for size in (0, 3, 2**31, 2**32 - 1):
        yield hostile(f"words of {size} bytes announced", struct.pack(">I", size) + words_with())


def hostile(name: str, payload: bytes) -> Case:
    return Case(name, lambda: view_verdict(chunk(payload)))


def view_verdict(data: bytes) -> Verdict:
    """Damage is told, or all of it can be shown to a person and written as JSON."""
    from lgvsc.cli.inspect_commands import message_lines

    damage: list[tuple[int, int]] = []
    view = message_view(read_segments(as_file("hostile.lgvsc", data), lambda start, stop: damage.append((start, stop))))
    json.dumps(view, allow_nan=False)
    if view["segments"]:
        list(message_lines(view))
    return Verdict(Outcome.REPORTED if damage else Outcome.HARMLESS)


def wrong_heads() -> Iterator[Case]:
    """Every version but our two, and what other files begin with."""
    data = golden_message()
    for version in range(256):
        if version not in (VERSION, SKETCH_VERSION):
            yield refused(f"version {version}", data[: HEAD - 1] + bytes([version]) + data[HEAD:])
    magics = (
        b"",
        b"L",
        b"LGVSC",
        b"LGVSC\r\n\x01",
        b"lgvsc\n\x01",
        b"RIFF\0\0\0\0WEBP",
        b"\x89PNG\r\n",
        b"PK\x03\x04",
        b"{}",
    )
    for magic in magics:
        yield refused(f"begins with {magic!r}", magic + data[HEAD:])


def refused(name: str, data: bytes) -> Case:
    def judge() -> Verdict:
        list(read_segments(as_file("head.lgvsc", data)))
        return Verdict(Outcome.WRONG, "was read")

    return Case(name, judge)


# Small files that ask for much


def bombs() -> Iterator[Case]:
    """Files of at most 1 MiB that unfold, or that make the reader look again and again."""
    flat = flat_picture(4000, 4000)
    video = [4000, 4000, 24, 1, 100_000]

    def chunks(count: int, words: bytes, *pictures: bytes) -> bytes:
        return golden_message()[:HEAD] + chunk(repacked(words, *pictures))[HEAD:] * count

    words = words_with(video=video, start=0, stop=10)
    for count in (1, 2, 30, 1000):
        yield bomb(f"{count} flat pictures of 16 megapixels", chunks(count, words, flat))
        yield bomb(f"{count} pairs of flat pictures", chunks(count, words, flat, flat))
    broken = flat[:-4] + b"\xff" * 4
    yield bomb("1000 broken flat pictures", chunks(1000, words, broken))
    yield bomb(
        "a picture that claims 16383x16383", chunks(1, words_with(video=[16383, 16383, 24, 1, 9]), resized(flat))
    )
    yield bomb("a picture larger than the video", chunks(1, words_with(video=[8, 8, 24, 1, 9]), flat))
    yield bomb("a caption of 1 MiB", chunks(1, words_with(caption="a" * (1 << 20)))[: 1 << 20])
    yield bomb("words of 1 MiB of brackets", chunks(1, b"[" * (1 << 20)))
    claims = MARKER + struct.pack(">II", 1 << 19, 0)
    yield bomb(
        "markers that claim half of the file each", golden_message()[:HEAD] + claims * ((1 << 20) // len(claims))
    )
    yield bomb("nothing but markers", golden_message()[:HEAD] + MARKER * (1 << 18))
    yield bomb("chunks inside each other", golden_message()[:HEAD] + nested_chunks(1 << 20))
    yield bomb("1 MiB of zeros", golden_message()[:HEAD] + bytes(1 << 20))
    yield bomb("5000 small segments", chunks(1, words_with())[:HEAD] + chunk(repacked(words_with()))[HEAD:] * 2500)


def bomb(name: str, data: bytes) -> Case:
    def judge() -> Verdict:
        assert len(data) <= (1 << 20) + 100, "the rule is about files of up to 1 MiB"
        verdict = view_verdict(data)
        read_message(as_file("bomb.lgvsc", data))
        return verdict

    return Case(name, judge)


def nested_chunks(size: int) -> bytes:
    """Chunks whose payload is all that follows, with lengths that are right and CRCs that are not."""
    step = len(MARKER) + 8
    return b"".join(MARKER + struct.pack(">II", size - at - step, 1) for at in range(0, size - step, step))


@cache
def flat_picture(height: int, width: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height)).save(buffer, "WEBP", lossless=True, method=0)
    return buffer.getvalue()


def resized(picture: bytes) -> bytes:
    """The same picture with the largest size that its header can claim."""
    flags = int.from_bytes(picture[21:25], "little") >> 28 << 28
    return picture[:21] + (flags | 16382 | 16382 << 14).to_bytes(4, "little") + picture[25:]


CLASSES: dict[str, tuple[Callable[..., Iterator[Case]], dict[str, int]]] = {
    "message file: every bit flipped": (flips, {"every": 1}),
    "message file: cut at every byte": (truncations, {"every": 1}),
    "message file: bursts": (burst_errors, {"count": 2000}),
    "message file: chunks dropped, repeated, reordered": (shuffled_chunks, {"count": 500}),
    "message file: wrong magic and versions": (wrong_heads, {}),
    "message file: hostile values": (hostile_numbers, {}),
    "message file: bombs": (bombs, {}),
}
