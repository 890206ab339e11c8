"""GVSC's schemes over the whole link with the models that ship, on eight frames under a moving camera."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from lgvsc import build, kinds, link
from lgvsc.config import load_config
from lgvsc.core.message import Segment
from lgvsc.core.video import Video, VideoReader, read_video, write_video

PHOTOGRAPHS = pytest.importorskip("skimage.data")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    photo = PHOTOGRAPHS.astronaut()
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_video(path, Video(np.stack([photo[40:168, 60 + 4 * i : 188 + 4 * i, :3] for i in range(8)]), Fraction(4)))
    return path


@pytest.mark.parametrize("scheme", ["gvsc-first-frame", "gvsc-sketch", "gvsc-sketches"])
def test_a_scheme_of_gvsc_sends_what_it_says_and_makes_the_whole_video(clip, tmp_path, scheme):
    config = load_config("gvsc-compact", scheme, {"channel.snr_db": 8.0, "link.accounting": "paper"})
    report = link.run(clip, config, output=tmp_path / "out.mp4").report()
    assert read_video(tmp_path / "out.mp4").frames.shape == (8, 128, 128, 3)
    spent, (segment,) = report["symbols"], report["segments"]
    assert report["seed"] == 7777 and spent["side"] == 0 and report["damage"]["caption"] == 0
    if scheme == "gvsc-first-frame":
        assert report["keyframes"] == [0] and spent["sketches"] == 0 and report["closing_keyframe_symbols"] == 0
        assert spent["keyframes"] / (3 * 128 * 128) == pytest.approx(0.04, rel=0.05)
        assert report["metrics"]["psnr_db"] > 15
    else:
        assert report["keyframes"] == [] and spent["keyframes"] == 0
        several = scheme == "gvsc-sketches"
        assert segment["sketches"] == list(range(8 if several else 1))
        assert spent["sketches"] == 1024 if not several else 0.9 * 4090 < spent["sketches"] < 7000  # with its rate map
        assert segment["status"]["key_sketch"] == "ok"
    counted = report["paper_accounting"]["symbols"]
    assert counted["captions"] == 12 * len(segment["caption"]) and counted["control"] == 0
    assert report["paper_accounting"]["cbr"] == pytest.approx(counted["total"] / (3 * 128 * 128 * 8))


def test_a_receiver_of_lgvsc_reads_what_gvsc_sends(clip):
    """The control stream tells it: pictures by DeepJSCC, sketches, or words alone."""
    got: dict[str, Segment] = {}
    receiver = kinds.scheme(load_config(settings={"channel.snr_db": 12.0}))
    for scheme in ("gvsc-first-frame", "gvsc-sketch", "text-only"):
        config = load_config(scheme=scheme, settings={"channel.snr_db": 12.0})
        channel = build.channel(config, clip="c")
        with VideoReader(clip) as reader:
            bursts = [burst for _, burst in kinds.scheme(config).transmit(reader, reader.format)]
        for _ in receiver.reconstruct([channel(b.symbols) for b in bursts], lambda s, n=scheme: got.update({n: s})):
            pass
    assert got["gvsc-first-frame"].keyframe is not None and got["gvsc-first-frame"].caption
    assert [index for index, _ in got["gvsc-sketch"].sketches] == [0]
    assert got["text-only"].caption and got["text-only"].keyframe is None
