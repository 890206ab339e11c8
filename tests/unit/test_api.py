"""The link from Python: paths and plain values in."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import lgvsc
from lgvsc.errors import ConfigError, InputError, OutputExistsError


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A second of a square that moves over a ramp."""
    frames = np.zeros((8, 64, 64, 3), np.uint8) + np.arange(0, 192, 3, dtype=np.uint8)[None, None, :, None]
    for index, frame in enumerate(frames):
        frame[20:40, 4 * index : 4 * index + 20] = (200, 60, 40)
    path = tmp_path_factory.mktemp("clip") / "walk.mp4"
    lgvsc.write_video(path, lgvsc.Video(frames, Fraction(8)))
    return path


def test_the_three_parts_of_the_link_one_by_one(clip, tmp_path):
    ledger = lgvsc.send(clip, tmp_path / "tx", snr_db=8)
    assert ledger.symbols["total"] > 0 and ledger.cbr > 0
    assert lgvsc.read_message(tmp_path / "tx.lgvsc")
    assert lgvsc.cross(tmp_path / "tx", tmp_path / "rx", snr_db=12, seed=3) == ledger.symbols["total"]
    arrived = lgvsc.receive(str(tmp_path / "rx"), str(tmp_path / "out.mp4"))
    assert arrived.frames == 8 and not arrived.lost and "8 frames" in arrived.lines()[-1]
    assert len(lgvsc.read_video(tmp_path / "out.mp4")) == 8
    assert (tmp_path / "out.provenance.json").is_file()


def test_what_is_there_is_kept_and_what_is_missing_is_said(clip, tmp_path):
    (tmp_path / "tx.lgvsc").write_bytes(b"kept")
    with pytest.raises(OutputExistsError):
        lgvsc.send(clip, tmp_path / "tx")
    for call in (
        lambda: lgvsc.run(tmp_path / "absent.mp4"),
        lambda: lgvsc.send(tmp_path / "absent.mp4", tmp_path / "new"),
        lambda: lgvsc.cross(tmp_path / "absent", tmp_path / "rx"),
        lambda: lgvsc.receive(tmp_path / "absent", tmp_path / "out.mp4"),
    ):
        with pytest.raises(InputError, match="is not a file"):
            call()
    with pytest.raises(ConfigError, match="would be replaced"):
        lgvsc.cross(tmp_path / "tx", tmp_path / "tx.sigmf-data", force=True)
    with pytest.raises(ConfigError, match="no radio setting is called 'speed'"):
        lgvsc.cross(tmp_path / "tx", tmp_path / "rx", radio={"speed": 3})
    with pytest.raises(ConfigError, match="no container"):
        lgvsc.receive(tmp_path / "tx", tmp_path / "out.txt")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tx.lgvsc"]
