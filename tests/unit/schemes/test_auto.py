"""The rule that chooses a scheme: learned from a table, followed between its points, and said in words."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch

from lgvsc import kinds, link
from lgvsc.config import SCHEMES, load_config, with_chosen_scheme
from lgvsc.core.air import Reception
from lgvsc.core.video import Video, VideoFormat, write_video
from lgvsc.errors import ConfigError, InputError
from lgvsc.experiments.compare_table import Row, write_csv
from lgvsc.experiments.scheme_choice import learn_scheme_choice
from lgvsc.schemes import auto
from lgvsc.schemes.auto import choose_scheme

SNRS_DB, CBRS = (0.0, 10.0), (1e-4, 1e-3)
# MS-SSIM by scheme at (0 dB, 10 dB) x (1e-4, 1e-3), and the share of the budget that was used
TRUTH = {
    "skem-dsa": (((0.50, 0.60), (0.52, 0.64)), 1.0),
    "h265-ldpc": (((0.30, 0.70), (0.40, 0.90)), 0.95),
    "skim-dsa": (((0.90, 0.95), (0.90, 0.95)), 1.5),  # best, but never within the budget
}


def rows(clips=("a", "b")):
    for name, (values, used) in TRUTH.items():
        for i, snr_db in enumerate(SNRS_DB):
            for j, cbr in enumerate(CBRS):
                for sign, clip in zip((1, -1), clips, strict=False):  # clips differ, their mean is the truth
                    quality = values[i][j] + sign * 0.05
                    yield Row(
                        key=f"{name}{i}{j}{clip}", clip=clip, scheme=name, mode="adaptive", channel="awgn",
                        snr_db=snr_db, snr_def="esn0", cbr_target=cbr, cbr=used * cbr, ms_ssim=quality,
                        ssim=1 - quality, psnr_db=20.0, lpips=quality,
                    )  # fmt: skip


@pytest.fixture
def known(tmp_path):
    write_csv(tmp_path / "compare.csv", rows())
    return learn_scheme_choice(tmp_path / "compare.csv", tmp_path / "auto.toml")


def test_the_best_that_keeps_to_the_budget_is_taken(known):
    assert known.clips == 2 and known.snrs_db == SNRS_DB and known.cbrs == CBRS
    assert choose_scheme(0.0, 1e-4, known=known).scheme == "skem-dsa"
    assert choose_scheme(0.0, 1e-3, known=known).scheme == "h265-ldpc"
    assert choose_scheme(0.0, 1e-3, "ssim", known=known).scheme == "skem-dsa"  # here the smaller the better
    assert choose_scheme(0.0, 1e-3, "lpips", known=known).scheme == "skem-dsa"  # a distance
    assert choose_scheme(0.0, 1e-4, "lpips", known=known).scheme == "h265-ldpc"
    reason = choose_scheme(10.0, 1e-3, known=known).reason
    assert "auto chose h265-ldpc: at 10 dB and CBR 1.0e-03 mean MS-SSIM is 0.900" in reason
    assert "0.640 of skem-dsa" in reason and "n = 2 clips" in reason and "skim-dsa used more than the budget" in reason


def test_between_the_points_the_curves_are_followed(known):
    # at 0 dB the two curves cross where 0.5 + 0.1 t = 0.3 + 0.4 t, two thirds of the way from 1e-4 to 1e-3 in log
    cross = 1e-4 * 10 ** (2 / 3)
    assert choose_scheme(0.0, 0.97 * cross, known=known).scheme == "skem-dsa"
    assert choose_scheme(0.0, 1.03 * cross, known=known).scheme == "h265-ldpc"
    curves = next(c for c in known.schemes if c.name == "h265-ldpc")
    assert known.at(curves.quality["ms_ssim"], 5.0, 10**-3.5) == pytest.approx((0.3 + 0.7 + 0.4 + 0.9) / 4)


def test_outside_of_what_was_measured_the_reason_says_so(known):
    assert "at the edge" in choose_scheme(-9.0, 1e-4, known=known).reason
    assert "at the edge" in choose_scheme(0.0, 9e-3, known=known).reason
    assert "at the edge" not in choose_scheme(0.0, 1e-3, known=known).reason


def test_where_nothing_fits_the_nearest_is_taken_and_it_is_said(tmp_path):
    write_csv(tmp_path / "t.csv", [row for row in rows() if row.scheme == "skim-dsa"])
    verdict = choose_scheme(0.0, 1e-4, known=learn_scheme_choice(tmp_path / "t.csv", tmp_path / "auto.toml"))
    assert verdict.scheme == "skim-dsa" and "no scheme kept to so small a budget" in verdict.reason


def test_only_clips_that_all_schemes_have_count_and_holes_are_refused(tmp_path):
    some = [row for row in rows(("a", "b")) if not (row.clip == "b" and row.key == "h265-ldpc10b")]
    write_csv(tmp_path / "t.csv", some)
    known = learn_scheme_choice(tmp_path / "t.csv", tmp_path / "auto.toml")
    assert known.clips == 1 and '"a"' in (tmp_path / "auto.toml").read_text()
    assert known.at(known.schemes[0].quality["ms_ssim"], 0.0, 1e-4) == pytest.approx(0.55)
    write_csv(tmp_path / "t.csv", [row for row in some if row.key != "h265-ldpc10a"])
    known = learn_scheme_choice(tmp_path / "t.csv", tmp_path / "auto.toml")
    assert [curves.name for curves in known.schemes] == ["skem-dsa", "skim-dsa"] and known.clips == 2
    write_csv(tmp_path / "t.csv", [row for row in some if row.snr_db > 0 or row.cbr_target == 1e-4][:5])
    with pytest.raises(InputError, match="no clip with results for every scheme"):
        learn_scheme_choice(tmp_path / "t.csv", tmp_path / "auto.toml")


@pytest.mark.parametrize("goal", auto.GOALS)
def test_the_shipped_rule_knows_real_schemes_and_where_its_numbers_are_from(goal):
    known = auto.measurements(goal)
    assert {curves.name for curves in known.schemes} <= set(SCHEMES)
    assert {auto.family(curves.name) for curves in known.schemes} == {"generative", "conventional"}
    shape = len(known.snrs_db), len(known.cbrs)
    for curves in known.schemes:
        assert curves.used.shape == shape and curves.quality[goal].shape == shape
        assert ((curves.quality["ms_ssim"] > 0) & (curves.quality["ms_ssim"] < 1)).all()


def test_auto_needs_a_budget_and_a_known_objective(tmp_path):
    path = tmp_path / "clip.mp4"
    write_video(path, Video(np.full((3, 64, 64, 3), 99, np.uint8), Fraction(25)))
    with pytest.raises(ConfigError, match="--budget"):
        link.run(path, load_config(scheme="auto"), output=tmp_path / "out.mp4")
    with pytest.raises(ConfigError, match="objective"):
        load_config(scheme="auto", settings={"auto.objective": "beauty"})


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({}, "LPIPS"),
        ({"objective": "structure"}, "MS-SSIM"),
        ({"objective": "structure", "auto.objective": "dists"}, "DISTS"),
    ],
)
def test_auto_goes_by_the_objective(settings, name):
    """Of the shipped tables at 3e-4 and 0 dB the layered link is the best in both, sent for that."""
    config = load_config(scheme="auto", settings={"coding.budget": "3e-4cbr", "channel.snr_db": 0.0} | settings)
    chosen, reason = kinds.kind_of("auto").choose(VideoFormat(256, 456, Fraction(25), 75), config)
    assert f"mean {name} is" in reason
    assert chosen.scheme == "layered-dsa" and chosen.objective == ("structure" if name == "MS-SSIM" else "look")


def test_auto_runs_and_says_why(tmp_path, monkeypatch, known):
    monkeypatch.setattr(auto, "measurements", lambda goal: known)
    path = tmp_path / "clip.mp4"
    pictures = np.stack([np.roll(np.tile(np.arange(0, 240, 3, dtype=np.uint8), (64, 1)), i, 1) for i in range(10)])
    write_video(path, Video(np.repeat(pictures[..., None], 3, axis=3), Fraction(25)))
    config = load_config(scheme="auto", settings={"coding.budget": "0.03cbr", "objective": "structure"})
    report = link.run(path, config, output=tmp_path / "out.mp4").report()
    assert report["scheme"] == "h265-ldpc" and report["chosen_by"] == "auto"
    assert report["choices"][0].startswith("auto chose h265-ldpc") and report["cbr"] <= 0.03


@pytest.mark.parametrize("sender", ["h264-ldpc", "skem-dsa", "layered-dsa"])
def test_a_receiver_that_was_told_nothing_finds_out(sender, tmp_path):
    pictures = np.full((6, 64, 64, 3), 120, np.uint8)
    pictures[:, 20:40, 20:40] = 220
    video = Video(pictures, Fraction(25))
    settings = {"coding.budget": "0.06cbr"}
    bursts = kinds.scheme(load_config(scheme=sender, settings=settings)).transmit(iter(video), video.format)
    air = [Reception(b.symbols, torch.full((len(b.symbols),), 1e-3)) for _, b in bursts]
    heard = []
    pieces = list(kinds.scheme(load_config(scheme="auto")).reconstruct(iter(air), on_segment=heard.append))
    assert sum(len(piece.video) for piece in pieces) == 6 and len(heard) == len(air)
    assert np.abs(np.asarray(pieces[0].video.frames[0], int) - pictures[0]).mean() < 12


def test_noise_alone_gives_no_video_and_no_error():
    noise = torch.randn(3000, dtype=torch.complex64, generator=torch.Generator().manual_seed(3))
    pieces = kinds.scheme(load_config(scheme="auto")).reconstruct([Reception(noise, torch.ones(3000))])
    assert list(pieces) == []
    with pytest.raises(ConfigError, match="choose_scheme"):
        kinds.scheme(load_config(scheme="auto")).transmit(iter([]), Video(np.zeros((1, 8, 8, 3), np.uint8), 25).format)


def test_the_chosen_scheme_brings_its_own_settings():
    config = load_config(scheme="auto", settings={"keyframes.threshold": 0.2, "coding.budget": "6e-4cbr"})
    chosen = with_chosen_scheme(config, "text-only")
    assert not chosen.message.send_keyframes and chosen.keyframes.threshold == 0.2 and chosen.chosen_by == "auto"
