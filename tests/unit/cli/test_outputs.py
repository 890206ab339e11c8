"""No command replaces what it reads, and where nothing can be written is said before any work."""

from __future__ import annotations

import os
import sys

import pytest

from lgvsc.cli.main import main
from lgvsc.settings import packaged

RECIPE = 'title = "mine"\nsnr_db = [5]\n[[line]]\nlabel = "a"\nscheme = "skim-dsa"\n'
REPLACES_AN_INPUT = {
    "run, its output": ["run", "walk.mp4", "-o", "walk.mp4"],
    "run, by a link": ["run", "walk.mp4", "-o", "link.mp4"],
    "run, by an inode": ["run", "walk.mp4", "-o", "twin.mp4"],
    "run, its report": ["run", "walk.mp4", "--report", "walk.mp4"],
    "run, its page": ["run", "walk.mp4", "--html", "./walk.mp4"],
    "run, its preset": ["run", "walk.mp4", "--preset", "own.toml", "--report", "own.toml"],
    "send": ["send", "tx.lgvsc", "-o", "tx"],
    "send, several": ["send", "sent/a.sigmf-data", "walk.mp4", "-o", "sent"],
    "channel": ["channel", "tx", "-o", "tx"],
    "receive": ["receive", "tx", "-o", "link.sigmf-data"],
    "keyframes": ["keyframes", "walk.mp4", "--plot", "walk.mp4"],
    "compare": ["compare", "out/side-by-side/walk.mp4", "-o", "out"],
    "picture": ["picture", "pics/a-ntscc-10dB-0.02.png", "pics/a.png", "-o", "pics"],
    "cases embedding": ["cases", "embedding", "walk.mp4", "-o", "walk.mp4"],
    "cases focus": ["cases", "focus", "walk.mp4", "-o", "twin.mp4"],
    "data": ["data", "sent", "--list", "list.csv", "-o", "list.csv"],
    "models convert, GGUF": ["models", "convert", "sent/model.gguf", "sent"],
    "models convert, a folder": ["models", "convert", "weights", "--to", "weights"],
    "models convert, a folder in it": ["models", "convert", "out/side-by-side", "--to", "out"],
    "models convert, a graph": ["models", "convert", "graph.json", "--to", "graph.json"],
    "models convert, an archive": [
        "models",
        "convert",
        "lpips-alexnet",
        "--from",
        "pack/lpips-alexnet.safetensors",
        "--to",
        "pack",
    ],
}
ONE_NAME = {
    "run, two outputs": ["run", "walk.mp4", "-o", "o.mp4", "--report", "x.html", "--html", "x.html"],
    "run, sidecar": ["run", "walk.mp4", "-o", "o.mp4", "--report", "o.provenance.json"],
    "send, several": ["send", "walk.mp4", "out/side-by-side/walk.mp4", "-o", "new"],
    "compare": ["compare", "walk.mp4", "out/side-by-side/walk.mp4", "-o", "new"],
    "sweep": ["sweep", "recipe.toml", "--clips", "walk.mp4", "--clips", "out/side-by-side/walk.mp4", "-o", "new"],
    "picture": ["picture", "pics/a.png", "a.png", "-o", "new"],
    "picture, one codec twice": ["picture", "pics/a.png", "--codec", "ntscc,ntscc", "-o", "new"],
}
CANNOT_BE_WRITTEN = {  # a file stands where a folder would have to
    "run": ["run", "walk.mp4", "-o", "walk.mp4/o.mp4"],
    "run, report": ["run", "walk.mp4", "--report", "walk.mp4/r.json"],
    "send": ["send", "walk.mp4", "-o", "walk.mp4/tx"],
    "send, several": ["send", "walk.mp4", "link.mp4", "-o", "walk.mp4/sent"],
    "channel": ["channel", "tx", "-o", "walk.mp4/rx"],
    "receive": ["receive", "tx", "-o", "walk.mp4/o.mp4"],
    "keyframes": ["keyframes", "walk.mp4", "--plot", "walk.mp4/p.svg"],
    "calibrate": ["calibrate", "sent", "--target-cbr", "6e-4", "-o", "walk.mp4/t.json"],
    "calibrate, cache": ["calibrate", "sent", "--target-cbr", "6e-4"],
    "compare": ["compare", "walk.mp4", "-o", "walk.mp4/out"],
    "sweep": ["sweep", "recipe.toml", "--clips", "walk.mp4", "-o", "walk.mp4"],
    "reproduce": ["reproduce", "gvsc-fig-6", "--clips", "walk.mp4", "-o", "walk.mp4/out"],
    "picture": ["picture", "a.png", "-o", "walk.mp4"],
    "cases": ["cases", "focus", "walk.mp4", "-o", "walk.mp4/c.html"],
    "data": ["data", "sent", "-o", "walk.mp4/m.json"],
}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Files in name only: they must not even be opened."""
    monkeypatch.chdir(tmp_path)
    for name in ("sent", "pics", "out/side-by-side", "weights", "pack"):
        (tmp_path / name).mkdir(parents=True)
    names = ["walk.mp4", "tx.lgvsc", "tx.sigmf-data", "tx.sigmf-meta", "sent/a.sigmf-data", "out/side-by-side/walk.mp4"]
    names += ["pics/a.png", "pics/a-ntscc-10dB-0.02.png", "a.png", "list.csv"]
    names += ["sent/model.gguf", "weights/model.safetensors", "graph.json", "pack/lpips-alexnet.safetensors"]
    for name in names:
        (tmp_path / name).write_bytes(f"this is {name}".encode())
    (tmp_path / "link.mp4").symlink_to("walk.mp4")
    (tmp_path / "link.sigmf-data").symlink_to("tx.sigmf-data")
    os.link("walk.mp4", "twin.mp4")
    (tmp_path / "recipe.toml").write_text(RECIPE)
    (tmp_path / "own.toml").write_bytes((packaged() / "compact.toml").read_bytes())
    return tmp_path


def refused(arguments, place, monkeypatch, capsys):
    """What the command says; it must end with status 2 and leave every file as it was."""
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    monkeypatch.setattr(sys, "argv", ["lgvsc", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    complaint = capsys.readouterr().err
    assert end.value.code == 2, complaint
    assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == before
    return complaint


@pytest.mark.parametrize("force", [True, False], ids=["force", "no force"])
@pytest.mark.parametrize("name", REPLACES_AN_INPUT)
def test_an_output_that_is_an_input_is_refused(name, force, place, monkeypatch, capsys):
    arguments = REPLACES_AN_INPUT[name]
    with_force = [*arguments, "--force"] if force and arguments[0] != "compare" else arguments
    assert "would be replaced" in refused(with_force, place, monkeypatch, capsys)


@pytest.mark.parametrize("name", ONE_NAME)
def test_outputs_with_one_name_are_refused(name, place, monkeypatch, capsys):
    complaint = refused(ONE_NAME[name], place, monkeypatch, capsys)
    assert "two outputs" in complaint or "would have one name" in complaint


@pytest.mark.parametrize("name", CANNOT_BE_WRITTEN)
def test_a_place_where_nothing_can_be_written_is_refused(name, place, monkeypatch, capsys):
    monkeypatch.setenv("LGVSC_CACHE", str(place / "walk.mp4" / "cache"))
    complaint = refused(CANNOT_BE_WRITTEN[name], place, monkeypatch, capsys)
    assert "walk.mp4" in complaint and len(complaint.strip().splitlines()) == 1
    assert "is not a folder" in complaint or "cannot be" in complaint or "folder for outputs" in complaint


def test_a_target_that_is_none_and_a_demo_in_a_file_are_refused_before_any_work(place, monkeypatch, capsys):
    monkeypatch.setenv("LGVSC_CACHE", str(place / "sent"))
    for target in ("nan", "-1", "0"):
        assert "above 0" in refused(["calibrate", "sent", "--target-cbr", target], place, monkeypatch, capsys)
    assert "cannot be a folder for outputs" in refused(["demo", "-o", "walk.mp4"], place, monkeypatch, capsys)


def test_a_folder_of_other_things_is_not_replaced_by_weights(place, monkeypatch, capsys):
    for target in ("pics", "walk.mp4"):
        arguments = ["models", "convert", "sent/model.gguf", target, "--force"]
        assert f"{target} is no folder of weights" in refused(arguments, place, monkeypatch, capsys)
