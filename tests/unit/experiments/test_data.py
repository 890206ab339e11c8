"""Data sets by list and folder: layouts, what is left out and why, splits that stay, manifests that notice changes."""

import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from typer.testing import CliRunner

from lgvsc.cli.main import app
from lgvsc.core.video import Video, write_video
from lgvsc.errors import ConfigError, InputError
from lgvsc.experiments.data import Entry, captions_in, clips_of, draw_splits, read_manifest, read_set


def clip(path, frames=8, level=90):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, Video(np.full((frames, 32, 48, 3), level, np.uint8), Fraction(8)))
    return path


@pytest.fixture(scope="module")
def webvid(tmp_path_factory):
    base = tmp_path_factory.mktemp("webvid")
    clip(base / "videos" / "000001_000050" / "11.mp4")
    clip(base / "videos" / "12.mp4", level=30)
    clip(base / "videos" / "13.mp4", frames=2, level=200)
    (base / "videos" / "14.mp4").write_bytes(b"no video")
    rows = ['11,u,PT1S,000001_000050,"A dog, running"', "12,u,PT1S,,Night", "13,u,PT1S,,Short", "14,u,PT1S,,Broken",
            "15,u,PT1S,,Gone", "11,u,PT1S,../../..,Outside"]  # fmt: skip
    (base / "list.csv").write_text("videoid,contentUrl,duration,page_dir,name\n" + "\n".join(rows) + "\n")
    return base


def test_webvid_by_its_csv(webvid):
    found = read_set(webvid / "videos", webvid / "list.csv", min_seconds=0.5)
    assert found.layout == "webvid"
    assert [(e.captions, e.frames, e.fps, e.width, e.height) for e in found.entries] == [
        (("A dog, running",), 8, 8.0, 48, 32),
        (("Night",), 8, 8.0, 48, 32),
    ]
    assert found.left_out == {"shorter than 0.5 s": 1, "cannot be decoded": 1, "not on disk": 2}


def test_kinetics_by_label_and_times(tmp_path):
    clip(tmp_path / "arm wrestling" / "abc_000003_000013.mp4")
    clip(tmp_path / "juggling_balls" / "xyz.mp4", level=20)
    (tmp_path / "test.csv").write_text(
        "label,youtube_id,time_start,time_end,split\narm wrestling,abc,3,13,test\njuggling balls,xyz,1,11,test\n"
    )
    found = read_set(tmp_path, tmp_path / "test.csv")
    assert [(e.label, e.split) for e in found.entries] == [("arm wrestling", "test"), ("juggling balls", "test")]


def test_msr_vtt_by_its_json(tmp_path):
    clip(tmp_path / "video7.mp4")
    sentences = [{"video_id": "video7", "caption": "a cat"}, {"video_id": "video7", "caption": "a cat sits"}]
    listing = tmp_path / "list.json"
    listing.write_text(json.dumps({"videos": [{"video_id": "video7", "split": "validate"}], "sentences": sentences}))
    (entry,) = read_set(tmp_path, listing).entries
    assert (entry.captions, entry.split) == (("a cat", "a cat sits"), "validate")
    listing = tmp_path / "test.csv"
    listing.write_text("key,vid_key,video_id,sentence\nret0,msr7,video7,a cat\nret1,msr7,video7,a cat sits\n")
    found = read_set(tmp_path, listing)
    assert [e.captions for e in found.entries] == [("a cat", "a cat sits")] and found.left_out == {"listed before": 1}


