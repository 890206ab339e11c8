"""A picture of each group arrives where the channel is worse than believed, and is in nobody's way where it is not."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from lgvsc import kinds, link
from lgvsc.coding.pictures.roads import PictureRoads
from lgvsc.config import load_config
from lgvsc.core.video import Video, VideoReader, read_video, write_video
from lgvsc.errors import ConfigError
from lgvsc.link import NothingReceivedError
from lgvsc.schemes.layered_division import StructureConfig


@pytest.fixture(scope="module")
def pan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    noise = np.random.default_rng(0).integers(0, 256, (8, 16, 3), dtype=np.uint8)
    wide = cv2.resize(noise, (384, 192), interpolation=cv2.INTER_CUBIC)
    path = tmp_path_factory.mktemp("insured") / "pan.mp4"
    write_video(path, Video(np.stack([wide[20:148, 40 + n : 200 + n] for n in range(48)]), Fraction(24)))
    return path


def sent(pan: Path, snr_db: float, believed_db: float, **structure: object) -> tuple[dict, np.ndarray]:
    settings = {
        "coding.budget": "2e-3cbr",
        "channel.snr_db": snr_db,
        "coding.believed_snr_db": believed_db,
        "objective": "structure",
        "structure.effort": "live",
        "link.metrics": ["psnr"],
    }
    config = load_config(
        scheme="layered-dsa", settings=settings | {f"structure.{name}": value for name, value in structure.items()}
    )
    output = pan.parent / "out.mp4"
    report = link.run(pan, config, output=output).report()
    assert report["cbr"] <= 2e-3
    return report, read_video(output).frames


def test_six_db_below_what_was_believed_each_group_still_shows_a_picture(pan: Path) -> None:
    report, shown = sent(pan, -1.0, 5.0)
    (segment,) = report["segments"]
    assert segment["status"]["structure"] == "lost" and segment["status"]["keyframe"] == "ok"
    source = read_video(pan).frames
    assert np.corrcoef(source[0].ravel(), shown[0].ravel())[0, 1] > 0.3
    with pytest.raises(NothingReceivedError):
        sent(pan, -1.0, 5.0, insured_db=0.0)


def test_as_long_as_small_frames_arrive_the_picture_changes_nothing_but_their_share(pan: Path) -> None:
    insured, shown = sent(pan, 10.0, 10.0)
    plain, shown_plain = sent(pan, 10.0, 10.0, insured_db=0.0)
    assert insured["symbols"]["keyframes"] > 0 and not plain["symbols"].get("keyframes")
    extra = insured["symbols"]["keyframes"] + insured["symbols"]["control"] - plain["symbols"]["control"]
    assert 0 < extra <= 2e-3 / 12 * 3 * 128 * 160 * 48
    assert abs(insured["metrics"]["psnr_db"] - plain["metrics"]["psnr_db"]) < 1.5
    first = [float(np.abs(a.astype(int) - b).mean()) for a, b in pairwise(shown[:4])]
    assert max(first) < 2 * max(float(np.abs(a.astype(int) - b).mean()) for a, b in pairwise(shown_plain[:4])) + 1


def test_packets_carry_no_insurance(pan: Path) -> None:
    settings = {"structure.budget": "2e-3cbr", "channel.snr_db": 10.0, "structure.effort": "live"}
    scheme = kinds.scheme(load_config(scheme="layered-dsa", settings=settings | {"objective": "structure"}))
    with VideoReader(pan) as reader:
        assert [segment.keyframe for segment in scheme.segments(reader, reader.format)] == [None]
    with VideoReader(pan) as reader:
        assert [segment.keyframe is not None for segment, _ in scheme.transmit(reader, reader.format)] == [True]


def test_what_insures_goes_by_roads_that_last(pan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    encode = PictureRoads.encode

    def watched(self: PictureRoads, picture, **terms):
        asked.append(terms["lasting"])
        return encode(self, picture, **terms)

    monkeypatch.setattr(PictureRoads, "encode", watched)
    sent(pan, 10.0, 10.0)
    assert asked and all(asked)


def test_where_it_would_be_dear_nothing_is_insured(pan: Path) -> None:
    report, _ = sent(pan, -2.0, -2.0)
    assert not report["symbols"].get("keyframes")  # not even the longest control block would arrive at -8 dB


def test_how_much_is_insured_has_limits() -> None:
    with pytest.raises(ConfigError, match="insured_db is -1"):
        StructureConfig(insured_db=-1.0)
