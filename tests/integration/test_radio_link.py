"""A message through two real radios: what is read behind them is what is read from perfect symbols."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from lgvsc import link
from lgvsc.channel.common import seeded
from lgvsc.channel.pulse import PulseShaper
from lgvsc.channel.radio import RadioChannel, RadioConfig
from lgvsc.channel.sigmf import SigmfReader
from lgvsc.channel.synchronisation import recover
from lgvsc.channel.waveform import frame
from lgvsc.coding.belief import Belief
from lgvsc.coding.message_codec import CodingConfig, MessageCodec
from lgvsc.coding.pictures.digital_picture import DigitalPictureCodec
from lgvsc.coding.pictures.roads import PictureRoads
from lgvsc.config import load_config
from lgvsc.core.air import Reception
from lgvsc.core.message import Motion, Segment
from lgvsc.core.video import Video, VideoFormat, read_video, write_video
from lgvsc.errors import ConfigError

RATE = 4
VIDEO = VideoFormat(96, 128, Fraction(24), 60)


def picture(seed):
    rng = np.random.default_rng(seed)
    return np.kron(rng.integers(40, 215, (12, 16, 3)), np.ones((8, 8, 1))).astype(np.uint8)


def message():
    motion = Motion(score=2.0, camera="pan right", pan=0.1)
    return [
        Segment(video=VIDEO, start=0, stop=30, caption="a red boat drifts left", motion=motion, keyframe=picture(1)),
        Segment(video=VIDEO, start=30, stop=60, caption="a dog", keyframe=picture(2), cut=40, last=True),
    ]


def codec(snr_db):
    return MessageCodec(PictureRoads([DigitalPictureCodec()]), Belief(snr_db), CodingConfig(keyframe_cbr=0.03))


@pytest.mark.parametrize("snr_db", [10.0, 20.0])
@pytest.mark.parametrize(
    "radio",
    [
        {"delay_samples": 2000.4, "phase_rad": 2.5, "gain": 0.01},
        {"clock_ppm": 20.0, "frequency_offset": 0.02 / RATE, "gain": 100.0, "dc": 0.01},
        {"rate": 0.8, "clock_ppm": -20.0, "frequency_offset": -0.01 / RATE, "delay_samples": 333.3},
    ],
    ids=str,
)
def test_segments_are_those_of_perfect_symbols(radio, snr_db):
    sent = [burst.symbols for _, burst in codec(snr_db - 1).encode(message())]  # it allows for an imperfect receiver
    perfect = list(codec(0).decode(Reception(symbols, torch.full((len(symbols),), 1e-3)) for symbols in sent))
    shaper, channel = PulseShaper(RATE), RadioChannel(RadioConfig(**radio), snr_db, seeded(5))
    samples = np.concatenate([*(shaper.shape(frame(burst.numpy())) for burst in sent), shaper.finish()])
    recorded = np.concatenate([channel(samples), channel.finish()])
    got = list(codec(0).decode(recover([recorded], RATE * radio.get("rate", 1.0))))
    assert len(got) == len(perfect) == 2
    for mine, true in zip(got, perfect, strict=True):
        for field in ("video", "start", "stop", "caption", "motion", "cut", "last", "status"):
            assert getattr(mine, field) == getattr(true, field), field
        assert np.array_equal(mine.keyframe, true.keyframe)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_video(path, Video(np.stack([np.roll(picture(3), i, axis=1) for i in range(12)]), Fraction(24)))
    return path


def test_a_video_through_files_and_radios(clip, tmp_path):
    """Sent, recorded and received as the three commands do; their frames are charged."""
    config = load_config(scheme="skem-dsa", settings={"channel.snr_db": 10.0})
    plain = link.send(clip, config, message=tmp_path / "a.lgvsc", symbols=tmp_path / "a")
    radio = link.send(clip, config, message=tmp_path / "b.lgvsc", symbols=tmp_path / "b", samples_per_symbol=RATE)
    added = radio.labelled("radio frame")
    assert added > 255 and radio.symbols["total"] == plain.symbols["total"] + added
    assert radio.symbols["control"] == plain.symbols["control"] + added
    assert len(SigmfReader(tmp_path / "b")) == RATE * radio.symbols["total"]  # the last pulse's end among them

    faults = RadioConfig(delay_samples=500.5, frequency_offset=0.003, clock_ppm=20, rate=1.25, gain=0.1)
    link.cross(tmp_path / "b", config, received=tmp_path / "rx", radio=faults)
    assert SigmfReader(tmp_path / "rx").samples_per_symbol == 5.0
    link.receive(tmp_path / "rx", config, output=tmp_path / "out.mp4")
    assert read_video(tmp_path / "out.mp4").format == read_video(clip).format

    with pytest.raises(ConfigError, match="symbols"):
        link.cross(tmp_path / "a", config, received=tmp_path / "x", radio=faults)
    with pytest.raises(ConfigError, match="waveform"):
        fading = load_config(settings={"channel.kind": "rayleigh"})
        link.cross(tmp_path / "b", fading, received=tmp_path / "x")
