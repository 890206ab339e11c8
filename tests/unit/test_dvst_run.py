"""The scheme dvst as it ships: configuration, shipped weights, channel."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest

from lgvsc import build, kinds
from lgvsc.config import load_config
from lgvsc.core.ledger import Ledger
from lgvsc.core.video import Video
from lgvsc.metrics.quality import psnr_db


def clip(frames: int = 6) -> Video:
    """A texture that moves by two pixels from frame to frame."""
    random = np.random.default_rng(0)
    texture = cv2.resize(random.integers(0, 256, (10, 24, 3), dtype=np.uint8), (192, 96), interpolation=cv2.INTER_CUBIC)
    return Video(np.stack([texture[:, 2 * i : 2 * i + 128] for i in range(frames)]), Fraction(25))


FADING = {"channel.kind": "rayleigh", "channel.csi": "estimated", "channel.snr_db": 25.0, "coding.believed_snr_db": 8.0}


@pytest.mark.parametrize("settings", [{}, FADING])
def test_shipped_weights_follow_what_moves(settings):
    video = clip()
    config = load_config(
        scheme="dvst", settings={"coding.budget": "0.03cbr", "dvst.gop_frames": 0, "dvst.eta": 0} | settings
    )
    bursts = [burst for _, burst in kinds.scheme(config).transmit(iter(video), video.format)]
    ledger = Ledger.of(bursts, video.format)
    assert 0.9 * 0.03 < ledger.cbr <= 0.0302 and ledger.symbols["keyframes"] and ledger.symbols["video"]
    channel = build.channel(config, "a clip")
    pieces = list(kinds.scheme(config).reconstruct(channel(burst.symbols) for burst in bursts))
    shown = np.concatenate([piece.video.frames for piece in pieces])
    assert {origin for piece in pieces for origin in piece.provenance} == {"received"}
    assert psnr_db(video.frames[-1], shown[-1]) > psnr_db(video.frames[-1], shown[0]) + 1


def test_what_it_goes_by_is_said_in_words():
    class Source:
        format = clip().format

    for settings, words in (
        ({}, "budget 0.004cbr, a keyframe every 12 frames, 0.2 reals"),
        ({"dvst.eta": 0}, "budget 0.004cbr, a keyframe every 12 frames"),
        ({"coding.budget": "5kbps", "dvst.gop_frames": 0, "dvst.eta": 0.2}, "budget 5kbps, one keyframe, 0.2 reals"),
    ):
        _, choices = kinds.fit_to_budget(Source(), load_config(scheme="dvst", settings=settings))
        assert choices[-1].startswith(words)
