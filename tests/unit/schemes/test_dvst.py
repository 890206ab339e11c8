"""Keyframes and differences, end to end, with and without losses; the network for differences is untrained."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch

from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import seeded
from lgvsc.coding.belief import Belief
from lgvsc.coding.burst.control import DvstControl, FramesControl, MessageControl, VideoControl
from lgvsc.coding.burst.fields import pack_fields
from lgvsc.coding.frames.dvst import DvstCodec
from lgvsc.coding.pictures.ntscc import NtsccPictureCodec
from lgvsc.coding.pictures.roads import PictureRoads
from lgvsc.core.air import Reception
from lgvsc.core.ledger import Ledger
from lgvsc.core.video import Video
from lgvsc.errors import ConfigError
from lgvsc.nets.dvst import Dvst
from lgvsc.nets.ntscc import Ntscc
from lgvsc.schemes.dvst import DvstScheme, DvstSchemeConfig

HEIGHT, WIDTH, FPS = 50, 66, Fraction(25)


def clip(frames: int = 10) -> Video:
    ramp = np.linspace(0, 1, WIDTH)[None, :, None] * np.array([200, 120, 60])
    pictures = [np.broadcast_to(np.roll(ramp, 5 * i, 1), (HEIGHT, WIDTH, 3)) for i in range(frames)]
    return Video(np.stack(pictures).astype(np.uint8), FPS)


def scheme(believed_snr_db: float = 10.0, **more) -> DvstScheme:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        roads, codec = PictureRoads([NtsccPictureCodec(Ntscc.tiny())]), DvstCodec(Dvst.tiny(), holds=False)
    config = DvstSchemeConfig(**{"gop_frames": 4, "budget": "0.04cbr"} | more)
    return DvstScheme(roads, codec, Belief(believed_snr_db), config)


def sent(video: Video, **more):
    return list(scheme(**more).transmit(iter(video), video.format))


def received(receptions, **more):
    segments = []
    pieces = list(scheme(**more).reconstruct(iter(receptions), segments.append))
    frames = np.concatenate([p.video.frames for p in pieces]) if pieces else np.empty((0, HEIGHT, WIDTH, 3), np.uint8)
    return frames, [origin for p in pieces for origin in p.provenance], segments


def over_the_air(bursts, snr_db=10.0):
    channel = AwgnChannel(snr_db, seeded(0))
    return [channel(burst.symbols) for _, burst in bursts]


def test_a_burst_for_each_gop_and_everything_is_charged():
    video = clip()
    bursts = sent(video)
    assert [(s.start, s.stop, s.last) for s, _ in bursts] == [(0, 4, False), (4, 8, False), (8, 10, True)]
    assert [[part.purpose for part in burst.parts] for _, burst in bursts] == [
        ["control", "keyframes", "side", "video"]
    ] * 3
    ledger = Ledger.of((burst for _, burst in bursts), video.format)
    assert ledger.symbols["total"] == sum(len(burst.symbols) for _, burst in bursts)
    for _, burst in bursts:
        assert burst.parts[3].symbols.abs().square().mean().item() == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("gop_frames", [0, 6])
def test_the_budget_is_met(gop_frames):
    """Nearly all of it and no more: also where the video ends within a GOP."""
    video = clip(15)
    spent = sum(len(burst.symbols) for _, burst in sent(video, gop_frames=gop_frames, budget="0.018cbr"))
    budget = 0.018 * 3 * HEIGHT * WIDTH * 15
    assert spent <= budget
    assert spent >= 0.95 * budget


def test_all_frames_arrive_and_follow_from_symbols_alone():
    video = clip()
    receptions = over_the_air(sent(video))
    frames, origins, segments = received(receptions)
    assert frames.shape == video.frames.shape and set(origins) == {"received"}
    assert segments[0].video == video.format
    assert all({s.status[part] for part in ("control", "keyframe", "side", "video")} == {"ok"} for s in segments)
    joined = Reception(torch.cat([r.symbols for r in receptions]), torch.cat([r.noise_variance for r in receptions]))
    again, _, _ = received([joined[i : i + 997] for i in range(0, len(joined), 997)])
    assert np.array_equal(frames, again)


def test_the_transmitter_reckons_with_what_a_receiver_has_without_noise():
    """Two bursts of one GOP: the second one's differences fit the pictures that the first one left."""
    video = clip(8)
    bursts = sent(video, gop_frames=0, burst_frames=4)
    assert [[part.purpose for part in burst.parts][1] for _, burst in bursts] == ["keyframes", "side"]
    frames, origins, _ = received(over_the_air(bursts, 60.0))
    assert set(origins) == {"received"} and len(frames) == 8
    _, origins, _ = received(over_the_air(bursts, 60.0)[1:])
    assert origins == ["missing"] * 8  # differences without the picture that they belong to


