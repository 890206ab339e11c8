"""What was changed on reading a video is said by every command that reads one, once."""

from __future__ import annotations

import json
import sys
from fractions import Fraction

import av
import numpy as np
import pytest

from lgvsc.cli.main import main

COMPARE = ["compare", "-s", "h264-ldpc", "--snr-db", "10", "--cbr", "0.05", "--metrics", "psnr"]
COMPARE += ["--show", "none", "-o", "out"]
READS = {  # V is the video
    "run": ["run", "V", "-o", "out.mp4", "--scheme", "h264-ldpc", "--metrics", "psnr"],
    "send": ["send", "V", "-o", "tx"],
    "send, several": ["send", "V", "plain.mp4", "-o", "sent"],
    "send, live": ["send", "V", "--to", "127.0.0.1:9", "--pace", "fast"],
    "keyframes": ["keyframes", "V"],
    "keyframes, several": ["keyframes", "V", "plain.mp4"],
    "keyframes --agreement": ["keyframes", "V", "--agreement"],
    "keyframe-stats": ["keyframe-stats", "V"],
    "cases embedding": ["cases", "embedding", "V", "-o", "c.html"],
    "cases focus": ["cases", "focus", "V", "-o", "c.html"],
    "calibrate": ["calibrate", "clips", "--target-keyframes", "2", "-o", "t.json"],
    "measure": ["measure", "V", "V", "--metrics", "psnr"],
    "compare": [*COMPARE, "V"],
    "compare --seconds": [*COMPARE, "V", "--seconds", "1"],
    "sweep": ["sweep", "recipe.toml", "--clips", "V", "-o", "out"],
}  # fmt: skip
RECIPE = """
title = "mine"
snr_db = [10]
[clips]
frames = 4
fps = 4
side = 64
[[line]]
label = "a"
scheme = "h264-ldpc"
cbr = 0.1
"""


def write(path, shape, frames=8):
    """A second of a square that moves; ``shape`` is that of its pixels."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=8)
        stream.width = stream.height = 64
        stream.codec_context.sample_aspect_ratio = Fraction(shape)
        for index in range(frames):
            picture = np.full((64, 64, 3), 90, np.uint8)
            picture[20:40, 4 * index : 4 * index + 20] = 200
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 8)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize("name", READS)
def test_the_shape_of_pixels_is_said_once(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LGVSC_CACHE", str(tmp_path / "cache"))
    (tmp_path / "clips").mkdir()
    for path, shape in (("wide.mp4", "16/9"), ("clips/wide.mp4", "16/9"), ("plain.mp4", "1")):
        write(path, shape)
    (tmp_path / "recipe.toml").write_text(RECIPE)
    monkeypatch.setattr(sys, "argv", ["lgvsc", *("wide.mp4" if word == "V" else word for word in READS[name])])
    main_ends(0)
    said = [line for line in capsys.readouterr().err.splitlines() if "pixels" in line]
    assert len(said) == (2 if name == "measure" else 1), said
    assert all(line.startswith("wide.mp4: ") for line in said)


def main_ends(status):
    with pytest.raises(SystemExit) as end:
        main()
    assert (end.value.code or 0) == status


def test_json_has_them_too(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write("wide.mp4", "16/9")
    monkeypatch.setattr(sys, "argv", ["lgvsc", "keyframes", "wide.mp4", "--json"])
    main_ends(0)
    (note,) = json.loads(capsys.readouterr().out)["notes"]
    assert "pixels" in note


def test_a_short_clip_is_left_out_of_a_sweep_and_the_others_are_sent(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write("plain.mp4", "1")
    write("short.mp4", "1", frames=4)
    (tmp_path / "recipe.toml").write_text(RECIPE)
    command = ["lgvsc", "sweep", "recipe.toml", "--clips", "short.mp4", "-o", "out", "--clips", "plain.mp4"]
    monkeypatch.setattr(sys, "argv", command)
    main_ends(0)
    shown = capsys.readouterr()
    assert "short.mp4: left out: short.mp4 has 2 of 4 frames" in shown.err
    assert "left out: short.mp4 has 2 of 4 frames" in shown.out and "±" not in shown.out
    monkeypatch.setattr(sys, "argv", command[:-2])
    main_ends(3)
    assert "no clip can be taken: short.mp4 has 2 of 4 frames" in capsys.readouterr().err
