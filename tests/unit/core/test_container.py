"""The .lgvsc byte form: round trips, and damage that stays in its segment."""

import json
import zlib
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lgvsc.core.container import MARKER, message_view, read_message, read_segments, write_message
from lgvsc.core.message import CAMERAS, Motion, Segment
from lgvsc.core.video import VideoFormat
from lgvsc.errors import InputError

VIDEO = VideoFormat(24, 40, Fraction(30000, 1001), 90)


def picture(seed):
    return np.random.default_rng(seed).integers(0, 256, (24, 40, 3), dtype=np.uint8)


def segment(index, **changes):
    values = {
        "video": VIDEO,
        "start": 30 * index,
        "stop": 30 * index + 30,
        "caption": f"a red boat, part {index}",
        "keyframe": picture(index),
        "motion": Motion(score=1.5, camera="pan left", pan=-0.25, tilt=0.0, zoom=0.125),
        "divergence": 0.5,
    }
    return Segment(**values | changes)


def equal(a, b):
    simple = all(
        getattr(a, name) == getattr(b, name)
        for name in ("video", "start", "stop", "caption", "motion", "cut", "last", "divergence", "status")
    )
    pictures = all(
        (p is None) == (q is None) and (p is None or np.array_equal(p, q))
        for p, q in ((a.keyframe, b.keyframe), (a.closing_keyframe, b.closing_keyframe))
    )
    return simple and pictures


def write_three(path):
    sent = [segment(0), segment(1, cut=45), segment(2, last=True, closing_keyframe=picture(9), divergence=None)]
    write_message(path, sent)
    return sent


def test_round_trip(tmp_path):
    sent = write_three(tmp_path / "m.lgvsc")
    got = read_message(tmp_path / "m.lgvsc").segments
    assert len(got) == 3 and all(equal(a, b) for a, b in zip(sent, got, strict=True))
    assert read_message(tmp_path / "m.lgvsc").keyframe_indices == [0, 30, 60, 89]


@settings(max_examples=50, deadline=None)
@given(
    caption=st.none() | st.text(max_size=200),
    motion=st.none() | st.builds(Motion, score=st.floats(0, 50), camera=st.sampled_from(CAMERAS), pan=st.floats(-2, 2)),
    start=st.integers(0, 2**23),
    length=st.integers(1, 1000),
    cut=st.none() | st.integers(1, 100),
)
def test_any_segment_round_trips(tmp_path_factory, caption, motion, start, length, cut):
    path = tmp_path_factory.mktemp("m") / "m.lgvsc"
    sent = Segment(
        video=VIDEO, start=start, stop=start + length, caption=caption, motion=motion, cut=cut and start + cut
    )
    write_message(path, [sent])
    assert equal(read_message(path).segments[0], sent)


def test_damage_stays_in_its_segment(tmp_path):
    path = tmp_path / "m.lgvsc"
    write_three(path)
    whole = path.read_bytes()
    second = whole.find(MARKER, whole.find(MARKER) + 1)
    path.write_bytes(whole[: second + 40] + bytes([whole[second + 40] ^ 1]) + whole[second + 41 :])
    damage = []
    assert [s.start for s in read_segments(path, lambda start, stop: damage.append((start, stop)))] == [0, 60]
    assert damage == [(second, whole.find(MARKER, second + 1))]
    assert message_view(read_segments(path))["missing_frames"] == [[30, 60]]
    path.write_bytes(whole[: second + 5] + b"\xff\xff" + whole[second + 7 :])  # a length of gigabytes
    assert [s.start for s in read_segments(path)] == [0, 60]


def test_truncated_anywhere_never_crashes(tmp_path):
    path = tmp_path / "m.lgvsc"
    write_message(path, [segment(0), segment(1)])
    whole = path.read_bytes()
    for stop in range(0, len(whole), 97):
        path.write_bytes(whole[:stop])
        try:
            assert [s.start for s in read_segments(path)] in ([], [0])
        except InputError:
            assert stop < 7


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400))
def test_hostile_chunks_never_crash(tmp_path_factory, payload):
    import struct
    import zlib

    path = tmp_path_factory.mktemp("m") / "m.lgvsc"
    chunk = MARKER + struct.pack(">II", len(payload), zlib.crc32(payload)) + payload
    path.write_bytes(b"LGVSC\n\x01" + chunk)
    assert list(read_segments(path)) == []


