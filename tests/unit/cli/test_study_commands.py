"""``lgvsc study``: a page that hides who made what, and preferences from what it saves."""

import base64
import json
import re
from fractions import Fraction

import av
import numpy as np
import pytest
from typer.testing import CliRunner

from lgvsc.cli.main import app
from lgvsc.core.video import Video, write_video
from lgvsc.errors import ConfigError, InputError


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    base = tmp_path_factory.mktemp("study")
    for seed, name in enumerate(("clips", "skem-dsa", "av1-ldpc")):
        (base / name).mkdir()
        for clip in ("a", "b"):
            frames = np.random.Generator(np.random.PCG64(seed)).integers(0, 255, (4, 48, 64, 3)).astype(np.uint8)
            write_video(base / name / f"{clip}.mp4", Video(frames, Fraction(8)))
    return base


def run(*words):
    return CliRunner().invoke(app, ["study", *map(str, words)])


def data_of(page):
    (island,) = re.findall(r'<script id="data" type="application/json">(.*?)</script>', page.read_text())
    return json.loads(island)


def test_the_page_holds_playable_videos_and_no_names(folders, tmp_path):
    page = tmp_path / "study.html"
    made = run("make", folders / "skem-dsa", folders / "av1-ldpc", "--reference", folders / "clips", "-o", page)
    assert made.exit_code == 0, made.output
    text, data = page.read_text(), data_of(page)
    assert not any(word in text for word in ("skem", "av1", "http://", "https://"))
    assert [pair["always"] for pair in data["pairs"]] == [False, False, True, True]
    assert {pair[side] for pair in data["pairs"] for side in ("first", "second")} == set(data["videos"])
    for video in data["videos"].values():
        path = tmp_path / "video.mp4"
        path.write_bytes(base64.b64decode(video))
        with av.open(path) as container:
            codec = container.streams.video[0].codec_context
            assert (codec.name, codec.pix_fmt) == ("h264", "yuv420p")
            assert sum(1 for _ in container.decode(video=0)) == 4
    assert json.loads((tmp_path / "study.key.json").read_text())["study"] == data["study"]


def test_answers_become_preferences(folders, tmp_path):
    page = tmp_path / "study.html"
    run("make", folders / "skem-dsa", folders / "av1-ldpc", "--reference", folders / "clips", "-o", page)
    study = data_of(page)["study"]
    for who, checks in (("x", "first"), ("y", "second")):
        given = [{"pair": pair, "chosen": "first" if pair < 2 else checks} for pair in range(4)]
        (tmp_path / f"{who}.json").write_text(json.dumps({"study": study, "participant": who, "answers": given}))
    told = run("read", tmp_path / "study.key.json", tmp_path / "x.json", tmp_path / "y.json", "--json")
    found = json.loads(told.stdout)
    assert (found["people"], found["left_out"]) == (1, 1)
    assert found["preferences"][0]["conditions"] == ["skem-dsa", "av1-ldpc"]
    assert found["preferences"][0]["share"] == 1.0
    assert "skem-dsa" in run("read", tmp_path / "study.key.json", tmp_path / "x.json").stdout


def test_a_folder_of_compare_brings_its_schemes(folders, tmp_path):
    (tmp_path / "out" / "rebuilt").mkdir(parents=True)
    for scheme in ("skem-dsa", "av1-ldpc"):
        bytes_ = (folders / scheme / "a.mp4").read_bytes()
        (tmp_path / "out" / "rebuilt" / f"a.3s.{scheme}.0123456789abcdef.mp4").write_bytes(bytes_)
    assert run("make", tmp_path / "out", "-o", tmp_path / "study.html").exit_code == 0
    key = json.loads((tmp_path / "study.key.json").read_text())
    assert [(pair["clip"], pair["conditions"]) for pair in key["pairs"]] == [("a.3s", ["av1-ldpc", "skem-dsa"])]


def test_a_condition_is_called_by_its_folder_also_from_within(folders, tmp_path, monkeypatch):
    monkeypatch.chdir(folders / "skem-dsa")
    assert run("make", ".", "../av1-ldpc", "-o", tmp_path / "study.html").exit_code == 0
    key = json.loads((tmp_path / "study.key.json").read_text())
    assert key["pairs"][0]["conditions"] == ["skem-dsa", "av1-ldpc"]


def test_what_cannot_be_asked_is_refused(folders, tmp_path):
    page = tmp_path / "study.html"
    assert isinstance(run("make", tmp_path / "none", folders / "clips", "-o", page).exception, InputError)
    assert isinstance(run("make", folders / "clips", folders / "clips", "-o", page).exception, ConfigError)
    assert isinstance(run("make", folders / "clips", "-o", page).exception, ConfigError)
    assert isinstance(run("make", folders / "skem-dsa", folders / "av1-ldpc", "-o", folders / "av1-ldpc" / "a.mp4",
                          "--force").exception, (InputError, ConfigError))  # fmt: skip
    assert not page.exists()
