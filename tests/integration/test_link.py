"""The whole link on a small clip of real photographs, in one process and in three."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction

import av
import numpy as np
import pytest

from lgvsc import link
from lgvsc.config import load_config
from lgvsc.core.container import read_message
from lgvsc.core.video import Video, read_video, write_video
from lgvsc.errors import InputError

PHOTOGRAPHS = pytest.importorskip("skimage.data")


def clip(path, frames=30, size=(96, 128), fps=Fraction(24), cut=True):
    """A slow pan over one photograph, and from the middle on over another."""
    height, width = size
    first, second = PHOTOGRAPHS.astronaut(), PHOTOGRAPHS.chelsea()
    pictures = []
    for i in range(frames):
        photo = second if cut and i >= frames // 2 else first
        pictures.append(photo[40 : 40 + height, 40 + i : 40 + i + width, :3])
    write_video(path, Video(np.stack(pictures), fps))
    return path


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return clip(tmp_path_factory.mktemp("clip") / "clip.mp4")


def test_a_run_keeps_what_was_sent_and_what_was_received_and_the_receiver_makes_the_same_of_it(source, tmp_path):
    config = load_config(settings={"channel.snr_db": 6.0})
    kept = {"message": tmp_path / "m.lgvsc", "recording": tmp_path / "rx"}
    record = link.run(source, config, output=tmp_path / "run.mp4", **kept)
    sent = read_message(kept["message"])
    assert [segment.caption for segment in sent.segments] == [segment.caption for segment in record.sent_segments]
    heard, pieces = [], []
    link.receive(kept["recording"], config, output=tmp_path / "rx.mp4", on_segment=heard.append, on_piece=pieces.append)
    assert np.array_equal(read_video(tmp_path / "rx.mp4").frames, read_video(tmp_path / "run.mp4").frames)
    assert [segment.start for segment in heard] == sorted(record.received_segments)
    assert sum(len(piece.provenance) for piece in pieces) == 30


def test_the_report_has_the_agreed_keys_and_the_video_the_source_s_shape(source, tmp_path):
    record = link.run(source, load_config(scheme="skem-dsa"), output=tmp_path / "out.mp4")
    report = json.loads(json.dumps(record.report(), allow_nan=False))
    agreed = {
        "version", "scheme", "preset", "seed", "channel", "source", "symbols", "cbr", "symbols_per_s", "kbit_per_s",
        "segments", "keyframes", "metrics", "provenance", "timing_s", "models", "environment",
    }  # fmt: skip
    assert agreed <= report.keys()
    assert {"kind", "snr_db", "snr_def"} <= report["channel"].keys()
    assert {"semantics", "coding", "channel", "world", "total"} <= report["timing_s"].keys()
    parts = {"control", "captions", "side", "keyframes", "sketches", "video", "structure", "total"}
    assert parts == report["symbols"].keys()
    assert report["symbols"]["total"] == sum(v for k, v in report["symbols"].items() if k != "total")
    for segment in report["segments"]:
        assert {
            "start",
            "stop",
            "caption",
            "caption_received",
            "divergence",
            "keyframe_symbols",
            "status",
        } <= segment.keys()
    assert report["segments"][0]["start"] == 0 and report["segments"][-1]["stop"] == 30
    looked = [segment["metrics"]["lpips"] for segment in report["segments"]]
    frames = [sum(s["start"] <= k < s["stop"] for k in range(0, 30, 6)) for s in report["segments"]]
    together = sum(value * count for value, count in zip(looked, frames, strict=True) if count)
    assert together == pytest.approx(report["metrics"]["lpips"] * sum(frames))
    assert report["command"] == "lgvsc run clip.mp4 --preset compact --scheme skem-dsa --snr-db 10"
    assert report["keyframes"][0] == 0 and report["keyframes"][-1] == 29
    assert 15 in report["keyframes"], "the hard cut is a keyframe"
    assert report["provenance"][0][0] == 0 and report["provenance"][-1][1] == 30
    rebuilt, original = read_video(tmp_path / "out.mp4"), read_video(source)
    assert rebuilt.frames.shape == original.frames.shape and rebuilt.fps == original.fps
    assert report["metrics"]["psnr_db"] > 18
    assert report["metrics"]["vmaf"] is not None or "bench" in report["metrics"]["absent"]["vmaf"]


def test_the_video_says_in_itself_beside_itself_and_on_itself_which_frames_are_generated(source, tmp_path):
    record = link.run(source, load_config(settings={"link.badge": True}), output=tmp_path / "out.mp4")
    sidecar = json.loads((tmp_path / "out.provenance.json").read_text())
    with av.open(str(tmp_path / "out.mp4")) as file:
        inside = json.loads(file.metadata["lgvsc_provenance"])
        assert "Generated content" in file.metadata["comment"]
    assert sidecar == {"video": "out.mp4", **inside}
    assert sidecar["generated_content"] is True
    runs = [(run["start"], run["stop"], run["origin"]) for run in sidecar["runs"]]
    assert runs == record.provenance.runs
    frames = read_video(tmp_path / "out.mp4").frames
    origins = [origin for start, stop, origin in runs for _ in range(start, stop)]
    corner_is_dark = [bool(frame[-3:, -20:].mean() < 60) for frame in frames]
    assert corner_is_dark == [origin == "generated" for origin in origins]


def test_the_same_seed_gives_the_same_video(source, tmp_path):
    for name in ("a", "b"):
        link.run(source, load_config(settings={"channel.snr_db": 3}), output=tmp_path / f"{name}.mp4")
    assert np.array_equal(read_video(tmp_path / "a.mp4").frames, read_video(tmp_path / "b.mp4").frames)


@pytest.mark.parametrize(
    ("frames", "size", "fps"),
    [(1, (64, 64), 24), (2, (64, 64), 24), (9, (97, 63), Fraction(30000, 1001)), (5, (64, 200), 10)],
)
def test_odd_sizes_and_short_videos(tmp_path, frames, size, fps):
    path = clip(tmp_path / "x.mp4", frames, size, Fraction(fps), cut=False)
    link.run(path, load_config(), output=tmp_path / "out.mp4")
    rebuilt = read_video(tmp_path / "out.mp4")
    assert rebuilt.frames.shape == (frames, *size, 3) and rebuilt.fps == fps


@pytest.mark.parametrize("scheme", ["skim-sfa", "skim-dsa", "text-only"])
def test_other_schemes_run_through_the_same_code(source, tmp_path, scheme):
    report = link.run(source, load_config(scheme=scheme), output=tmp_path / "out.mp4").report()
    assert report["scheme"] == scheme
    assert (report["symbols"]["keyframes"] == 0) == (scheme == "text-only")
    assert len(read_video(tmp_path / "out.mp4")) == 30


def test_words_alone_are_words_alone_and_side_information_is_charged_where_it_is_asked_for(source, tmp_path):
    """LGVSC's Text-Only sends captions and nothing else (section III-A)."""
    spent = []
    for settings in ({}, {"message.send_motion": True, "message.send_colours": True}):
        config = load_config(scheme="text-only", settings=settings)
        spent.append(link.run(source, config, output=tmp_path / f"{len(spent)}.mp4").report()["symbols"])
    alone, beside = spent
    assert {part for part, symbols in alone.items() if symbols} == {"control", "captions", "total"}
    assert beside["side"] > 0 and beside["captions"] == alone["captions"]