def test_wrong_files_are_named(tmp_path):
    path = tmp_path / "m.lgvsc"
    path.write_bytes(b"RIFF....")
    with pytest.raises(InputError, match="not an lgvsc message"):
        read_message(path)
    path.write_bytes(b"LGVSC\n\x09")
    with pytest.raises(InputError, match="version 9"):
        read_message(path)
    with pytest.raises(InputError, match="no intact segment"):
        path.write_bytes(b"LGVSC\n\x01")
        read_message(path)


def test_a_failing_writer_leaves_nothing(tmp_path):
    def broken():
        yield segment(0)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_message(tmp_path / "m.lgvsc", broken())
    assert list(tmp_path.iterdir()) == []


def test_colours_come_back_and_are_shown_cell_by_cell(tmp_path):
    colours = np.random.default_rng(4).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    write_message(tmp_path / "m.lgvsc", [segment(0), segment(1, colours=colours, last=True)])
    assert (tmp_path / "m.lgvsc").read_bytes()[6] == 2
    first, second = read_message(tmp_path / "m.lgvsc").segments
    assert first.colours is None and np.array_equal(second.colours, colours)
    rows = message_view(read_segments(tmp_path / "m.lgvsc"))["segments"]
    assert rows[0]["colours"] is None and rows[1]["colours"][2][5] == bytes(colours[2, 5]).hex()


@pytest.mark.parametrize("code", ["00", "zz" * 192, 7, "0" * 386])
def test_colours_that_no_writer_makes_damage_their_segment_only(tmp_path, code):
    write_message(tmp_path / "good", [segment(0), segment(1, colours=np.zeros((8, 8, 3), np.uint8), last=True)])
    data = (tmp_path / "good").read_bytes()
    start = data.rindex(MARKER)
    payload = data[start + 12 :]
    size = int.from_bytes(payload[:4], "big")
    words = json.loads(payload[4 : 4 + size]) | {"colours": code}
    text = json.dumps(words).encode()
    payload = len(text).to_bytes(4, "big") + text + payload[4 + size :]
    chunk = MARKER + len(payload).to_bytes(4, "big") + zlib.crc32(payload).to_bytes(4, "big") + payload
    (tmp_path / "bad").write_bytes(data[:start] + chunk)
    assert [s.start for s in read_message(tmp_path / "bad").segments] == [0]


def drawing(seed):
    return picture(seed)[..., 0].copy()


def with_sketches(count=3):
    return segment(1, keyframe=None, sketches=tuple((30 + 10 * i, drawing(i)) for i in range(count)))


def test_sketches_come_back_and_the_file_says_that_it_has_some(tmp_path):
    write_message(tmp_path / "m.lgvsc", [segment(0), with_sketches(), segment(2, last=True)])
    assert (tmp_path / "m.lgvsc").read_bytes()[6] == 2
    first, second, third = read_message(tmp_path / "m.lgvsc").segments
    assert first.sketches == third.sketches == ()
    assert [index for index, _ in second.sketches] == [30, 40, 50]
    assert all(np.array_equal(sketch, drawing(i)) for i, (_, sketch) in enumerate(second.sketches))
    view = message_view(read_segments(tmp_path / "m.lgvsc"))
    assert view["version"] == 2 and [row["sketches"] for row in view["segments"]] == [[], [30, 40, 50], []]


@pytest.mark.parametrize(
    "sketches",
    [
        ((20, drawing(0)),),  # before the segment
        ((60, drawing(0)),),  # behind it
        ((40, drawing(0)), (40, drawing(1))),  # twice the same frame
        ((30, np.zeros((24, 39), np.uint8)),),  # of another size
    ],
)
def test_sketches_that_no_writer_makes_damage_their_segment_only(tmp_path, sketches):
    write_message(tmp_path / "m.lgvsc", [segment(0), segment(1, sketches=sketches)])
    damage = []
    got = read_message(tmp_path / "m.lgvsc", lambda a, b: damage.append((a, b))).segments
    assert [s.start for s in got] == [0] and len(damage) == 1


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_file_with_sketches_can_be_cut_or_hurt_anywhere(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("hurt") / "m.lgvsc"
    write_message(path, [with_sketches(2), segment(2, last=True)])
    whole = bytearray(path.read_bytes())
    at = data.draw(st.integers(7, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(whole[: data.draw(st.integers(at, len(whole)))]))
    for got in read_segments(path):  # what is read is what was written
        assert equal(got, with_sketches(2) if got.start == 30 else segment(2, last=True))
