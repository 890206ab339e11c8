"""What the demo sends: each SNR once, then its rivals in as many symbols as the last one took."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from lgvsc.errors import OutputExistsError
from lgvsc.experiments import demo as subject


def test_rivals_get_the_symbols_that_the_last_transmission_took(tmp_path, monkeypatch):
    asked = []

    def run(clip, config, **_):
        asked.append((config.scheme, config.channel.snr_db, config.coding.budget))
        return SimpleNamespace(report=lambda: {"cbr": 1e-3 / (1 + len(asked))})

    monkeypatch.setattr(subject, "make_sample_clip", lambda path: path.write_bytes(b"a clip"))
    monkeypatch.setattr(subject.link, "run", run)
    made = list(subject.demo(tmp_path / "out"))
    assert asked == [
        ("layered-dsa", 10.0, ""),
        ("layered-dsa", 0.0, ""),
        ("skem-dsa", 0.0, "3.333333e-04cbr"),
        ("av1-ldpc", 0.0, "3.333333e-04cbr"),
    ]
    assert [run.compared for run in made] == [False, False, True, True]
    assert all(run.json.is_file() for run in made) and len({run.video for run in made}) == 4
    with pytest.raises(OutputExistsError):
        list(subject.demo(tmp_path / "out"))
