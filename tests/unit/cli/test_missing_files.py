"""A file that is not there: one sentence and exit status 3, whichever command was to read it."""

from __future__ import annotations

import sys

import pytest
import typer

from lgvsc.cli.main import app, main

ABSENT, FOLDER, URL = "nowhere/absent.mp4", "folder.mp4", "https://example.org/walk.mp4"
READS_A_FILE = {  # every command that reads a file or a folder, X in its place
    "run": ["run", "X"],
    "run --preset": ["run", "there.mp4", "--preset", "X.toml"],
    "send": ["send", "X", "-o", "tx"],
    "send, live": ["send", "X", "--to", "127.0.0.1:9"],
    "send, several": ["send", "there.mp4", "X", "-o", "sent"],
    "send --key": ["send", "there.mp4", "--to", "127.0.0.1:9", "--key", "X"],
    "channel": ["channel", "X", "-o", "rx"],
    "channel, message": ["channel", "X.lgvsc", "-o", "rx"],
    "receive": ["receive", "X", "-o", "out.mp4"],
    "receive, message": ["receive", "X.lgvsc", "-o", "out.mp4"],
    "receive --key": ["receive", "--listen", "9", "-o", "out.mp4", "--key", "X"],
    "compare": ["compare", "X", "-o", "out"],
    "sweep": ["sweep", "X", "-o", "out"],
    "sweep --clips": ["sweep", "recipe.toml", "--clips", "X", "-o", "out"],
    "reproduce": ["reproduce", "gvsc-fig-6", "--clips", "X", "-o", "out"],
    "data": ["data", "X", "-o", "m.json"],
    "data --list": ["data", "clips", "--list", "X", "-o", "m.json"],
    "study make": ["study", "make", "X", "-o", "page.html"],
    "study read": ["study", "read", "X", "answers.json"],
    "message show": ["message", "show", "X"],
    "keyframes": ["keyframes", "X"],
    "keyframes, several": ["keyframes", "there.mp4", "X"],
    "keyframes --agreement": ["keyframes", "X", "--agreement"],
    "keyframes, threshold": ["keyframes", "there.mp4", "--set", "judge.threshold_file=X"],
    "keyframes, questions": ["keyframes", "there.mp4", "--set", "judge.questions=X"],
    "score": ["score", "there.png", "X"],
    "calibrate": ["calibrate", "X", "--target-cbr", "6e-4"],
    "measure": ["measure", "there.mp4", "X"],
    "measure, source": ["measure", "X", "there.mp4"],
    "measure --metrics": ["measure", "there.mp4", "X", "--metrics", "vmaf"],
    "keyframe-stats": ["keyframe-stats", "X"],
    "cases embedding": ["cases", "embedding", "X", "-o", "cases.html"],
    "cases focus": ["cases", "focus", "X", "-o", "cases.html"],
    "picture": ["picture", "X"],
    "models convert": ["models", "convert", "X.json", "--to", "out.safetensors"],
    "models convert --from": ["models", "convert", "lpips-alexnet", "--from", "X", "--to", "out"],
}
READS_NONE = {  # and those that read none, or only what a model's name stands for
    "demo", "doctor", "cite", "config show", "train", "ui",
    "models list", "models pull", "models verify", "models card", "models labels",
}  # fmt: skip


def names(command, prefix=""):
    """Names of all commands."""
    for name, below in getattr(command, "commands", {}).items():
        yield from names(below, f"{prefix}{name} ") if hasattr(below, "commands") else [prefix + name]


def test_no_command_is_left_out_of_this_test():
    tried = {key.split(",")[0].split(" -")[0] for key in READS_A_FILE}
    assert tried | READS_NONE == set(names(typer.main.get_command(app)))
    assert not tried & READS_NONE


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a video and a picture in name only, which must not even be opened."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clips").mkdir()
    (tmp_path / "there.mp4").write_bytes(b"not opened")
    (tmp_path / "there.png").write_bytes(b"not opened")
    monkeypatch.setenv("LGVSC_CACHE", str(tmp_path / "cache"))
    (tmp_path / "recipe.toml").write_text('title = "mine"\nsnr_db = [5]\n[[line]]\nlabel = "a"\nscheme = "skim-dsa"\n')
    return tmp_path


def ended(arguments, monkeypatch, capsys):
    """Exit status and complaint."""
    monkeypatch.setattr(sys, "argv", ["lgvsc", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code, capsys.readouterr().err


@pytest.mark.parametrize("name", READS_A_FILE)
def test_a_missing_file_is_one_sentence_and_status_3(name, place, monkeypatch, capsys):
    before = sorted(place.iterdir())
    status, complaint = ended([word.replace("X", ABSENT) for word in READS_A_FILE[name]], monkeypatch, capsys)
    assert status == 3, complaint
    assert len(complaint.strip().splitlines()) == 1
    assert ABSENT in complaint and ("is not a file" in complaint or "is not a folder" in complaint)
    assert sorted(place.iterdir()) == before  # seen before any work


READS_FOLDERS = ("sweep --clips", "reproduce", "calibrate", "data", "study make")


@pytest.mark.parametrize("name", [name for name in READS_A_FILE if name not in READS_FOLDERS])
def test_a_folder_in_place_of_a_file_is_named_as_one(name, place, monkeypatch, capsys):
    for suffix in ("", ".toml", ".lgvsc", ".json", ".sigmf-meta"):
        (place / (FOLDER + suffix)).mkdir()
    status, complaint = ended([word.replace("X", FOLDER) for word in READS_A_FILE[name]], monkeypatch, capsys)
    assert status == 3, complaint
    assert len(complaint.strip().splitlines()) == 1 and "is a folder, not a file" in complaint


@pytest.mark.parametrize("name", READS_A_FILE)
def test_a_url_is_said_to_be_one(name, place, monkeypatch, capsys):
    status, complaint = ended([word.replace("X", URL) for word in READS_A_FILE[name]], monkeypatch, capsys)
    assert status == 3, complaint
    assert len(complaint.strip().splitlines()) == 1 and "is a URL" in complaint
