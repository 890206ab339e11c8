"""Sketches in a burst: which arrive, what they cost, and what is left when a part of them is lost."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sketch_pieces import CoarseDifferences, checked, road, white_rows

from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import seeded
from lgvsc.coding.belief import Belief
from lgvsc.coding.burst.control import MessageControl
from lgvsc.coding.message_codec import CodingConfig, MessageCodec
from lgvsc.coding.parts.sketches import OTHER_SKETCHES, SKETCH_RATE_MAP, SketchControl
from lgvsc.coding.pictures.digital_picture import DigitalPictureCodec
from lgvsc.coding.pictures.roads import PictureRoads
from lgvsc.core.air import Reception
from lgvsc.core.ledger import Ledger
from lgvsc.core.message import Segment
from lgvsc.core.video import VideoFormat
from lgvsc.errors import ConfigError

VIDEO = VideoFormat(64, 96, Fraction(4), 16)
DRAWN = SketchControl(
    height=64, width=96, fps_numerator=4, fps_denominator=1, total_frames=16, start=8, length=8, last=1,
    cut=0, caption_bits=80, caption_mcs=3, side=0, side_mcs=0, keyframe_codec=0, keyframe_length=0,
    keyframe_mode=0, closing_codec=0, closing_length=0, closing_mode=0, sketches=4, sketch_spacing=2,
    sketch_header_bits=40, sketch_header_mcs=31, sketch_symbols=768,
)  # fmt: skip


def codec(snr_db=10.0, others=None, **config):
    roads = PictureRoads([DigitalPictureCodec()])
    return MessageCodec(
        roads, Belief(snr_db, CodingConfig(**config).text_mcs), CodingConfig(**config), lambda: road(others)
    )


def drawn(count=4, spacing=2, start=0, **parts):
    sketches = tuple((start + i * spacing, checked(i, 64, 96)) for i in range(count))
    given = {"caption": "a red boat", "sketches": sketches} | parts
    return Segment(video=VIDEO, start=start, stop=start + 8, **given)


def through(bursts, snr_db, seed=0):
    channel = AwgnChannel(snr_db, seeded(seed))
    return [channel(burst.symbols) for burst in bursts]


# Control


def test_bursts_without_sketches_keep_the_shorter_control():
    ((_, plain),) = codec().encode([drawn(count=0)])
    assert plain.parts[0].payload_bits == MessageControl.block_bits() < SketchControl.block_bits()


def test_the_layout_with_sketches_is_pinned():
    bits = "".join(map(str, DRAWN.pack()))
    assert len(bits) == SketchControl.block_bits() == 267
    assert bits[:3] == "111"
    fields = [int(bits[a:b], 2) for a, b in ((199, 206), (206, 216), (216, 229), (229, 234), (234, 251))]
    assert fields == [4, 2, 40, 31, 768]


@given(st.integers(1, 127), st.integers(1, 8), st.integers(1, 8191), st.integers(0, 31), st.integers(0, 2**17 - 1))
def test_round_trip_of_the_sketch_fields(count, spacing, header_bits, mcs, symbols):
    several = count > 1
    given_ = dataclasses.replace(
        DRAWN, length=1023, sketches=count, sketch_spacing=spacing * several,
        sketch_header_bits=header_bits * several, sketch_header_mcs=mcs, sketch_symbols=symbols * several,
    )  # fmt: skip
    assert SketchControl.unpack(given_.pack()) == given_


@pytest.mark.parametrize(
    "change",
    [
        {"sketches": 0},
        {"sketches": 5},  # beyond the segment's end
        {"sketch_spacing": 0},
        {"sketch_header_bits": 0},
        {"sketches": 1},  # with a spacing
    ],
)
def test_sketches_that_contradict_the_segment_are_no_control(change):
    assert SketchControl.unpack(dataclasses.replace(DRAWN, **change).pack()) is None


def test_one_layout_does_not_pass_for_the_other(monkeypatch):
    """A block of the short length that calls itself version 7, and a long one of version 3."""
    plain = MessageControl(**{name: value for name, value in vars(DRAWN).items() if "sketch" not in name})
    for control, version in ((plain, SketchControl.version), (DRAWN, 3)):
        with monkeypatch.context() as patched:
            patched.setattr(type(control), "version", version)
            wrong = control.pack()
        assert MessageControl.unpack(wrong) is None and SketchControl.unpack(wrong) is None
    assert MessageControl.unpack(plain.pack()) == plain and SketchControl.unpack(DRAWN.pack()) == DRAWN


# Bursts


@pytest.mark.parametrize("snr_db", [12.0, 3.0, -3.0])
@pytest.mark.parametrize("rule", ["adaptive", "gvsc"])
def test_sketches_arrive_at_their_frames_in_the_video_s_size(snr_db, rule):
    if (snr_db, rule) == (-3.0, "gvsc"):
        pytest.skip("below the reach of turbo 1/3 with 4-QAM")
    sent = [drawn(4, 2, 0), drawn(1, 0, 8, last=True)]
    bursts = [burst for _, burst in codec(snr_db, mcs=rule).encode(sent)]
    got = list(codec(99.0).decode(through(bursts, snr_db)))
    assert [[index for index, _ in s.sketches] for s in got] == [[0, 2, 4, 6], [8]]
    assert all(sketch.shape == (64, 96) and sketch.dtype == np.uint8 for s in got for _, sketch in s.sketches)
    if snr_db > 0:
        assert [white_rows(sketch) for _, sketch in got[0].sketches[1:]] == [[1], [2], [3]]
    assert [s.status["key_sketch"] for s in got] == ["ok", "ok"]
    assert [s.status["other_sketches"] for s in got] == ["ok", "absent"]
    assert [s.caption for s in got] == ["a red boat"] * 2
    assert got[0].status["keyframe"] == "absent"


def test_every_symbol_of_a_sketch_is_charged_to_sketches():
    others = CoarseDifferences()
    bursts = [burst for _, burst in codec(10.0, others, sketch_symbols=300).encode([drawn()])]
    ledger = Ledger.of(bursts, VIDEO)
    parts = [ledger.labelled(label) for label in ("key sketch", OTHER_SKETCHES, SKETCH_RATE_MAP)]
    assert parts[:2] == [1024, 3 * 256] and parts[2] > 0
    assert ledger.symbols["sketches"] == sum(parts)
    assert ledger.symbols["total"] == sum(burst.symbols.numel() for burst in bursts)
    assert others.asked == [{"frames": 3, "max_symbols": 900, "sizes": {(256, 256)}}]


def test_pictures_and_sketches_go_together():
    picture = np.full((64, 96, 3), 90, np.uint8)
    sent = drawn(keyframe=picture, closing_keyframe=picture, last=True)
    (got,) = codec().decode(through([burst for _, burst in codec().encode([sent])], 20.0))
    assert got.keyframe is not None and got.closing_keyframe is not None and len(got.sketches) == 4


def test_where_the_rate_map_is_lost_the_key_sketch_is_left():
    (burst,) = [burst for _, burst in codec().encode([drawn()])]
    received = through([burst], 20.0)[0]
    at = sum(len(part) for part in burst.parts[:3])
    count = len(burst.parts[3])
    assert burst.parts[3].label == SKETCH_RATE_MAP
    symbols = received.symbols.clone()
    symbols[at : at + count] = torch.randn(count, dtype=torch.complex64, generator=seeded(4))
    (got,) = codec().decode([Reception(symbols, received.noise_variance)])
    assert [index for index, _ in got.sketches] == [0]
    assert (got.status["key_sketch"], got.status["other_sketches"]) == ("ok", "lost")
    assert got.caption == "a red boat"


def test_where_nothing_was_heard_of_the_key_sketch_there_is_none():
    (burst,) = [burst for _, burst in codec().encode([drawn()])]
    received = through([burst], 20.0)[0]
    at = sum(len(part) for part in burst.parts[:2])
    symbols = received.symbols.clone()
    symbols[at : at + 1024] = complex("nan")
    (got,) = codec().decode([Reception(symbols, received.noise_variance)])
    assert got.sketches == () and got.erased_symbols == 1024
    assert (got.status["key_sketch"], got.status["other_sketches"]) == ("lost", "lost")


def test_bursts_with_and_without_sketches_follow_each_other():
    sent = [drawn(), drawn(0, 0, 8, last=True)]
    bursts = [burst for _, burst in codec().encode(sent)]
    assert [len(burst.parts) for burst in bursts] == [5, 2]
    got = list(codec(0.0).decode(through(bursts, 10.0)))
    assert [(s.start, len(s.sketches)) for s in got] == [(0, 4), (8, 0)]
    assert got[1].status["key_sketch"] == "absent"


@pytest.mark.parametrize("indices", [(1, 2), (0, 2, 3), (0, 8), (2, 0)])
def test_sketches_that_control_cannot_announce_are_refused(indices):
    sketches = tuple((index, checked(0, 64, 96)) for index in indices)
    with pytest.raises(ConfigError, match="cannot be announced"):
        list(codec().encode([drawn(sketches=sketches)]))


def test_a_network_for_pictures_is_refused():
    wrong = CoarseDifferences()
    wrong.colours = 3
    with pytest.raises(ConfigError, match="one colour"):
        list(codec(others=wrong).encode([drawn()]))


def test_one_sketch_needs_no_dvst():
    def missing():
        raise AssertionError("loaded for nothing")

    made = MessageCodec(PictureRoads([DigitalPictureCodec()]), Belief(10.0), CodingConfig(), lambda: road(missing))
    bursts = [burst for _, burst in made.encode([drawn(1, 0)])]
    assert len(next(made.decode(through(bursts, 10.0))).sketches) == 1