def test_the_receiver_shows_nothing_of_the_source_without_its_symbols():
    first, second = (received(over_the_air(sent(v)))[0] for v in (clip(), Video(255 - clip().frames, FPS)))
    assert not np.array_equal(first, second)
    noise = [Reception(torch.randn(5000, dtype=torch.complex64, generator=seeded(0)), torch.ones(5000))]
    assert received(noise)[1] == []


def part_range(burst, purpose):
    sizes = [len(part) for part in burst.parts]
    at = [part.purpose for part in burst.parts].index(purpose)
    return slice(sum(sizes[:at]), sum(sizes[: at + 1]))


def test_a_lost_burst_freezes_the_last_frame():
    receptions = over_the_air(sent(clip()))
    frames, origins, _ = received([receptions[0], receptions[2]])
    assert origins == ["received"] * 4 + ["concealed"] * 4 + ["received"] * 2
    assert np.array_equal(frames[4], frames[3]) and np.array_equal(frames[7], frames[3])


def test_a_lost_header_holds_the_keyframe():
    bursts = sent(clip())
    receptions = over_the_air(bursts)
    receptions[1].noise_variance[part_range(bursts[1][1], "side")] = float("inf")
    frames, origins, segments = received(receptions)
    assert origins == ["received"] * 5 + ["concealed"] * 3 + ["received"] * 2
    assert np.array_equal(frames[7], frames[4])
    assert segments[1].status["side"] == "lost" and segments[1].status["keyframe"] == "ok"


def test_a_lost_keyframe_conceals_its_gop_from_the_one_before():
    bursts = sent(clip())
    receptions = over_the_air(bursts)
    receptions[1].noise_variance[part_range(bursts[1][1], "keyframes")] = float("inf")
    frames, origins, segments = received(receptions)
    assert origins == ["received"] * 4 + ["concealed"] * 4 + ["received"] * 2
    assert np.array_equal(frames[7], frames[3]) and segments[1].status["keyframe"] == "lost"


def test_lost_differences_hold_and_the_next_gop_is_whole():
    bursts = sent(clip())
    receptions = over_the_air(bursts)
    receptions[0].noise_variance[part_range(bursts[0][1], "video")] = float("inf")
    _, origins, segments = received(receptions)
    assert origins == ["received"] + ["concealed"] * 3 + ["received"] * 6
    assert segments[0].status["video"] == "lost" and segments[0].erased_symbols == len(bursts[0][1].parts[3])


def test_control_says_what_it_was_told_and_is_no_other_kind_of_control():
    control = DvstControl(
        height=1080, width=1920, fps_numerator=30000, fps_denominator=1001, total_frames=0, start=99, length=32,
        last=1, keyframe_codec=1, keyframe_length=77, keyframe_mode=3, header_bits=900, header_mcs=9, symbols=12345,
    )  # fmt: skip
    bits = control.pack()
    assert DvstControl.unpack(bits) == control and len(bits) == DvstControl.block_bits() and control.following == 31
    assert (
        len(
            {
                DvstControl.block_bits(),
                FramesControl.block_bits(),
                VideoControl.block_bits(),
                MessageControl.block_bits(),
            }
        )
        == 4
    )
    for place in range(len(bits)):
        wrong = bits.copy()
        wrong[place] ^= 1
        assert DvstControl.unpack(wrong) is None
    for nonsense in ({"length": 0}, {"version": 5}, {"header_bits": 0}, {"header_mcs": 31}, {"fps_denominator": 0}):
        fields = {"version": DvstControl.version, **vars(control)} | nonsense
        assert DvstControl.unpack(pack_fields(fields, DvstControl.layout())) is None


def test_eta_spends_less_where_less_is_told():
    few = sum(len(burst.symbols) for _, burst in sent(clip(), eta=0.02))
    assert few < sum(len(burst.symbols) for _, burst in sent(clip()))


def test_settings_out_of_range_are_refused():
    for wrong in ({"gop_frames": -1}, {"eta": -0.1}, {"keyframe_weight": 0}, {"burst_frames": 0}, {"budget": "much"}):
        with pytest.raises(ConfigError):
            DvstSchemeConfig(**wrong)
