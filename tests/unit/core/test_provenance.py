"""Where frames came from: runs, what is said to machines, and the badge for people."""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest

from lgvsc.core.interfaces import Rebuilt
from lgvsc.core.provenance import ProvenanceRuns, badged, sidecar_of, write_sidecar
from lgvsc.core.video import Video


def piece(start, *origins):
    return Rebuilt(Video(np.zeros((len(origins), 4, 4, 3), np.uint8), Fraction(24), start), origins)


def test_equal_neighbours_are_one_run_across_pieces():
    runs = ProvenanceRuns()
    runs.add(piece(0, "received", "generated", "generated"))
    runs.add(piece(3, "generated", "missing"))
    runs.add(piece(5, "received"))
    assert runs.runs == [(0, 1, "received"), (1, 4, "generated"), (4, 5, "missing"), (5, 6, "received")]


def test_the_sidecar_names_its_video_and_says_that_it_is_generated(tmp_path):
    runs = ProvenanceRuns()
    runs.add(piece(0, "received", "generated"))
    path = write_sidecar(tmp_path / "out.mp4", runs.statement(generated=True))
    assert path == sidecar_of(tmp_path / "out.mp4") == tmp_path / "out.provenance.json"
    said = json.loads(path.read_text())
    assert said["video"] == "out.mp4" and said["generated_content"] is True and said["frames"] == 2
    assert said["runs"][1] == {"start": 1, "stop": 2, "origin": "generated"}


def test_a_video_of_nothing_has_no_frames():
    assert ProvenanceRuns().statement(generated=False)["frames"] == 0


@pytest.mark.parametrize("size", [(16, 16), (90, 160), (256, 256), (1080, 1920)])
def test_a_badge_is_small_and_only_on_what_was_made(size):
    picture = np.full((*size, 3), 120, np.uint8)
    assert badged(picture, "received") is picture
    for origin in ("generated", "concealed", "missing"):
        marked = badged(picture, origin)
        assert marked.shape == picture.shape and (picture == 120).all()
        changed = (marked != picture).any(axis=2).mean()
        assert 0 < changed < (1.0 if min(size) < 64 else 0.06)
