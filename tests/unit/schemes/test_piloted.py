"""Pilots around a whole scheme: real bursts through fading, a receiver that learns the gains, and the bill."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from lgvsc.channel.common import seeded
from lgvsc.channel.erasures import ErasingChannel, IndependentLosses
from lgvsc.channel.fading import FadingChannel
from lgvsc.channel.pilots import Pilots, pilot_values
from lgvsc.channel.rayleigh import ClarkeFading
from lgvsc.channel.tdl import TdlFading
from lgvsc.coding.belief import Belief
from lgvsc.coding.message_codec import CodingConfig, MessageCodec
from lgvsc.coding.pictures.digital_picture import DigitalPictureCodec
from lgvsc.coding.pictures.roads import PictureRoads
from lgvsc.core.air import Reception
from lgvsc.core.clock import Stopwatch
from lgvsc.core.ledger import Ledger
from lgvsc.core.message import Segment
from lgvsc.core.video import VideoFormat
from lgvsc.schemes.piloted import PilotedScheme

VIDEO = VideoFormat(64, 96, Fraction(24), 96)
SLOW = TdlFading(model="D", delay_spread_ns=30.0)  # a direct path, so that no code is lost to a deep fade


class MessageScheme:
    """Sends three segments by the real message codec; shows what arrives and makes no video."""

    name = "message"

    def __init__(self, snr_db=6.0):
        self.codec = MessageCodec(PictureRoads([DigitalPictureCodec()]), Belief(snr_db), CodingConfig())

    def transmit(self, frames, video):
        picture = np.add.outer(np.arange(64), np.arange(96)).astype(np.uint8)[:, :, None].repeat(3, axis=2)
        segments = [
            Segment(video=VIDEO, start=i * 32, stop=(i + 1) * 32, caption=f"scene {i}", keyframe=picture, last=i == 2)
            for i in range(3)
        ]
        return self.codec.encode(segments)

    def reconstruct(self, receptions, on_segment=lambda _: None):
        for segment in self.codec.decode(receptions):
            on_segment(segment)
            yield segment


def piloted(fading, spacing=8):
    return PilotedScheme(MessageScheme(), Pilots(fading, spacing), Stopwatch())


def arrived(scheme, receptions):
    return [(segment.caption, segment.keyframe is not None) for segment in scheme.reconstruct(receptions)]


WHOLE = [(f"scene {i}", True) for i in range(3)]


def test_bursts_are_those_of_the_scheme_with_pilots_in_between_and_on_the_bill():
    plain = [burst for _, burst in MessageScheme().transmit((), VIDEO)]
    bursts = [burst for _, burst in piloted(SLOW).transmit((), VIDEO)]
    air = torch.cat([burst.symbols for burst in bursts])
    assert torch.equal(air[torch.arange(len(air)) % 8 > 0], torch.cat([burst.symbols for burst in plain]))
    assert torch.equal(air[::8], pilot_values(torch.arange(len(air[::8]))))
    before, after = Ledger.of(plain, VIDEO), Ledger.of(bursts, VIDEO)
    assert after.symbols["total"] == len(air) == before.symbols["total"] + after.labelled("pilots")
    assert after.symbols["control"] == before.symbols["control"] + len(air[::8])
    assert after.symbols["keyframes"] == before.symbols["keyframes"]


@pytest.mark.parametrize("fading", [SLOW, TdlFading(model="E", delay_spread_ns=100.0, speed_m_s=20.0)], ids=str)
def test_estimated_gains_bring_a_message_through_a_delay_line(fading):
    scheme = piloted(fading)
    channel = FadingChannel(fading, 18.0, seeded(3), csi="estimated")
    receptions = (channel(burst.symbols) for _, burst in scheme.transmit((), VIDEO))
    assert arrived(scheme, receptions) == WHOLE


def test_without_channel_knowledge_nothing_arrives_and_nothing_breaks():
    fading = ClarkeFading(0.02)
    channel = FadingChannel(fading, 30.0, seeded(3), csi="none")
    scheme = MessageScheme()
    receptions = [channel(burst.symbols) for _, burst in scheme.transmit((), VIDEO)]
    assert arrived(scheme, receptions) == []


def test_noise_instead_of_every_symbol_loses_the_message():
    scheme = piloted(SLOW)
    count = sum(len(burst) for _, burst in scheme.transmit((), VIDEO))
    noise = torch.randn(count, dtype=torch.complex64, generator=seeded(1))
    assert arrived(scheme, [Reception(noise, torch.full((count,), 0.1))]) == []


def test_lost_packets_lose_parts_and_not_the_place_of_the_pilots():
    scheme = piloted(SLOW)
    air = torch.cat([burst.symbols for _, burst in scheme.transmit((), VIDEO)])
    channel = ErasingChannel(
        FadingChannel(SLOW, 25.0, seeded(3), csi="estimated"), IndependentLosses(0.02), seeded(1), packet_symbols=16
    )
    received = channel(air)
    assert bool(torch.isinf(received.noise_variance).any())
    assert len(arrived(scheme, [received])) >= 2
    received.noise_variance[: len(received) // 2] = float("inf")  # the first half is gone
    assert ("scene 2", True) in arrived(scheme, [received])
