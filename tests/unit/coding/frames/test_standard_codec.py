"""Video codecs: what is sent, what is left of it after damage, and how the best form is found."""

from __future__ import annotations

import os
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from lgvsc.channel.common import seeded
from lgvsc.coding.burst.control import MessageControl, VideoControl
from lgvsc.coding.burst.fields import pack_fields
from lgvsc.coding.frames import standard_codec
from lgvsc.coding.frames.elementary import CODECS, pictures_of
from lgvsc.coding.frames.format_search import FormatSearch
from lgvsc.coding.frames.formats import Format, Gop
from lgvsc.coding.frames.standard_codec import (
    Quantiser,
    coded_size,
    decode_gop,
    encode_gop,
    scaled,
    split_headers,
    to_rgb,
    to_yuv,
    with_headers,
)
from lgvsc.coding.modem.digital import block_count, encode_bits, mcs_at, symbol_count
from lgvsc.coding.modem.interleaver import deinterleave, interleave
from lgvsc.coding.modem.prefix import intact_prefix
from lgvsc.core.air import Reception
from lgvsc.core.video import read_video
from lgvsc.metrics.quality import psnr_db

SIZE = (48, 64)
ALL = [
    pytest.param(
        codec,
        marks=pytest.mark.skipif(
            codec == "vvc" and find_spec("imageio_ffmpeg") is None, reason="VVC's encoder comes with lgvsc[bench]"
        ),
    )
    for codec in CODECS
]
MEDIA = Path(os.environ.get("LGVSC_MEDIA", Path(__file__).parents[5] / "shared" / "media")) / "train"


