"""The byte form is pinned: files of version 1, written once by the first writer, stay readable and stay the same.

``message_v1.lgvsc`` has pictures, whose lossless coding may differ from one release of the image library to the next,
so it is only read. ``message_v1_words.lgvsc`` is the same message without them, written byte for byte alike by
every release. ``message_v1.json`` is the view of the first. None of them is ever made anew; a new version gets new
files.
"""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from lgvsc.core.container import message_view, read_message, read_segments, write_message
from lgvsc.core.message import Motion, Segment
from lgvsc.core.video import VideoFormat

GOLDEN = Path(__file__).parents[2] / "golden"
VIDEO = VideoFormat(18, 32, Fraction(30000, 1001), 75)


def ramp(shift):
    """A picture by formula: rows in red, columns in green, their sum in blue."""
    rows, columns = np.mgrid[0:18, 0:32]
    return np.stack([rows * 14, columns * 8, (rows * 5 + columns * 3 + shift) % 256], axis=2).astype(np.uint8)


def golden_segments(pictures=True):
    first = Segment(
        video=VIDEO,
        start=0,
        stop=30,
        caption='A red boat — "Mañana" — drifts; 小船.',
        keyframe=ramp(0) if pictures else None,
        motion=Motion(score=1.5, camera="pan left", pan=-0.25, tilt=0.0625, zoom=-0.125),
        divergence=0.5,
        status={"control": "ok", "caption": "ok", "side": "ok", "keyframe": "ok", "closing_keyframe": "absent"},
    )
    second = Segment(video=VIDEO, start=30, stop=60, cut=45, keyframe=ramp(40) if pictures else None)
    third = Segment(
        video=VIDEO,
        start=60,
        stop=75,
        caption="",
        last=True,
        keyframe=ramp(80) if pictures else None,
        closing_keyframe=ramp(120) if pictures else None,
        status={"control": "ok", "caption": "lost"},
    )
    return [first, second, third]


FIELDS = ("video", "start", "stop", "caption", "motion", "cut", "last", "divergence", "status")


@pytest.mark.parametrize(("name", "pictures"), [("message_v1.lgvsc", True), ("message_v1_words.lgvsc", False)])
def test_a_message_of_version_1_reads_as_it_always_has(name, pictures):
    got, expected = read_message(GOLDEN / name).segments, golden_segments(pictures)
    assert len(got) == len(expected)
    for mine, golden in zip(got, expected, strict=True):
        assert [getattr(mine, field) for field in FIELDS] == [getattr(golden, field) for field in FIELDS]
        for part in ("keyframe", "closing_keyframe"):
            picture, true = getattr(mine, part), getattr(golden, part)
            assert (picture is None) == (true is None)
            assert picture is None or np.array_equal(picture, true)


def test_the_words_are_written_byte_for_byte_as_they_always_have(tmp_path):
    write_message(tmp_path / "m.lgvsc", golden_segments(pictures=False))
    assert (tmp_path / "m.lgvsc").read_bytes() == (GOLDEN / "message_v1_words.lgvsc").read_bytes()


def test_the_view_keeps_every_key_and_value_it_ever_had():
    view = message_view(read_segments(GOLDEN / "message_v1.lgvsc"))
    golden = json.loads((GOLDEN / "message_v1.json").read_text(encoding="utf-8"))
    assert {key: view[key] for key in golden if key != "segments"} == {k: golden[k] for k in golden if k != "segments"}
    for mine, row in zip(view["segments"], golden["segments"], strict=True):
        assert {key: mine[key] for key in row} == row
