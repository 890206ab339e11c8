"""Packets: any subset, in any order, makes a whole video; what is lost is said; strangers' bytes change nothing."""

import random
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lgvsc.coding.packets.packet_header import PACKET_PARTS, RATES, PacketHeader, pack_packet, read_packet
from lgvsc.coding.packets.packets import Assembler, PacketConfig, depacketise, packetise
from lgvsc.coding.words.colours import decode_colours, encode_colours
from lgvsc.coding.words.side import decode_motion, encode_motion
from lgvsc.core.message import Motion, Segment
from lgvsc.core.video import VideoFormat
from lgvsc.errors import ConfigError, InputError
from lgvsc.world.spans import spans

VIDEO = VideoFormat(48, 64, Fraction(30000, 1001), 100)
MOTION = Motion(score=2.0, camera="pan right", pan=0.1)
COLOURS = np.repeat(np.linspace(30, 220, 8).astype(np.uint8), 24).reshape(8, 8, 3)


def picture(seed):
    rng = np.random.default_rng(seed)
    return np.kron(rng.integers(40, 215, (6, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8)


def message():
    return [
        Segment(video=VIDEO, start=0, stop=30, caption="a red boat drifts left", motion=MOTION, keyframe=picture(1)),
        Segment(video=VIDEO, start=30, stop=31, keyframe=picture(2), cut=31),
        Segment(video=VIDEO, start=31, stop=70, caption="", motion=MOTION, colours=COLOURS, cut=40),
        Segment(
            video=VIDEO,
            start=70,
            stop=100,
            caption="two dogs",
            keyframe=picture(3),
            closing_keyframe=picture(4),
            last=True,
        ),
    ]


@lru_cache(maxsize=4)
def packets(mtu=51, extra=0.25):
    return tuple(packetise(message(), PacketConfig(mtu=mtu, extra=extra, keyframe_bits_per_pixel=0.5), stream=7))


def covered(segments):
    """Frames of the video that the receiver makes, from the ranges that it works through."""
    reached = 0
    for span in spans(segments):
        assert span.start == reached
        reached = span.stop
    return reached


@pytest.mark.parametrize("mtu", [51, 52, 64, 200, 1200, 65507])
def test_all_packets_in_any_order_give_the_message(mtu):
    sent = packets(mtu)
    assert max(len(packet) for packet in sent) <= mtu
    shuffled = random.Random(mtu).sample(sent, len(sent)) + list(sent[:5])
    got = list(depacketise(shuffled))
    for mine, true in zip(got, message(), strict=True):
        for field in ("video", "start", "stop", "caption", "cut", "last"):
            assert getattr(mine, field) == getattr(true, field), field
        assert mine.motion == (decode_motion(encode_motion(true.motion)) if true.motion else None)
        assert (mine.colours is None) == (true.colours is None)
        if true.colours is not None:
            assert np.array_equal(mine.colours, decode_colours(encode_colours(true.colours)))
        for part in ("keyframe", "closing_keyframe"):
            assert (getattr(mine, part) is None) == (getattr(true, part) is None)
            assert mine.status[part] == ("absent" if getattr(true, part) is None else "ok")
        assert mine.status["caption"] == ("absent" if true.caption is None else "ok")
        if true.keyframe is not None:
            assert np.abs(mine.keyframe.astype(float) - true.keyframe).mean() < 40


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_any_subset_in_any_order_makes_a_whole_video(data):
    sent = packets(*data.draw(st.sampled_from([(51, 0.25), (200, 0.0), (1200, 0.25)])))
    count = data.draw(st.integers(1, len(sent)))
    order = data.draw(st.randoms(use_true_random=False))
    got = list(depacketise(order.choices(sent, k=count)))  # with repetitions
    assert covered(got) == 100
    captions = {segment.start: segment.caption for segment in message()}
    for segment in got:
        assert segment.caption in (None, captions.get(segment.start))
        assert segment.video.frames == 100


@pytest.mark.parametrize("index", range(0, len(packets(51)), 3))
def test_one_packet_is_enough_for_the_whole_duration(index):
    assert covered(depacketise([packets(51)[index]])) == 100


def test_the_length_of_a_source_that_does_not_know_its_own_comes_with_the_last_packet():
    live = [replace(segment, video=replace(VIDEO, frames=None)) for segment in message()]
    sent = list(packetise(live))
    assert covered(depacketise([sent[0], sent[-1]])) == 100
    assert covered(depacketise([sent[-1]])) == 100
    assert covered(depacketise([sent[0]])) == 30, "as far as anybody can know"


def test_nothing_gives_nothing():
    assert list(depacketise([])) == [] and list(packetise([])) == []


def test_losses_are_made_up_for_by_as_many_extra_packets():
    by_part = {}
    for packet in packets(51, 0.25):
        header, _ = read_packet(packet)
        by_part.setdefault((header.start, header.part), []).append((header, packet))
    for part in by_part.values():
        extra = len(part) - part[0][0].count
        if part[0][0].part != "end":
            assert extra == -(-part[0][0].count // 4)
    lossy = [packet for part in by_part.values() for _, packet in part[len(part) - part[0][0].count :]]
    assert all("lost" not in segment.status.values() for segment in depacketise(lossy))


def test_what_cannot_be_put_together_is_lost_and_nothing_else():
    sent = packets(51, 0.0)
    keyframe = next(p for p in sent if read_packet(p).header.part == "keyframe" and read_packet(p).header.start == 70)
    got = list(depacketise(packet for packet in sent if packet != keyframe))
    assert [s.start for s in got if "lost" in s.status.values()] == [70]
    assert got[-1].status["keyframe"] == "lost" and got[-1].keyframe is None and got[-1].closing_keyframe is not None


def test_side_information_needs_the_first_fragment_of_the_words_only():
    words = "a long caption of rare words: " + " ".join(f"zyx{n}qv" for n in range(30))
    sent = list(packetise([replace(message()[0], caption=words)], PacketConfig(mtu=51, extra=0)))
    fragments = [packet for packet in sent if read_packet(packet).header.part == "words"]
    assert len(fragments) > 1
    (got,) = depacketise([fragments[0]])
    assert got.motion is not None and got.caption is None and got.status["caption"] == "lost"


def test_packets_of_another_stream_are_passed_over():
    other = list(packetise([replace(segment, caption="other") for segment in message()[:1]], stream=8))
    got = list(depacketise([*other, *packets(1200)]))
    assert len(got) == 4 and got[0].caption == "a red boat drifts left"


@settings(deadline=None, max_examples=200)
@given(st.lists(st.binary(max_size=120), max_size=8))
def test_strangers_bytes_are_nothing(received):
    assert list(depacketise(received)) == []


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_hostile_packets_with_a_good_crc_never_crash(data):
    """Fields within their widths and any payload, among packets that are true."""
    header = PacketHeader(
        stream=7,
        video=data.draw(st.sampled_from([VIDEO, replace(VIDEO, frames=None), replace(VIDEO, frames=2**23)])),
        start=data.draw(st.sampled_from([0, 30, 31, 69, 2**22])),
        length=data.draw(st.sampled_from([1, 30, 4095])),
        last=data.draw(st.booleans()),
        keyframe_sent=data.draw(st.booleans()),
        closing_sent=data.draw(st.booleans()),
        part=data.draw(st.sampled_from([part for part in PACKET_PARTS if part != "end"])),
        structure_sent=True,
        index=data.draw(st.integers(0, 300)),
        count=data.draw(st.sampled_from([1, 2, 255, 256, 300])),
    )
    hostile = pack_packet(header, data.draw(st.binary(max_size=60)))
    true = data.draw(st.lists(st.sampled_from(packets(200)), max_size=6))
    place = data.draw(st.integers(0, len(true)))
    for segment in depacketise([*true[:place], hostile, *true[place:]]):
        assert 0 <= segment.start < segment.stop


@settings(max_examples=300)
@given(st.data())
def test_headers_round_trip(data):
    frames = data.draw(st.none() | st.integers(1, 2**24 - 1))
    part = data.draw(st.sampled_from(PACKET_PARTS))
    header = PacketHeader(
        stream=data.draw(st.integers(0, 65535)),
        video=VideoFormat(
            data.draw(st.integers(1, 976)),
            data.draw(st.integers(1, 16383)),
            data.draw(st.sampled_from(RATES) | st.fractions(Fraction(1, 1000), 1000, max_denominator=9999)),
            frames,
        ),
        start=data.draw(st.integers(0, 2**23)),
        length=0 if part == "end" else data.draw(st.integers(1, 4095)),
        last=data.draw(st.booleans()),
        keyframe_sent=data.draw(st.booleans()),
        closing_sent=data.draw(st.booleans()),
        part=part,
        index=data.draw(st.integers(0, 32767)),
        count=data.draw(st.integers(1, 32768)),
        structure_sent=part == "structure" or data.draw(st.booleans()),
    )
    payload = data.draw(st.binary(max_size=50))
    assert read_packet(pack_packet(header, payload)) == (header, payload)


def test_every_damaged_bit_is_noticed():
    packet = packets(51)[0]
    for bit in range(8 * len(packet)):
        damaged = bytearray(packet)
        damaged[bit // 8] ^= 1 << bit % 8
        assert read_packet(bytes(damaged)) is None
    assert all(read_packet(packet[:stop]) is None for stop in range(len(packet)))


def test_the_byte_form_of_a_packet_is_pinned():
    header = PacketHeader(
        stream=0x1234,
        video=VideoFormat(180, 320, Fraction(24), 240),
        start=96,
        length=48,
        last=False,
        keyframe_sent=True,
        closing_sent=False,
        part="keyframe",
        index=2,
        count=7,
    )
    assert pack_packet(header, b"payload").hex() == GOLDEN_PACKET


GOLDEN_PACKET = "b11234601680a0023c180c0d60" + b"payload".hex() + "2833"  # by hand, but for the CRC


def test_a_header_is_small_enough_for_the_smallest_packets():
    overheads = [len(packet) - len(read_packet(packet).payload) for packet in packets(51)]
    assert max(overheads) <= 16
    hour = VideoFormat(1080, 1920, Fraction(30), 108_000)
    long = Segment(video=hour, start=107_000, stop=107_240, keyframe=None, caption="x")
    assert all(len(p) - len(read_packet(p).payload) <= 18 for p in packetise([long], PacketConfig(mtu=51)))


def test_what_a_packet_cannot_say_is_refused():
    with pytest.raises(InputError, match="length of a segment is 5000"):
        list(packetise([Segment(video=replace(VIDEO, frames=9000), start=0, stop=5000)]))
    for mtu in (50, 65508):
        with pytest.raises(ConfigError, match="mtu"):
            PacketConfig(mtu=mtu)


class TestAssembler:
    """Live: what leaves when."""

    def by_segment(self, mtu=1200, extra=0.0):
        parts = {}
        for packet in packets(mtu, extra):
            parts.setdefault(read_packet(packet).header.start, []).append(packet)
        return parts

    def test_a_complete_segment_leaves_at_once(self):
        assembler = Assembler(patience_s=1.0)
        parts = self.by_segment()
        for packet in parts[0]:
            assert assembler.add(packet, 0.0)
        assert [s.start for s in assembler.due(0.0)] == [0]
        assert not assembler.add(parts[0][0], 0.1), "too late, and no use"

    def test_an_incomplete_one_is_given_up_when_something_later_is_old_enough(self):
        assembler = Assembler(patience_s=1.0)
        parts = self.by_segment()
        assembler.add(parts[0][0], 0.0)
        assert list(assembler.due(100.0)) == [], "nothing later has come: it may be the network that waits"
        for packet in parts[30]:
            assembler.add(packet, 100.0)
        assert list(assembler.due(100.9)) == []
        got = list(assembler.due(101.0))
        assert [s.start for s in got] == [0, 30] and got[0].status["keyframe"] == "lost"

    def test_a_hole_is_waited_for_and_then_passed(self):
        assembler = Assembler(patience_s=1.0)
        parts = self.by_segment()
        for packet in parts[31]:
            assembler.add(packet, 5.0)
        assert list(assembler.due(5.9)) == []
        assert [s.start for s in assembler.due(6.0)] == [31]
        assert not assembler.add(parts[0][0], 6.1)

    def test_the_end_is_over_when_all_has_left_or_patience_has(self):
        assembler = Assembler(patience_s=1.0)
        *rest, end = packets(1200, 0.0)
        assert not assembler.over(1e9)
        assembler.add(end, 3.0)
        assert not assembler.over(3.5) and assembler.over(4.0)
        for packet in rest:
            assembler.add(packet, 3.2)
        assert len(list(assembler.due(3.2))) == 4 and assembler.over(3.2)

    def test_what_is_missing_at_the_end_becomes_one_empty_segment(self):
        assembler = Assembler(patience_s=1.0)
        assembler.add(packets(1200, 0.0)[-1], 0.0)
        (nothing,) = assembler.finish()
        assert (nothing.start, nothing.stop, nothing.last) == (0, 100, True)
