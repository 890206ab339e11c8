"""What the command line makes of its options besides a configuration."""

from __future__ import annotations

import pytest
import torch
from typer.testing import CliRunner

from lgvsc.cli import link_commands
from lgvsc.cli.main import app
from lgvsc.cli.options import resolve


@pytest.fixture(autouse=True)
def threads_as_before():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("named", "settings", "expected"), [(None, [], 1), ("3", [], 2), (None, ["link.threads=0"], 2)]
)
def test_the_compact_preset_takes_one_thread_unless_it_is_told_otherwise(monkeypatch, named, settings, expected):
    torch.set_num_threads(2)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if named:
        monkeypatch.setenv("OMP_NUM_THREADS", named)
    resolve("compact", "skem-dsa", settings)
    assert torch.get_num_threads() == expected


def test_packets_in_real_time_take_the_quick_effort_unless_it_is_set(monkeypatch):
    sent = []
    monkeypatch.setattr(link_commands, "send_live", lambda video, config, *_: sent.append(config.structure.effort))
    for more in ([], ["--set", "structure.effort=best"], ["--pace", "fast"]):
        CliRunner().invoke(app, ["send", "a.mp4", "--to", "127.0.0.1:9", *more], catch_exceptions=False)
    assert sent == ["live", "best", "best"]
