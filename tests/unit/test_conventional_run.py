"""The conventional schemes from the configuration to the report and the page."""

from __future__ import annotations

import math
import sys
from fractions import Fraction

import numpy as np
import pytest

from lgvsc import build, kinds, link
from lgvsc.coding.frames import vvc
from lgvsc.config import load_config
from lgvsc.core.container import read_message, write_message
from lgvsc.core.message import PARTS
from lgvsc.core.video import Video, write_video
from lgvsc.errors import ConfigError, MissingResourceError
from lgvsc.record import status_of
from lgvsc.ui.report import write_html

FRAMES = 12


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("conventional") / "clip.mp4"
    ramp = np.linspace(0, 1, 80)[None, :, None] * np.array([200, 120, 60])
    pictures = np.stack([np.broadcast_to(np.roll(ramp, 2 * i, axis=1), (64, 80, 3)) for i in range(FRAMES)])
    write_video(path, Video(pictures.astype(np.uint8), Fraction(25)))
    return path


@pytest.mark.parametrize("scheme", kinds.CONVENTIONAL.schemes)
def test_every_codec_runs_from_its_scheme_id_alone(scheme, clip, tmp_path):
    if scheme == "vvc-ldpc":
        pytest.importorskip("imageio_ffmpeg")
    config = load_config(scheme=scheme, settings={"coding.budget": "0.03cbr"})
    record = link.run(clip, config, output=tmp_path / "out.mp4")
    report = record.report()
    assert report["scheme"] == scheme and report["keyframes"] == [] and report["threshold"] is None
    assert 0.008 < report["cbr"] <= 0.03 and report["symbols"]["keyframes"] == 0 < report["symbols"]["video"]
    (group,) = report["segments"]
    assert set(group["status"]) == set(PARTS) and group["status"]["video"] == "ok"
    assert group["status"]["keyframe"] == "absent" and "QAM" in group["coding"]
    assert set(report["models"]) == {"video_codec"} and report["choices"][0].startswith("budget 0.03cbr")
    assert report["provenance"] == [(0, FRAMES, "received")] and report["metrics"]["psnr_db"] > 22
    write_html(record, clip, tmp_path / "out.mp4", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert group["coding"].split(",")[0] in page and "coded pictures ok" in page
    assert "generated content" not in page and "no caption was sent" not in page


@pytest.mark.parametrize("snr_def, arrives", [("esn0", False), ("ebn0", True)])
def test_table_1_under_both_readings_of_snr(snr_def, arrives, clip, tmp_path):
    config = load_config(
        scheme="h264-ldpc",
        settings={"conventional.mode": "paper", "channel.snr_db": 6.0, "channel.snr_def": snr_def},
    )
    channel = build.channel(config, "clip")
    assert channel.snr_db == pytest.approx(6.0 if snr_def == "esn0" else 6.0 + 10 * math.log10(3.0))
    report = link.run(clip, config, output=tmp_path / "out.mp4").report()
    assert report["channel"]["snr_db"] == 6.0 and report["channel"]["snr_def"] == snr_def
    assert report["segments"][0]["status"]["video"] == ("ok" if arrives else "lost")
    assert ("above the channel's capacity" in " ".join(report["choices"])) == (not arrives)


def test_the_table_row_follows_the_belief_and_the_noise_the_truth():
    settings = {"conventional.mode": "paper", "channel.snr_db": 4.0, "coding.believed_snr_db": 8.0}
    config = load_config(scheme="h264-ldpc", settings=settings | {"channel.snr_def": "ebn0"})
    assert config.esn0_db == pytest.approx(4.0 + 10 * math.log10(2.0))  # 16-QAM 1/2, the row of 8 dB


def test_what_contradicts_itself_is_refused():
    for scheme, settings, words in [
        ("h264-ldpc", {"conventional.codec": "av1"}, "--scheme av1-ldpc"),
        ("h265-ldpc", {"channel.snr_def": "ebn0"}, "code rate"),
        ("skem-dsa", {"channel.snr_def": "ebn0"}, "code rate"),
        ("av1-ldpc", {"conventional.mode": "paper"}, "Table I"),
        ("vvc-ldpc", {"conventional.mode": "paper"}, "Table I"),
    ]:
        with pytest.raises(ConfigError, match=words):
            config = load_config(scheme=scheme, settings=settings)
            kinds.scheme(config), build.channel(config, "clip")


def test_three_processes_with_a_message_that_has_neither_words_nor_pictures(clip, tmp_path):
    config = load_config(scheme="h264-ldpc", settings={"coding.budget": "0.03cbr"})
    link.send(clip, config, message=tmp_path / "tx.lgvsc", symbols=tmp_path / "tx")
    message = read_message(tmp_path / "tx.lgvsc")
    assert [(s.start, s.stop, s.caption, s.keyframe) for s in message.segments] == [(0, FRAMES, None, None)]
    assert message.keyframe_indices == []
    write_message(tmp_path / "again.lgvsc", message.segments)
    assert (tmp_path / "again.lgvsc").read_bytes() == (tmp_path / "tx.lgvsc").read_bytes()
    link.cross(tmp_path / "tx", config, received=tmp_path / "rx")
    arrived = link.receive(tmp_path / "rx", load_config(scheme="h264-ldpc"), output=tmp_path / "rx.mp4")
    assert arrived.frames == FRAMES and arrived.origins == {"received": FRAMES}


def test_a_burst_that_was_never_read_loses_what_it_carried_and_nothing_else(clip, tmp_path):
    config = load_config(scheme="h264-ldpc", settings={"coding.budget": "0.03cbr"})
    record = link.run(clip, config, output=tmp_path / "out.mp4")
    lost = {part for part, state in status_of(None, record.ledger_entries).items() if state == "lost"}
    assert lost == {"control", "video"}


def test_vvc_without_its_encoder_says_what_to_install(clip, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    vvc.program.cache_clear()
    with pytest.raises(MissingResourceError, match=r"lgvsc\[bench\]"):
        link.run(clip, load_config(scheme="vvc-ldpc"), output=tmp_path / "out.mp4")