def test_skim_dsa_equals_skim_sfa(source, tmp_path):
    """LGVSC, Appendix E."""
    for scheme in ("skim-sfa", "skim-dsa"):
        link.run(source, load_config(scheme=scheme), output=tmp_path / f"{scheme}.mp4")
    frames = [read_video(tmp_path / f"{scheme}.mp4").frames for scheme in ("skim-sfa", "skim-dsa")]
    assert np.array_equal(*frames)


def command(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", "lgvsc.cli.main", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def transmission(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tx")
    sent = command("send", source, "-o", "tx", "--snr-db", "8", cwd=folder)
    assert sent.returncode == 0, sent.stderr
    return folder


def test_three_processes_share_only_files(source, transmission, tmp_path):
    """The receiver runs in a folder that holds the received recording and nothing else."""
    crossed = command("channel", transmission / "tx", "-o", tmp_path / "rx", "--snr-db", "8", cwd=transmission)
    assert crossed.returncode == 0, crossed.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["rx.sigmf-data", "rx.sigmf-meta"]
    received = command("receive", "rx", "-o", "out.mp4", cwd=tmp_path)
    assert received.returncode == 0, received.stderr
    rebuilt, original = read_video(tmp_path / "out.mp4"), read_video(source)
    assert rebuilt.frames.shape == original.frames.shape and rebuilt.fps == original.fps
    assert np.abs(rebuilt.frames.astype(float) - original.frames).mean() < 30
    for text in (tmp_path / "rx.sigmf-meta").read_text(), (transmission / "tx.sigmf-meta").read_text():
        assert str(source) not in text and source.name not in text

    recorded = command("run", source, "-o", tmp_path / "run.mp4", "--snr-db", "8", "--quiet", cwd=transmission)
    assert recorded.returncode == 0, recorded.stderr
    assert np.array_equal(read_video(tmp_path / "run.mp4").frames, rebuilt.frames), (
        "one process or three, the same video"
    )


def test_the_receiver_loses_the_video_when_the_symbols_are_noise(transmission, tmp_path):
    crossed = command("channel", transmission / "tx", "-o", tmp_path / "rx", cwd=transmission)
    assert crossed.returncode == 0, crossed.stderr
    data = tmp_path / "rx.sigmf-data"
    count = data.stat().st_size // 4
    np.random.default_rng(0).normal(size=count).astype("<f4").tofile(data)
    received = command("receive", "rx", "-o", "out.mp4", cwd=tmp_path)
    assert received.returncode == 1
    assert "nothing of the video arrived" in received.stderr
    assert not (tmp_path / "out.mp4").exists()


def test_the_message_file_can_be_read_in_words(transmission):
    shown = command("message", "show", "tx.lgvsc", cwd=transmission)
    assert shown.returncode == 0 and "caption" in shown.stdout and "keyframe" in shown.stdout
    as_json = json.loads(command("message", "show", "tx.lgvsc", "--json", cwd=transmission).stdout)
    assert as_json["segments"][0]["start"] == 0


def test_bad_input_is_one_sentence_and_status_three(tmp_path):
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(bytes(5000))
    ran = command("run", bad, cwd=tmp_path)
    assert ran.returncode == 3 and len(ran.stderr.strip().splitlines()) == 1 and "Traceback" not in ran.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.mp4"]
    with pytest.raises(InputError):
        link.run(bad, load_config(), output=tmp_path / "out.mp4")


def test_existing_outputs_are_kept(source, tmp_path):
    (tmp_path / "out.mp4").write_text("precious")
    ran = command("run", source, "-o", "out.mp4", cwd=tmp_path)
    assert ran.returncode == 2 and "--force" in ran.stderr
    assert (tmp_path / "out.mp4").read_text() == "precious"
