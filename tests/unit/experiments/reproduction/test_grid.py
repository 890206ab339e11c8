"""Measurements of a grid beside its rows: the ends of a video, drawn counts, and what a table is made of."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from compare_rows import row

from lgvsc.core.video import Video, write_video
from lgvsc.experiments.recipe import Line
from lgvsc.experiments.reproduction.grid import SentCell, beyond, drawn_count, frames_of, measure_ends, measured


def test_errors_that_pile_up_show_in_the_last_frames(tmp_path):
    rng = np.random.default_rng(0)
    still = rng.integers(60, 190, (32, 48, 3), np.uint8)
    true = np.repeat(still[None], 10, 0)
    worse = np.stack([np.clip(still + rng.normal(0, 3 * i, still.shape), 0, 255) for i in range(10)]).astype(np.uint8)
    for name, frames in (("a", true), ("b", worse)):
        write_video(tmp_path / f"{name}.mp4", Video(frames, Fraction(10)))
    first, last = measure_ends(tmp_path / "a.mp4", tmp_path / "b.mp4", 3)
    assert first["psnr_db"] > last["psnr_db"] + 5 and first["ssim"] > last["ssim"]
    assert measure_ends(tmp_path / "a.mp4", tmp_path / "b.mp4", 1)[1]["psnr_db"] < last["psnr_db"]  # the very last
    halves = measure_ends(tmp_path / "a.mp4", tmp_path / "b.mp4", 100)  # too short: halves
    assert first["psnr_db"] > halves[0]["psnr_db"] > halves[1]["psnr_db"] > last["psnr_db"]
    shown = frames_of(tmp_path / "a.mp4", [0, -1, 40])
    assert shown[0].shape == (32, 48, 3) and shown[2] is None


def test_a_clip_keeps_the_number_of_keyframes_that_was_drawn_for_it():
    line = Line(label="a", scheme="skim-sfa", keyframes=(3, 4))
    counts = [drawn_count(line, 0, f"{clip:064x}") for clip in range(60)]
    assert counts == [drawn_count(line, 0, f"{clip:064x}") for clip in range(60)]
    assert 15 < counts.count(3) < 45 and set(counts) == {3, 4}


def test_a_rate_that_could_not_be_matched_is_said():
    line = Line(label="SKIM", scheme="skim-sfa", matched_to="SKEM")
    rows = [row(cbr=1.2e-3, cbr_target=1e-3), row(cbr=0.9e-3, cbr_target=1e-3), row(cbr=1e-3, cbr_target=None)]
    sent = [SentCell("SKIM", None, None, one) for one in rows]
    (said,) = beyond([line], sent)
    assert said.startswith("SKIM is above the CBR of SKEM in 1 of 2 transmissions, up to 1.20 times")
    assert beyond([line], sent[1:]) == []


def test_arrived_is_whole_or_not():
    assert measured(row(), "arrived") == 1 and measured(row(lost="1 caption"), "arrived") == 0
    assert measured(row(missing=0.1), "arrived") == 0 and measured(row(), "ssim") is None
    assert measured(row(cbr=1e-3), "cbr") == pytest.approx(1e-3)