def moving_square(frames: int, height: int = 48, width: int = 64) -> np.ndarray:
    """A bright square that crosses a textured ground."""
    ground = np.random.default_rng(1).integers(60, 120, (height // 8, width // 8, 3)).repeat(8, 0).repeat(8, 1)
    clip = np.repeat(ground[None].astype(np.uint8), frames, 0)
    for index, picture in enumerate(clip):
        at = 2 + index % (width - 20)
        picture[12:28, at : at + 16] = (230, 200, 40)
    return clip


def coded(codec, frames=24, quantiser=None, preset=None):
    clip = moving_square(frames)
    start = {"h264": 30, "h265": 30, "av1": 45, "vvc": 35}[codec]
    return clip, encode_gop(codec, [to_yuv(picture) for picture in clip], quantiser or Quantiser(start), preset)


@pytest.mark.parametrize("codec", ALL)
def test_every_frame_comes_back_in_its_place(codec):
    clip, gop = coded(codec)
    pictures = list(decode_gop(codec, gop, SIZE, constant_qp=False))
    assert [picture.position for picture in pictures] == list(range(24))
    for picture in pictures:
        own = psnr_db(clip[picture.position], to_rgb(picture.frame, *SIZE))
        other = psnr_db(clip[(picture.position + 4) % 24], to_rgb(picture.frame, *SIZE))
        assert own > 25 and own > other + 3


@pytest.mark.parametrize("codec", ALL)
def test_parameter_sets_and_start_codes_are_not_sent(codec):
    _, gop = coded(codec)
    assert not gop.headers_sent
    assert b"x264" not in gop.payload and b"\x00\x00\x00\x01" not in gop.payload
    units = list(pictures_of(codec, gop.payload))
    overhead = len(gop.payload) - sum(len(unit) for unit in units)
    assert 0 <= overhead <= 2 * len(units)
    assert len(units) >= 24


@pytest.mark.parametrize("codec", ALL)
def test_the_beginning_of_a_payload_gives_the_same_pictures_as_the_whole(codec):
    _, gop = coded(codec)
    whole = {p.position: p.frame.to_ndarray() for p in decode_gop(codec, gop, SIZE, False)}
    counts = []
    for keep in (0, 1, len(gop.payload) // 3, len(gop.payload) // 2, len(gop.payload) - 1):
        left = list(decode_gop(codec, replace(gop, payload=gop.payload[:keep]), SIZE, False))
        positions = [picture.position for picture in left]
        assert positions == sorted(set(positions)) and set(positions) <= set(range(24))
        assert all(np.array_equal(picture.frame.to_ndarray(), whole[picture.position]) for picture in left)
        counts.append(len(left))
    assert counts == sorted(counts) and counts[0] == counts[1] == 0
    assert 0 < counts[3] < 24


@pytest.mark.parametrize("codec", ALL)
def test_damaged_payloads_never_raise(codec):
    _, gop = coded(codec, frames=8)
    rng = np.random.default_rng(2)
    for _ in range(20):
        payload = np.frombuffer(gop.payload, np.uint8).copy()
        payload[rng.integers(len(payload))] ^= 1 << rng.integers(8)
        for picture in decode_gop(codec, replace(gop, payload=payload.tobytes()), SIZE, False):
            assert (picture.frame.height, picture.frame.width) == SIZE
    noise = rng.integers(0, 256, 400, dtype=np.uint8).tobytes()
    list(decode_gop(codec, replace(gop, payload=noise), SIZE, False))
    list(decode_gop(codec, replace(gop, payload=noise, headers_sent=True), SIZE, False))


def test_a_receiver_that_writes_other_parameter_sets_shows_nothing():
    _, gop = coded("h265", frames=4)
    assert list(decode_gop("h265", replace(gop, header_check=gop.header_check ^ 1), SIZE, False)) == []


def test_parameter_sets_travel_where_the_receiver_could_not_write_them():
    _, gop = coded("h264", frames=6, preset="ultrafast")
    assert gop.headers_sent and gop.picture_bytes < len(gop.payload)
    assert [p.position for p in decode_gop("h264", gop, SIZE, False)] == list(range(6))


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_constant_qp_is_its_own_mode_and_rate_falls_with_it(codec):
    sizes = []
    for qp in (30, 40, 51):
        _, gop = coded(codec, quantiser=Quantiser(qp, constant_qp=True))
        assert not gop.headers_sent and gop.header_qp == qp
        assert len(list(decode_gop(codec, gop, SIZE, constant_qp=True))) == 24
        sizes.append(len(gop.payload))
    assert sizes[0] > sizes[1] > sizes[2]
    assert coded(codec, quantiser=Quantiser(40))[1].payload != coded(codec, quantiser=Quantiser(40, True))[1].payload


@pytest.mark.parametrize("codec", ALL)
@pytest.mark.parametrize("size", [(48, 64), (72, 144)])
def test_the_same_pictures_give_the_same_bytes(codec, size):
    noisy = np.random.default_rng(5).integers(0, 60, (24, *size, 3)) + moving_square(24, *size)
    clip = [to_yuv(np.clip(picture, 0, 255).astype(np.uint8)) for picture in noisy]
    first, *others = (encode_gop(codec, clip, Quantiser(45)) for _ in range(4))
    assert all(other == first for other in others)


@pytest.mark.media
def test_the_threads_that_av1_may_use_change_no_byte(monkeypatch):
    pictures = [to_yuv(picture) for picture in moving_square(24, 192, 256)]
    threads = standard_codec._SVT.split(":")[0]
    payloads = []
    for number in ("lp=1", "lp=2", "lp=4"):
        monkeypatch.setattr(standard_codec, "_SVT", standard_codec._SVT.replace(threads, number))
        threads = number
        payloads.append(encode_gop("av1", pictures, Quantiser(40)).payload)
    assert len(payloads[0]) > 500 and payloads[1:] == payloads[:1] * 2


def test_x264_gives_the_same_bytes_on_a_clip_on_which_it_once_did_not():
    path = MEDIA / "boxer_punching.mp4"
    if not path.is_file():
        pytest.skip(f"{path} is not here; set LGVSC_MEDIA to the folder of the clips")
    pictures = [to_yuv(picture) for picture in read_video(path).frames]
    for side in (144, 160):
        small = scaled(pictures, (side, side))
        assert len({encode_gop("h264", small, Quantiser(40)).payload for _ in range(4)}) == 1


def test_coded_sizes_are_even_and_not_too_small():
    assert coded_size(256, 456, 8) == (256, 456)
    assert coded_size(256, 456, 3) == (96, 170)
    assert coded_size(37, 21, 8) == (36, 20)
    assert coded_size(20, 20, 2) == (16, 16)


# Control


def control(**changes) -> VideoControl:
    values = {
        "height": 256, "width": 456, "fps_numerator": 2997, "fps_denominator": 100, "total_frames": 300, "start": 120,
        "length": 120, "last": 0, "codec": 2, "constant_qp": 0, "eighths": 7, "step": 1, "payload_bytes": 5000,
        "mcs": 7, "headers_sent": 0, "header_qp": 60, "header_check": 200,
    }  # fmt: skip
    return VideoControl(**values | changes)


def test_control_round_trip():
    bits = control().pack()
    assert len(bits) == VideoControl.block_bits()
    assert VideoControl.unpack(bits) == control()
    assert control().body_symbols == symbol_count(40_000, mcs_at(7, 40_000))


def test_control_with_any_bit_wrong_is_refused():
    bits = control().pack()
    for index in range(len(bits)):
        bits[index] ^= 1
        assert VideoControl.unpack(bits) is None
        bits[index] ^= 1


@pytest.mark.parametrize("changes", [{"version": 1}, {"mcs": 31}, {"length": 0}, {"height": 0}])
def test_control_that_makes_no_sense_is_refused(changes):
    values = {"version": VideoControl.version, **vars(control())} | changes
    assert VideoControl.unpack(pack_fields(values, VideoControl.layout())) is None


def test_neither_receiver_takes_the_others_control():
    assert MessageControl.unpack(control().pack()) is None


# Prefix


def test_what_comes_before_a_lost_block_is_kept():
    mcs = mcs_at(11, 20_000)
    blocks = block_count(20_000, mcs)
    assert blocks == 3
    bits = np.random.default_rng(0).integers(0, 2, 20_000, dtype=np.uint8)
    symbols = encode_bits(bits, mcs)
    variance = torch.full((len(symbols),), 1e-3)
    assert np.array_equal(intact_prefix(Reception(symbols, variance), 20_000, mcs), bits)
    in_order = deinterleave(symbols)
    third = len(symbols) // 3
    in_order[third : 2 * third] = torch.randn(third, dtype=torch.complex64, generator=seeded(3))
    symbols = interleave(in_order)
    prefix = intact_prefix(Reception(symbols, variance), 20_000, mcs)
    assert 6000 < len(prefix) < 7000 and np.array_equal(prefix, bits[: len(prefix)])
    assert len(intact_prefix(Reception(symbols[:10], variance[:10]), 20_000, mcs)) == 0


# Search


def gop_of(clip: np.ndarray) -> Gop:
    gop = Gop(0, *clip.shape[1:3])
    for picture in clip:
        gop.add(picture)
    return gop


@pytest.mark.parametrize("codec", ALL)
def test_the_search_fills_the_bytes_allowed_and_not_one_more(codec):
    noisy = moving_square(16).astype(int) + np.random.default_rng(4).integers(-12, 12, (16, 48, 64, 3))
    gop = gop_of(noisy.clip(0, 255).astype(np.uint8))
    search = FormatSearch(codec)
    for limit in (900, 1800):
        choice = search.best(gop, limit)
        assert choice is not None
        assert 0.8 * limit < len(choice.coded.payload) <= limit
        assert choice.codings <= 9 * 2 + 6


def test_the_search_gives_up_where_nothing_fits():
    gop = gop_of(moving_square(4))
    assert FormatSearch("h264").best(gop, 8) is None


def test_little_room_means_fewer_pixels():
    gop = gop_of(moving_square(24, 96, 128))
    poor, rich = (FormatSearch("av1").best(gop, limit) for limit in (150, 6000))
    assert poor is not None and rich is not None
    assert rich.format == Format(8, 1)
    assert poor.format != Format(8, 1)


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="no such thing on this system")
def test_coding_leaves_the_priority_of_the_process_alone():
    """SVT-AV1, run by root, takes the highest real-time priority for itself and for its caller."""
    before = os.sched_getscheduler(0), os.sched_getparam(0).sched_priority
    encode_gop("av1", [to_yuv(picture) for picture in moving_square(2)], Quantiser(40))
    assert (os.sched_getscheduler(0), os.sched_getparam(0).sched_priority) == before


@pytest.mark.parametrize("length", [0, 1, 254, 255, 256, 700])
def test_parameter_sets_of_any_length_travel_with_the_payload(length):
    headers, payload = bytes(range(256)) * 3, b"pictures"
    joined = with_headers(headers[:length], payload)
    assert split_headers(joined) == (headers[:length], payload)
    assert len(joined) == length + len(payload) + (1 if length < 255 else 3)
    for cut in range(len(joined)):
        assert split_headers(joined[:cut])[0] == headers[: len(split_headers(joined[:cut])[0])]
