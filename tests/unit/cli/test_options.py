"""What the command line makes of its options besides a configuration."""

from __future__ import annotations

import pytest
import torch

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
