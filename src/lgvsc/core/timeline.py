"""Which stream of a file is its video, and when each of its frames is shown. Nothing is converted to pictures here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError
from av.stream import Disposition

FALLBACK_FPS = Fraction(25)  # for files that state no rate at all
MAX_FPS = Fraction(1000)
MAX_DENOMINATOR = 1001  # the control stream carries a rate as numerator and denominator
MAX_NUMERATOR = (1 << 18) - 1
USUAL_FPS = tuple(
    Fraction(rate)
    for rate in (1, 2, 5, 10, 12, 15, "24000/1001", 24, 25, "30000/1001", 30, 48, 50, "60000/1001", 60, 90, 100, 120)
)
EXACT_CONTAINERS = ("mov", "matroska")  # whose packets tell the times of all frames
COVERS = Disposition.attached_pic | Disposition.timed_thumbnails
ANIMATIONS = ("gif", "apng")  # whose last picture is held for a time that was chosen
HELD = 1.5  # times the usual step: more than a picture's turn
SEGMENT = b"\x18\x53\x80\x67"  # all of a Matroska file behind its first lines
STREAMS = ("mpegts", "mpeg")  # whose files can be put one behind the other
MAX_GAP_S = 10.0  # between the times of two packets; above it, or back in time, another recording begins
AT_JOIN = 3  # packets before a join may be called damaged for it
MAX_FILL = 50  # a file whose times would make so many pictures of one on average has false times


@dataclass(frozen=True, slots=True)
class Timeline:
    """When the frames of a stream are shown.

    Attributes:
        fps: The rate at which they are handed on.
        frames: How many are handed on.
        first_s: Time of the first one.
        constant: Frames come at ``fps`` by themselves.
        timed: The times can be used; otherwise frames are handed on one after the other.
        damage: What is wrong with the file, as a sentence; empty for a sound one.
        notes: What was changed, a sentence each.
        joined: Times (pts) of frames next to places where recordings were joined; a demuxer calls these damaged.
    """

    fps: Fraction
    frames: int
    first_s: float
    constant: bool
    timed: bool
    damage: str
    notes: tuple[str, ...]
    joined: frozenset[int] = frozenset()

    def place(self, time_s: float | None, due: int) -> int:
        """Where a frame stands, ``due`` being the next free place; below it, the frame is left out."""
        if time_s is None or not self.timed:
            return due
        exact = (time_s - self.first_s) * float(self.fps)
        if not self.constant:
            return round(exact)
        return max(due, int(exact - 0.5) if exact - due > 1.0 else due)


def video_stream(container: av.container.InputContainer) -> av.VideoStream | None:
    """The stream that FFmpeg would choose: the largest, a default one before others; covers are no video."""

    def score(stream: av.VideoStream) -> int:
        context = stream.codec_context
        pixels = context.width * context.height if context is not None else 0
        return pixels + 5_000_000 * bool(stream.disposition & Disposition.default)

    films = [stream for stream in container.streams.video if not stream.disposition & COVERS]
    known = [stream for stream in films if stream.codec_context is not None]
    return max(known or films, key=score, default=None)


def scan(
    container: av.container.InputContainer, stream: av.VideoStream, decode: Callable[[], Iterator[av.VideoFrame]]
) -> Timeline:
    """Times of all frames: from the packets where these can be relied on, else by decoding everything once.

    Args:
        decode: Makes the frames of the same stream, from the beginning.
    """
    times: list[float] = []
    durations: list[float] = []
    packets, doubtful, damage = 0, not container.format.name.startswith(EXACT_CONTAINERS), ""
    joins, corrupt, latest_s = list[int](), dict[int, int | None](), None  # by number of the packet
    try:
        for packet in container.demux(stream):
            if not packet.size:
                continue
            doubtful |= packet.pts is None or packet.is_discard or (not packets and not packet.is_keyframe)
            if packet.is_corrupt:
                corrupt[packets] = packet.pts
            if container.format.name in STREAMS and packet.dts is not None and packet.time_base is not None:
                now_s = float(packet.dts * packet.time_base)
                if latest_s is not None and not latest_s <= now_s <= latest_s + MAX_GAP_S:
                    joins.append(packets)
                latest_s = now_s
            packets += 1
            if packet.pts is not None and packet.time_base is not None:
                times.append(float(packet.pts * packet.time_base))
                durations.append(float((packet.duration or 0) * packet.time_base))
    except FFmpegError:
        damage = "it ends in the middle"
    at_joins = {number: pts for number, pts in corrupt.items() if any(0 <= join - number <= AT_JOIN for join in joins)}
    if len(at_joins) < len(corrupt):
        doubtful, damage = True, damage or "a piece of it is missing"
    damage = damage or cut_short(container, stream, packets, end_of(times, durations))
    if not doubtful and not damage and packets:
        return timeline(stream, np.asarray(times), durations[int(np.argmax(times))], packets, damage)
    shown, last_s = [], 0.0
    for frame in decode():
        shown.append(frame.time)
        last_s = float(frame.duration * (frame.time_base or 0))
    known = [time for time in shown if time is not None]
    usable = np.asarray(known if len(known) == len(shown) else [], dtype=np.float64)
    if joins:
        joined = frozenset(pts for pts in at_joins.values() if pts is not None)
        return in_a_row(stream, len(shown), damage, len(joins), joined)
    animation = container.format.name in ANIMATIONS
    return timeline(stream, usable, last_s * animation, len(shown), damage, holds=animation)


def in_a_row(stream: av.VideoStream, frames: int, damage: str, jumps: int, joined: frozenset[int]) -> Timeline:
    """Frames of recordings that were joined, whose times do not go on."""
    notes: list[str] = []
    stated = stated_rate(stream)
    coded = stream.codec_context.framerate or stated  # what is guessed suffers from a jump
    fps = carried(coded if abs(coded - stated) < stated / 50 else stated, notes)
    places = "one place" if jumps == 1 else f"{jumps} places"
    notes.insert(
        0,
        f"its times jump in {places}, as where recordings are joined; all frames are taken, one after the other, at "
        f"{rate_text(fps)} fps",
    )
    return Timeline(fps, max(1, frames), 0.0, True, False, damage, tuple(notes), joined)


def stated_rate(stream: av.VideoStream) -> Fraction:
    """The rate that a file gives for its pictures."""
    return stream.guessed_rate or stream.average_rate or stream.base_rate or FALLBACK_FPS


def end_of(times: list[float], durations: list[float]) -> float:
    """When the last frame has been shown, in seconds from the beginning of the file, where frames may begin late."""
    if not times:
        return 0.0
    last = int(np.argmax(times))
    return times[last] + (durations[last] or (times[last] - min(times)) / max(1, len(times) - 1))


def cut_short(container: av.container.InputContainer, stream: av.VideoStream, packets: int, seconds: float) -> str:
    """Whether a file says that it holds more than it does, which ends after so many seconds."""
    if packets < stream.frames:
        return f"it holds {packets} of the {stream.frames} frames that it announces"
    path = Path(container.name.removeprefix("file:"))
    missing = missing_bytes(path) if container.format.name.startswith("matroska") else 0
    if missing:
        return f"its last {missing} bytes are missing"
    told = stream.metadata.get("DURATION", "")
    try:
        hours, minutes, rest = told.split("\x00")[0].split(":")
        stated = 3600 * int(hours) + 60 * int(minutes) + float(rest)
    except ValueError:
        stated = 0.0
    if container.format.name.startswith("matroska") and not stated and len(container.streams) == 1:
        stated = (container.duration or 0) / av.time_base
    if stated > seconds + max(1.0, 0.05 * stated) or (stated > 1.3 * seconds + 0.5):
        return f"it holds {seconds:.2f} s of the {stated:.2f} s that it announces"
    return ""


def missing_bytes(path: Path) -> int:
    """How much shorter a Matroska file is than its segment says; 0 where it says nothing, as while it is written."""
    with path.open("rb") as file:
        head = file.read(4096)
    at = head.find(SEGMENT)
    if at < 0 or at + 12 > len(head) or not head[at + 4]:
        return 0
    first = head[at + 4]
    length = 9 - first.bit_length()  # of the size itself, in bytes: one for each leading zero, and one
    size = int.from_bytes(head[at + 4 : at + 4 + length]) - (1 << 7 * length)
    unknown = size == (1 << 7 * length) - 1
    return 0 if unknown else max(0, at + 4 + length + size - path.stat().st_size)


def timeline(
    stream: av.VideoStream, times: np.ndarray, last_s: float, frames: int, damage: str, *, holds: bool = False
) -> Timeline:
    """The rate, and whether frames keep to it.

    Args:
        times: Seconds of all frames, in any order; empty where they are not known.
        last_s: How long the last one is shown; 0 where that is not known.
        holds: Whether that was chosen, and is more than what a container writes at its end.
    """
    stated = stated_rate(stream)
    notes: list[str] = []
    times = np.unique(times)
    steps = np.diff(times)
    timed = len(times) > max(1, 0.9 * frames)
    first = float(times[0]) if len(times) else 0.0
    unit = 1 / stream.time_base if stream.time_base else MAX_FPS
    if frames <= 1 and (stated >= MAX_FPS or (holds and stated == unit)):  # a container tells of one picture no more
        stated = FALLBACK_FPS
    if not timed:
        told = max(stated, stream.average_rate or stated)  # times in milliseconds cannot tell rates above 1000
        fps = carried(told if told > MAX_FPS and frames > 1 else stated, notes)
        return Timeline(fps, max(1, frames), first, True, False, damage, tuple(notes))
    mean = Fraction(1 / float(steps.mean())).limit_denominator(MAX_DENOMINATOR)
    held = holds and len(steps) > 0 and last_s > HELD * float(np.median(steps))
    too_fast = False
    for rate in (stated, stream.average_rate, mean):
        if rate and keeps_to(times, float(rate)) and not held:
            too_fast = rate > MAX_FPS
            if too_fast:
                break
            return Timeline(carried(rate, notes), max(1, frames), first, True, True, damage, tuple(notes))
    fps = carried(shortest_rate(steps, stated), notes)
    length_s = float(times[-1]) - first
    count = max(round((length_s + (last_s or float(np.median(steps)))) * float(fps)), round(length_s * float(fps)) + 1)
    if count > MAX_FILL * len(times) + 1000:
        notes.append(f"its times cannot be true; frames are taken one after the other at {rate_text(stated)} fps")
        return Timeline(carried(stated, notes), max(1, frames), first, True, False, damage, tuple(notes))
    rate = carried(stated, [])
    if damage and on_grid(times, float(rate)):  # pictures are missing, the rate is not in doubt
        return Timeline(rate, max(1, frames), first, True, False, damage, tuple(notes))
    longest, resampled = max(float(steps.max()), last_s if held else 0.0), f"{max(1, count)} at {rate_text(fps)} fps"
    if too_fast:
        notes.append(f"the {len(times)} frames are resampled to {resampled}, each shown at its time")
    else:
        notes.append(
            f"frames come at a variable rate ({rate_text(1 / longest)} to {rate_text(1 / float(steps.min()))} "
            f"fps); the {len(times)} are resampled to {resampled}, each shown at its time"
        )
    return Timeline(fps, max(1, count), first, False, True, damage, tuple(notes))


def keeps_to(times: np.ndarray, fps: float) -> bool:
    """Whether every frame is within half a frame of its place at a constant rate."""
    late = (times - times[0]) * fps - np.arange(len(times))
    return bool(np.abs(late).max() < 0.5)


def on_grid(times: np.ndarray, fps: float) -> bool:
    """Whether frames stand at places of a constant rate, some of them empty."""
    places = (times - times[0]) * fps
    return bool(np.abs(places - np.round(places)).max() < 0.2)


def shortest_rate(steps: np.ndarray, stated: Fraction) -> Fraction:
    """A rate that gives the closest frames a place each; the stated one where it does."""
    natural = 1 / float(np.quantile(steps, 0.1))
    if 0.8 * natural <= float(stated) <= 1.25 * natural:
        return stated
    nearest = min(USUAL_FPS, key=lambda rate: abs(float(rate) - natural))
    if abs(float(nearest) - natural) < 0.06 * natural:
        return nearest
    return Fraction(natural).limit_denominator(MAX_DENOMINATOR)


def carried(fps: Fraction, notes: list[str]) -> Fraction:
    """The rate as the control stream can carry it, with a word where that is another one."""
    if fps <= 0:
        return FALLBACK_FPS
    near, limit = min(fps, MAX_FPS), MAX_DENOMINATOR
    while (found := near.limit_denominator(limit)).numerator > MAX_NUMERATOR:
        limit //= 2
    found = max(found, Fraction(1, MAX_DENOMINATOR))
    if abs(found - fps) > fps / 1000:
        notes.append(
            f"{rate_text(fps)} fps is not kept: the rate is {rate_text(found)} fps, the limits being 1/1001 and 1000"
        )
    return found


def rate_text(fps: Fraction | float) -> str:
    """A rate for people."""
    return f"{float(fps):.5g}" if float(fps) >= 0.01 else f"1/{1 / float(fps):.5g}"