def test_a_folder_without_a_list_and_one_without_a_clip(tmp_path):
    clip(tmp_path / "deep" / "a.mp4")
    assert [e.captions for e in read_set(tmp_path).entries] == [()]
    with pytest.raises(InputError, match="1 shorter than 5 s"):
        read_set(tmp_path, min_seconds=5)
    (tmp_path / "list.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="has columns a, b"):
        read_set(tmp_path, tmp_path / "list.csv")
    (tmp_path / "list.json").write_text("[1]")
    with pytest.raises(InputError, match="lists no clips"):
        read_set(tmp_path, tmp_path / "list.json")


def test_splits_are_drawn_by_hash_and_stay_when_clips_come():
    entries = [Entry(path=str(i), sha256=f"{i:064x}") for i in range(2000)]
    drawn = draw_splits(entries, {"train": 9, "test": 1}, seed=3)
    assert sum(e.split == "test" for e in drawn) == pytest.approx(200, abs=45)
    assert draw_splits(entries[500:], {"train": 9, "test": 1}, seed=3) == drawn[500:]
    assert draw_splits(entries, {"train": 9, "test": 1}, seed=4) != drawn
    own = replace(entries[0], split="val")
    assert draw_splits([own], {"train": 1}, seed=0) == (own,)


def test_the_command_writes_a_manifest_that_notices_a_change(webvid, tmp_path):
    out = webvid / "webvid.json"
    words = ["data", str(webvid / "videos"), "--list", str(webvid / "list.csv"), "-o", str(out), "--splits", "test=1"]
    told = CliRunner().invoke(app, words)
    assert told.exit_code == 0 and "3 clips of layout webvid (3 in test)" in told.stdout
    assert all(e["path"].startswith("videos/") for e in json.loads(out.read_text())["clips"])
    assert [path.name for path in clips_of(out)] == ["11.mp4", "12.mp4", "13.mp4"]
    assert len(read_manifest(out).entries) == 3
    clip(webvid / "videos" / "12.mp4", level=31)
    with pytest.raises(InputError, match=r"12\.mp4 is not the file"):
        clips_of(out)
    out.write_text("{}")
    with pytest.raises(InputError, match="no manifest"):
        clips_of(out)


def test_the_command_replaces_no_clip_and_names_broken_ones(tmp_path):
    mine = clip(tmp_path / "clips" / "a.mp4")
    (tmp_path / "clips" / "b.mp4").write_bytes(b"no video")
    before = mine.read_bytes()
    told = CliRunner().invoke(app, ["data", str(mine.parent), "-o", str(mine), "--force"])
    assert isinstance(told.exception, ConfigError) and "it is an input" in str(told.exception)
    assert mine.read_bytes() == before
    told = CliRunner().invoke(app, ["data", str(mine.parent), "-o", str(tmp_path / "m.json")])
    assert told.exit_code == 0 and "1 cannot be decoded" in told.stderr and "b.mp4 cannot be read" in told.stderr


@pytest.mark.parametrize("splits", ["a=1,a=2", "a", "a=nan", "a=0", "=1", "a=1,"])
def test_splits_that_make_no_sense(tmp_path, splits):
    words = ["data", str(tmp_path), "-o", str(tmp_path / "m.json"), "--splits", splits]
    assert CliRunner().invoke(app, words).exit_code == 2


def test_listings_as_strangers_write_them(tmp_path):
    clip(tmp_path / "11.mp4")
    rows = ["11,u,PT1S,,Seen", "11,u,PT1S,,Seen again", f"{'x' * 300},u,PT1S,,Long", "1\0" + "1,u,PT1S,/etc,Cut short",
            "16", "12,u,PT1S,,more,than,columns"]  # fmt: skip
    (tmp_path / "list.csv").write_text("\ufeffvideoid,contentUrl,duration,page_dir,name\n" + "\n".join(rows) + "\n")
    found = read_set(tmp_path, tmp_path / "list.csv")
    assert [e.captions for e in found.entries] == [("Seen",)]
    assert sum(found.left_out.values()) == 5 and found.left_out["not on disk"] == 3
    listing = tmp_path / "list.json"
    said = [{"video_id": 11, "caption": None}, {"video_id": "11", "caption": "Étoile \U0001f31f"}]
    listing.write_text(json.dumps({"videos": [{"video_id": 11}], "sentences": said}))
    assert [e.captions for e in read_set(tmp_path, listing).entries] == [("Étoile \U0001f31f",)]
    for text in (
        '{"videos": 3, "sentences": []}',
        '{"videos": [], "sentences": [{"caption": "x"}]}',
        "[" * 10**5,
        "\0",
    ):
        listing.write_text(text)
        with pytest.raises(InputError):
            read_set(tmp_path, listing)
    (tmp_path / "wide.csv").write_text("videoid,name\n11," + "x" * 200_000)
    with pytest.raises(InputError, match="field larger"):
        read_set(tmp_path, tmp_path / "wide.csv")


def test_captions_of_manifests(webvid, tmp_path):
    out = tmp_path / "webvid.json"
    words = ["data", str(webvid / "videos"), "--list", str(webvid / "list.csv"), "-o", str(out)]
    assert CliRunner().invoke(app, words).exit_code == 0
    told = {path.name: caption for path, caption in captions_in([out, webvid / "videos" / "11.mp4"]).items()}
    assert told == {"11.mp4": "A dog, running", "12.mp4": "Night", "13.mp4": "Short"}
    found = json.loads(out.read_text())
    found["clips"][0]["captions"] = "A dog, running"
    out.write_text(json.dumps(found))
    with pytest.raises(InputError, match="no list of sentences"):
        captions_in([out])
