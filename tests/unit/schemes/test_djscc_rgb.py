"""Every frame as analogue symbols, end to end, with and without losses; the network is untrained."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import seeded
from lgvsc.coding.belief import Belief
from lgvsc.coding.burst.control import FramesControl, MessageControl, VideoControl
from lgvsc.coding.pictures.deepjscc import DeepJsccPictureCodec
from lgvsc.core.air import Reception
from lgvsc.core.ledger import Ledger
from lgvsc.core.video import Video, VideoFormat
from lgvsc.errors import ConfigError
from lgvsc.nets.deepjscc import DeepJscc
from lgvsc.schemes.djscc_rgb import DjsccConfig, DjsccRgbScheme

HEIGHT, WIDTH, FPS = 50, 66, Fraction(25)


def clip(frames: int = 10) -> Video:
    ramp = np.linspace(0, 1, WIDTH)[None, :, None] * np.array([200, 120, 60])
    return Video(
        np.stack([np.broadcast_to(np.roll(ramp, 5 * i, 1), (HEIGHT, WIDTH, 3)) for i in range(frames)]).astype(
            np.uint8
        ),
        FPS,
    )


def scheme(believed_snr_db: float = 10.0, **more) -> DjsccRgbScheme:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = DeepJscc.tiny(3, 16)
    return DjsccRgbScheme(DeepJsccPictureCodec(net), Belief(believed_snr_db), DjsccConfig(burst_frames=4, **more))


def sent(video: Video, **more):
    return list(scheme(**more).transmit(iter(video), video.format))


def received(receptions):
    segments = []
    pieces = list(scheme().reconstruct(iter(receptions), segments.append))
    frames = np.concatenate([p.video.frames for p in pieces]) if pieces else np.empty((0, HEIGHT, WIDTH, 3), np.uint8)
    return frames, [origin for p in pieces for origin in p.provenance], segments


def over_the_air(bursts, snr_db=10.0):
    channel = AwgnChannel(snr_db, seeded(0))
    return [channel(burst.symbols) for _, burst in bursts]


def test_every_frame_costs_the_same_and_all_of_it_is_charged():
    video = clip()
    bursts = sent(video, reals=3)
    assert [(s.start, s.stop, s.last) for s, _ in bursts] == [(0, 4, False), (4, 8, False), (8, 10, True)]
    ledger = Ledger.of((burst for _, burst in bursts), video.format)
    each = 3 * (64 // 8) * (80 // 8) // 2  # of the padded frame
    assert ledger.symbols["video"] == 10 * each
    assert ledger.symbols["total"] == ledger.symbols["video"] + ledger.symbols["control"] and ledger.symbols["control"]
    for _, burst in bursts:
        assert burst.parts[1].symbols.abs().square().mean().item() == pytest.approx(1.0, abs=1e-3)


def test_at_256_the_rate_is_that_of_gvsc():
    assert DeepJsccPictureCodec(DeepJscc.tiny(3, 16)).symbol_count(DjsccConfig().reals, 0, 256, 256) == 1536


def test_all_frames_arrive_and_follow_from_symbols_alone():
    video = clip()
    receptions = over_the_air(sent(video))
    frames, origins, segments = received(receptions)
    assert frames.shape == video.frames.shape and set(origins) == {"received"}
    assert segments[0].video == video.format and all(s.status["video"] == "ok" for s in segments)
    joined = Reception(torch.cat([r.symbols for r in receptions]), torch.cat([r.noise_variance for r in receptions]))
    again, _, _ = received([joined[i : i + 997] for i in range(0, len(joined), 997)])
    assert np.array_equal(frames, again)


def test_the_receiver_shows_what_was_sent_and_nothing_of_the_source_without_it():
    first, second = (
        received(over_the_air(sent(clip())))[0],
        received(over_the_air(sent(Video(255 - clip().frames, FPS))))[0],
    )
    assert not np.array_equal(first, second)
    noise = [Reception(torch.randn(5000, dtype=torch.complex64, generator=seeded(0)), torch.ones(5000))]
    assert received(noise)[1] == []


def test_a_lost_burst_freezes_the_last_frame():
    receptions = over_the_air(sent(clip()))
    frames, origins, _ = received([receptions[0], receptions[2]])
    assert origins == ["received"] * 4 + ["concealed"] * 4 + ["received"] * 2
    assert np.array_equal(frames[4], frames[3]) and np.array_equal(frames[7], frames[3])


def test_a_frame_of_which_nothing_was_heard_is_concealed_and_control_survives():
    video = clip(4)
    (reception,) = over_the_air(sent(video))
    each = 120
    reception.noise_variance[-2 * each : -each] = float("inf")
    _, origins, segments = received([reception])
    assert origins == ["received", "received", "concealed", "received"]
    assert segments[0].erased_symbols == each


def test_it_degrades_without_a_cliff():
    """Control made for 0 dB, then all frames are received down to there, always further from those without noise."""
    bursts = sent(clip(4), reals=16, believed_snr_db=0.0)
    clean = received(over_the_air(bursts, 60.0))[0].astype(float)
    errors = []
    for snr_db in (10.0, 5.0, 0.0):
        frames, origins, _ = received(over_the_air(bursts, snr_db))
        assert set(origins) == {"received"}
        errors.append(np.abs(frames - clean).mean())
    assert errors[0] < errors[1] < errors[2]


def test_control_says_what_it_was_told_and_is_no_other_kind_of_control():
    control = FramesControl(
        height=1080, width=1920, fps_numerator=30000, fps_denominator=1001, total_frames=0, start=99, length=32,
        last=1, reals=3,
    )  # fmt: skip
    bits = control.pack()
    assert FramesControl.unpack(bits) == control and len(bits) == FramesControl.block_bits()
    assert len({FramesControl.block_bits(), VideoControl.block_bits(), MessageControl.block_bits()}) == 3
    for place in range(len(bits)):
        wrong = bits.copy()
        wrong[place] ^= 1
        assert FramesControl.unpack(wrong) is None


def test_a_budget_sets_the_rate_control_included_and_one_too_small_is_refused():
    from lgvsc import kinds
    from lgvsc.config import load_config

    source = SimpleNamespace(format=VideoFormat(256, 256, FPS, 100))

    def planned(budget: str, snr_db: float = 10.0) -> int:
        settings = {"coding.budget": budget, "channel.snr_db": snr_db}
        config, choices = kinds.fit_to_budget(source, load_config(scheme="djscc-rgb", settings=settings))
        assert f"{config.djscc.reals} reals" in choices[0]
        return config.djscc.reals

    assert planned("0.0208cbr") == 7  # eight reals alone are 0.02083, so nothing would be left for control
    assert planned("0.0211cbr") == 8
    assert planned("0.5cbr") == 16
    with pytest.raises(ConfigError, match=r"0\.005.*budget"):
        planned("6e-4cbr")


def test_settings_out_of_range_are_refused():
    with pytest.raises(ConfigError, match="reals"):
        DjsccConfig(reals=1)
    with pytest.raises(ConfigError, match="burst_frames"):
        DjsccConfig(burst_frames=0)
