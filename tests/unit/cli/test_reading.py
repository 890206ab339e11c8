"""What is said of a large video: how long, and how to make it smaller by an option that exists."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
import typer

from lgvsc.cli.main import app
from lgvsc.cli.options import progress
from lgvsc.cli.reading import on_open, size_hint
from lgvsc.core.video import VideoFormat


def test_a_large_video_brings_one_line_with_the_option_that_makes_it_smaller(capsys):
    phone, small = VideoFormat(1920, 1080, Fraction(30), 300), VideoFormat(144, 192, Fraction(15), 30)
    assert size_hint(small) is None
    assert "1080x1920" in size_hint(phone) and "--max-side 480" in size_hint(phone) and "16 times" in size_hint(phone)
    opened = on_open(Path("phone.mp4"), quiet=False)
    for _ in range(2):
        opened(phone, ["its sound is not sent"])
    assert len(capsys.readouterr().err.splitlines()) == 2  # each sentence once
    on_open(Path("phone.mp4"), quiet=True)(phone, ["its sound is not sent"])
    assert capsys.readouterr().err.splitlines() == ["phone.mp4: its sound is not sent"]


@pytest.mark.parametrize("command", ["run", "send", "keyframes", "compare"])
def test_commands_that_read_large_videos_have_it(command):
    options = {flag for param in typer.main.get_command(app).commands[command].params for flag in param.opts}
    assert "--max-side" in options


def test_progress_is_a_bar_with_an_estimate_on_a_terminal(monkeypatch, capsys):
    times = iter([0.0, 0.5, 10.0, 20.0])
    monkeypatch.setattr("lgvsc.cli.options.time.monotonic", lambda: next(times))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    show = progress(quiet=False)
    opened = on_open(Path("phone.mp4"), False, show)
    opened(VideoFormat(144, 256, Fraction(30), 100), [])
    show(50, 100)
    opened(VideoFormat(144, 256, Fraction(30), 100), [])
    show(100, 100)
    begun, first, last = capsys.readouterr().err.split("\r\x1b[K")[1:]
    assert begun == "[....................] 0/100 frames"
    assert first == "[##########..........] 50/100 frames, 5 per second, about 10 s to go"
    assert last.startswith("[####################] 100/100")
    assert progress(quiet=True) is None
