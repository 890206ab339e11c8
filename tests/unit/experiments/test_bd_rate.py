"""BD-rate per clip, its average, and the clips that have none; the worst clip; the receiver's bill."""

import json
from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest

from lgvsc.config import load_config
from lgvsc.core.video import Video, write_video
from lgvsc.experiments.bd_rate import bd_rate, bd_rates, bd_table, choose_anchor
from lgvsc.experiments.bill import parameters, receiver_parameters
from lgvsc.experiments.compare_table import Row
from lgvsc.experiments.worst_sheet import worst_clip, write_sheet
from lgvsc.models.catalog import find
from lgvsc.models.weights import load_asset, read_tensors

RATES = (1e-4, 2e-4, 4e-4, 8e-4)


def row(name, clip, cbr, **values):
    return Row(
        key=f"{name}{clip}{cbr}", clip=clip, scheme=name, mode="adaptive", channel="awgn", snr_db=5.0, snr_def="esn0",
        cbr_target=cbr, cbr=cbr, **values,
    )  # fmt: skip


def curve(name, clip, factor, offset=0.0, sign=1):
    """Quality rises by .1 for each doubling of the CBR; ``factor`` times the symbols for the same."""
    return [
        row(
            name,
            clip,
            cbr,
            ms_ssim=0.5 + offset + 0.1 * np.log2(cbr / factor / 1e-4),
            lpips=0.5 - 0.1 * np.log2(cbr / factor / 1e-4),
        )
        for cbr in RATES
    ]


def test_half_the_symbols_for_the_same_quality_is_minus_fifty_percent():
    pytest.importorskip("bjontegaard")
    anchor = [(rate, np.log2(rate)) for rate in RATES]
    assert bd_rate(anchor, [(rate / 2, quality) for rate, quality in anchor]) == pytest.approx(-50.0, abs=0.01)
    assert bd_rate(anchor, anchor) == pytest.approx(0.0, abs=1e-6)


def test_it_is_taken_per_clip_and_then_averaged_with_an_interval():
    pytest.importorskip("bjontegaard")
    rows = curve("av1-ldpc", "a", 1, 0.0) + curve("av1-ldpc", "b", 1, 0.2)
    rows += curve("skem-dsa", "a", 0.5, 0.0) + curve("skem-dsa", "b", 2.0, 0.2)
    for metric in ("ms_ssim", "lpips"):
        (found,) = bd_rates(rows, "av1-ldpc", [metric])
        assert found.percent == pytest.approx((-50 + 100) / 2, abs=0.1) and (found.n, found.left_out) == (2, 0)
        assert found.half_width == pytest.approx(12.706 * np.std([-50, 100], ddof=1) / np.sqrt(2), rel=0.01)
    assert bd_table([found])[1][0][:4] == ["LPIPS", "5", "skem-dsa", "+25.0"]


def test_curves_that_fall_or_do_not_meet_are_left_out_and_counted():
    pytest.importorskip("bjontegaard")
    anchor = curve("av1-ldpc", "a", 1) + curve("av1-ldpc", "b", 1) + curve("av1-ldpc", "c", 1)
    falls = curve("skem-dsa", "b", 1)
    falls[2] = replace(falls[2], ms_ssim=0.1)
    apart = curve("skem-dsa", "c", 1, offset=3.0)
    (found,) = bd_rates(anchor + curve("skem-dsa", "a", 1) + falls + apart, "av1-ldpc", ["ms_ssim"])
    assert (found.n, found.left_out) == (1, 2) and found.half_width is None


def test_the_anchor_is_the_last_codec_unless_named():
    assert choose_anchor(["skem-dsa", "h265-ldpc", "av1-ldpc", "dvst"]) == "av1-ldpc"
    assert choose_anchor(["skem-dsa", "dvst"]) == "dvst" and choose_anchor(["a", "b"], "a") == "a"


def test_the_worst_clip_is_the_one_that_looks_worst():
    rows = [row("s", "a", 1e-4, ms_ssim=0.9, lpips=0.5), row("s", "b", 1e-4, ms_ssim=0.2, lpips=0.3)]
    assert worst_clip(rows, "s") == ("a", "lpips")
    assert worst_clip([replace(r, lpips=None) for r in rows], "s") == ("b", "ms_ssim")
    assert worst_clip([], "s") is None


def test_the_sheet_has_a_row_for_each_video_and_four_instants(tmp_path):
    for name, level in (("a", 30), ("b", 220)):
        write_video(tmp_path / f"{name}.mp4", Video(np.full((9, 48, 64, 3), level, np.uint8), Fraction(25)))
    write_sheet(tmp_path / "s.png", [("source", tmp_path / "a.mp4"), ("rebuilt", tmp_path / "b.mp4")])
    sheet = cv2.imread(str(tmp_path / "s.png"))
    assert sheet.shape == (2 * (48 + 20), 4 * 64, 3)
    assert abs(int(sheet[40, 10, 0]) - 30) < 4 and abs(int(sheet[110, 200, 0]) - 220) < 4


def test_the_sheet_shows_the_frames_that_it_names(tmp_path):
    levels = np.arange(8, dtype=np.uint8) * 30
    frames = np.broadcast_to(levels[:, None, None, None], (8, 48, 64, 3))
    for name, count in (("a", 8), ("b", 4)):
        write_video(tmp_path / f"{name}.mp4", Video(np.ascontiguousarray(frames[:count]), Fraction(25)))
    write_sheet(tmp_path / "s.png", [("source", tmp_path / "a.mp4"), ("short", tmp_path / "b.mp4")])
    sheet = cv2.imread(str(tmp_path / "s.png"), cv2.IMREAD_GRAYSCALE).astype(int)
    assert np.abs(sheet[44, 32::64] - [30, 90, 150, 210]).max() < 5  # frames 1, 3, 5, 7
    assert np.abs(sheet[112, 32::64] - [30, 90, 90, 90]).max() < 5  # the short one stands still


def test_the_bill_counts_the_weights_of_the_receivers_networks_only():
    tensors, _ = read_tensors(load_asset(find("compact-world")))
    assert parameters("compact-world") == sum(t.numel() for t in tensors.values())
    config = load_config("compact", "skem-dsa")
    wanted = {config.world_model, *config.models.picture_codecs, "caption-text-model"}
    assert receiver_parameters(config) == sum(parameters(name) for name in wanted)
    assert receiver_parameters(load_config("compact", "av1-ldpc")) == 0
    assert parameters("clip-vit-b-32") is None and json.dumps(parameters("motion-interpolation")) == "0"
