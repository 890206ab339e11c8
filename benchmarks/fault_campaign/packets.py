"""Packets: lost up to 90 %, repeated, reordered, damaged, foreign, and headers that lie."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache

from fault_campaign.air import NOTHING_ARRIVED, message, segments_verdict
from fault_campaign.damage import edited
from fault_campaign.verdicts import Case, Outcome, Verdict
from lgvsc.coding.packets.packet_header import pack_packet, read_packet
from lgvsc.coding.packets.packets import PacketConfig, depacketise, packetise
from lgvsc.core.message import Segment
from lgvsc.core.video import VideoFormat

MTUS = (51, 200, 1200)


@dataclass(frozen=True, slots=True, eq=False)
class Packets:
    """A message in packets, and its segments as they come out where all arrive."""

    sent: tuple[bytes, ...]
    clean: dict[int, Segment]


@cache
def packets(mtu: int, extra: float = 0.25) -> Packets:
    sent = tuple(packetise(message(), PacketConfig(mtu=mtu, keyframe_bits_per_pixel=1.0, extra=extra), stream=7))
    return Packets(sent, {segment.start: segment for segment in depacketise(sent)})


def verdict(mtu: int, arrived: list[bytes]) -> Verdict:
    """Put together what arrived and compare it with what was sent."""
    segments = list(depacketise(arrived))
    return segments_verdict(segments, packets(mtu).clean) if segments else NOTHING_ARRIVED


def losses(seeds: int = 12) -> Iterator[Case]:
    """None to 90 % of the packets lost, one by one or in runs, a tenth repeated, in order or not."""
    for mtu in MTUS:
        for percent in (0, 1, 5, 10, 20, 40, 60, 80, 90):
            for seed in range(seeds):
                arrived = after_loss(packets(mtu).sent, percent / 100, seed)
                name = f"{mtu} bytes, {percent} % lost, seed {seed}"
                yield Case(name, lambda mtu=mtu, arrived=arrived: verdict(mtu, arrived))


def after_loss(sent: tuple[bytes, ...], share: float, seed: int) -> list[bytes]:
    rng = random.Random(seed)
    arrived: list[bytes] = []
    bad = False
    for packet in sent:
        if seed % 2:  # in runs of five on average
            bad = rng.random() < (0.8 if bad else 0.2 * share / max(1 - share, 0.1))
        else:
            bad = rng.random() < share
        if not bad:
            arrived += [packet] * (2 if rng.random() < 0.1 else 1)
    if seed % 3 == 1:
        rng.shuffle(arrived)
    return arrived


def flips(every: int = 1) -> Iterator[Case]:
    """Every bit of every packet: none may pass for a good one; and of some the whole message is put together."""
    for mtu in (51, 1200):
        for number, packet in enumerate(packets(mtu).sent):
            for bit in range(0, 8 * len(packet), every):
                yield Case(f"{mtu} bytes, packet {number}, bit {bit}", lambda *a, m=mtu, n=number, b=bit: flip(m, n, b))


def flip(mtu: int, number: int, bit: int) -> Verdict:
    sent = list(packets(mtu).sent)
    sent[number] = flipped(sent[number], bit)
    if read_packet(sent[number]) is not None:
        return Verdict(Outcome.WRONG, "passes for a good packet")
    return Verdict(Outcome.REFUSED) if bit % 97 else verdict(mtu, sent)


def flipped(data: bytes, bit: int) -> bytes:
    at = bit // 8
    return data[:at] + bytes([data[at] ^ 128 >> bit % 8]) + data[at + 1 :]


def damaged(count: int = 300) -> Iterator[Case]:
    """Packets cut short, edited, joined, from elsewhere, or pure noise, among good ones."""
    rng = random.Random(3)
    for number in range(count):
        mtu = rng.choice(MTUS)
        arrived = list(packets(mtu).sent)
        for at in range(len(arrived)):
            if rng.random() < 0.3:
                arrived[at] = spoiled(arrived[at], number, rng)
        yield Case(f"{mtu} bytes, number {number}", lambda mtu=mtu, arrived=arrived: verdict(mtu, arrived))


@cache
def foreign() -> tuple[bytes, ...]:
    """Another transmission of the first segment. Where more of it arrives than of ours, it is rightly believed."""
    return tuple(packetise(message()[:1], PacketConfig(mtu=200, keyframe_bits_per_pixel=1.0), stream=9))


def spoiled(packet: bytes, number: int, rng: random.Random) -> bytes:
    match number % 5:
        case 0:
            return packet[: rng.randrange(len(packet))]
        case 1:
            return edited(packet, rng)
        case 2:
            return packet + packet
        case 3:
            return rng.choice(foreign())
        case _:
            return rng.randbytes(len(packet))


STRANGE_VIDEOS = (
    VideoFormat(4000, 4000, Fraction(25), 2**23),
    VideoFormat(1, 16383, Fraction(1000), None),
    VideoFormat(16383, 1, Fraction(1, 2**23), 1),
    VideoFormat(32, 48, Fraction(25), 1),
)


def lying_headers() -> Iterator[Case]:
    """Packets whose CRC holds and whose numbers contradict the rest, before, among and after good ones."""
    good = packets(200).sent
    first = read_packet(good[0])
    assert first is not None
    header, payload = first
    lies = [
        *(replace(header, video=video) for video in STRANGE_VIDEOS),
        *(replace(header, start=start) for start in (1, 5, 29, 31, 2**24 - 2000)),
        *(replace(header, length=length) for length in (1, 9, 11, 4095)),
        *(replace(header, index=index, count=count) for index, count in ((0, 1), (255, 256), (32000, 1), (5, 32768))),
        *(replace(header, part=part) for part in ("keyframe", "closing_keyframe")),
        replace(header, keyframe_sent=False),
        replace(header, closing_sent=True),
        replace(header, last=True),
        replace(header, part="end", start=2**24 - 1, length=0),
        replace(header, part="end", start=0, length=0),
        replace(header, part="end", start=7, length=0),
    ]
    for number, lie in enumerate(lies):
        for body in (payload, b"", b"\x80", b"\xff" * 400, bytes(len(payload))):
            bad = pack_packet(lie, body)
            for where, arrived in (
                ("alone", [bad]),
                ("first", [bad, *good]),
                ("last", [*good, bad]),
                ("often", [bad] * 50),
            ):
                name = f"lie {number}, {len(body)} bytes, {where}"
                yield Case(name, lambda arrived=arrived, where=where: lie_verdict(arrived))


def lie_verdict(arrived: list[bytes]) -> Verdict:
    """A liar may speak for the stream; what comes out must still be segments that the rest can live with."""
    segments = list(depacketise(arrived))
    for one, following in itertools.pairwise(segments):
        if following.start < one.start:
            return Verdict(Outcome.WRONG, f"frame {following.start} after frame {one.start}")
    for segment in segments:
        pictures = (segment.keyframe, segment.closing_keyframe)
        size = (segment.video.height, segment.video.width, 3)
        if not segment.start < segment.stop or any(p is not None and p.shape != size for p in pictures):
            return Verdict(Outcome.WRONG, f"frames [{segment.start}, {segment.stop}) or a picture of another size")
    return Verdict(Outcome.REPORTED) if segments else NOTHING_ARRIVED


def read_fuzzed(data: bytes) -> Verdict:
    """A packet as it is, and under a CRC that holds; for the fuzz targets."""
    from lgvsc.coding.packets.packet_header import crc

    found = False
    for packet in (data, data[:-2] + crc(data[:-2])):
        read = read_packet(packet)
        if read is not None:
            found = True
            assert 0 < float(read.header.video.fps) <= 1000
        lie_verdict([packet])
    return Verdict(Outcome.HARMLESS) if found else Verdict(Outcome.REFUSED)


CLASSES: dict[str, tuple[Callable[..., Iterator[Case]], dict[str, int]]] = {
    "packets: lost up to 90 %, repeated, reordered": (losses, {"seeds": 12}),
    "packets: every bit flipped": (flips, {"every": 1}),
    "packets: cut, edited, joined, foreign, noise": (damaged, {"count": 300}),
    "packets: headers that lie": (lying_headers, {}),
}
