"""GVSC's ladder: learned from a table, climbed by SNR, and held back by a budget."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lgvsc import kinds
from lgvsc.config import load_config, with_chosen_scheme
from lgvsc.core.video import VideoFormat
from lgvsc.errors import ConfigError, InputError
from lgvsc.experiments.compare_table import Row, write_csv
from lgvsc.experiments.ladder_choice import learn_ladder
from lgvsc.schemes.ladder import LadderConfig, choose_rung, parse, shipped_ladder

SNRS_DB = (-6.0, 0.0, 10.0)
CBR = {"text-only": 4e-4, "gvsc-sketch": 1e-3, "gvsc-sketches": 3e-3, "gvsc-first-frame": 5e-3}
SSIM = {  # by SNR; sketches never pay, the first frame only from 0 dB on
    "text-only": (0.30, 0.30, 0.30),
    "gvsc-sketch": (0.29, 0.34, 0.40),
    "gvsc-sketches": (0.28, 0.342, 0.405),
    "gvsc-first-frame": (0.31, 0.50, 0.60),
}


def rows(spread=0.01, clips=6):
    for name, values in SSIM.items():
        for snr_db, ssim in zip(SNRS_DB, values, strict=True):
            for clip in range(clips):
                wiggle = spread * (-1) ** clip * (1 if name == "gvsc-first-frame" else -1)
                yield Row(
                    key=f"{name}{snr_db}{clip}", clip=f"c{clip}", scheme=name, mode="free", channel="awgn",
                    snr_db=snr_db, snr_def="esn0", cbr_target=None, cbr=CBR[name], ssim=ssim + clip / 50 + wiggle,
                    ms_ssim=0.5, psnr_db=20.0,
                )  # fmt: skip


def learned(tmp_path, made, **how):
    write_csv(tmp_path / "transmissions.csv", made)
    return parse(learn_ladder(tmp_path / "transmissions.csv", **how))


def test_a_rung_is_taken_where_it_is_surely_better_and_worth_it(tmp_path):
    ladder = learned(tmp_path, rows())
    assert ladder.clips == 6 and ladder.snrs_db == SNRS_DB
    # at -6 dB the first frame leads by 0.01 on average, but not in all clips
    assert ladder.steps == ((float("-inf"), "text-only"), (0.0, "gvsc-first-frame"))
    assert [ladder.at(snr) for snr in (-9, -0.1, 0, 99)] == ["text-only"] * 2 + ["gvsc-first-frame"] * 2


def test_what_gains_little_for_many_symbols_is_not_taken(tmp_path):
    without = [row for row in rows(spread=0) if row.scheme != "gvsc-first-frame"]
    assert learned(tmp_path, without, worth=0).at(10) == "gvsc-sketches"
    assert learned(tmp_path, without, worth=0.01).at(10) == "gvsc-sketch"


def test_a_budget_holds_back(tmp_path):
    ladder = learned(tmp_path, rows())
    assert choose_rung(10, ladder=ladder)[0] == "gvsc-first-frame"
    scheme, reason = choose_rung(10, ladder=ladder, max_cbr=4e-3)
    assert scheme == "gvsc-sketch", "sketches would fit, and gain next to nothing"
    assert "gvsc-first-frame used more than the budget at 10 dB" in reason and "mean SSIM was" in reason
    assert choose_rung(10, ladder=ladder, max_cbr=1e-9)[0] == "text-only"


def test_the_paper_s_one_threshold():
    config = LadderConfig(threshold_db=3.0, visuals="gvsc-sketch")
    assert choose_rung(2.9, config)[0] == "text-only"
    assert choose_rung(3.0, config)[0] == "gvsc-sketch"
    with pytest.raises(ConfigError, match=r"ladder\.visuals"):
        LadderConfig(visuals="h264-ldpc")


def test_a_table_without_the_schemes_teaches_nothing(tmp_path):
    for made in ([], [row for row in rows() if row.scheme == "gvsc-sketch"], list(rows(clips=1))):
        with pytest.raises(InputError, match="two clips"):
            learned(tmp_path, made)
    failed = [replace(row, error="no") if row.clip == "c0" else row for row in rows()]
    assert learned(tmp_path, failed).clips == 5


def test_the_transmitter_climbs_by_the_snr_it_believes_and_any_receiver_of_the_kind_reads_it():
    video = VideoFormat(256, 256, 4, 8)
    settings = {"ladder.threshold_db": 3.0, "channel.snr_db": 9.0, "coding.believed_snr_db": 1.0}
    config, reason = kinds.ADAPTIVE.choose(video, load_config(scheme="gvsc-adaptive", settings=settings))
    assert (config.scheme, config.chosen_by) == ("text-only", "gvsc-adaptive") and "1 dB is below" in reason
    assert config.keyframes.interval_s == 2 and not config.message.send_keyframes
    better = load_config(scheme="gvsc-adaptive", settings=settings | {"coding.believed_snr_db": 9.0})
    config, _ = kinds.ADAPTIVE.choose(video, better)
    assert config == with_chosen_scheme(better, "gvsc-first-frame")


def test_the_shipped_ladder_begins_with_the_cheapest_it_knows_of():
    ladder = shipped_ladder()
    assert ladder.steps[0][0] == float("-inf") and ladder.clips > 1
    assert [start for start, _ in ladder.steps] == sorted(start for start, _ in ladder.steps)
    assert {scheme for _, scheme in ladder.steps} <= {rung.scheme for rung in ladder.rungs}
    assert all(len(rung.cbr) == len(rung.ssim) == len(ladder.snrs_db) for rung in ladder.rungs)
