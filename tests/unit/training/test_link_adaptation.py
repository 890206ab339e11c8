"""The measurement behind link adaptation: the fit, its repeatability, and that the stored table is whole."""

import tomllib
from importlib import resources
from statistics import NormalDist

import numpy as np
import pytest

from lgvsc.coding.modem.digital import LADDER, block_code, block_count, mcs_at
from lgvsc.training import link_adaptation
from lgvsc.training.link_adaptation import (
    control_points,
    data_lengths,
    data_points,
    fit,
    measure,
    measure_link_adaptation,
)

CODES = ("polar", "ldpc")


@pytest.mark.parametrize(("mean_db", "spread_db"), [(-4.2, 0.3), (7.0, 0.1), (20.0, 1.2)])
def test_the_fit_finds_a_known_waterfall(mean_db, spread_db):
    random = np.random.default_rng(0)
    blocks = 2000
    trials = []
    for deviations in (-1.0, 0.0, 1.0, 2.0):
        lost = int(random.binomial(blocks, NormalDist().cdf(-deviations)))
        trials.append((mean_db + deviations * spread_db, blocks, lost))
    found = fit(trials)
    assert found.mean_db == pytest.approx(mean_db, abs=0.02 + 0.1 * spread_db)
    assert found.spread_db == pytest.approx(spread_db, rel=0.12)


def test_the_same_seed_measures_the_same():
    mcs = mcs_at(3, 8)
    first, second = (measure(block_code(8, mcs), 2, -2.0, (0, 3, 8), 0.1) for _ in range(2))
    assert first == second
    assert 0 < first.errors < first.blocks


def test_every_scheme_is_measured_in_single_blocks_up_to_the_longest():
    for index in range(len(LADDER)):
        lengths = {
            code: [n for n in data_lengths(index) if mcs_at(index, n).code == code] for code in ("polar", "ldpc")
        }
        assert max(lengths["polar"]) + 1 == min(lengths["ldpc"])
        assert block_count(max(lengths["ldpc"]), mcs_at(index, max(lengths["ldpc"]))) == 1
        assert block_count(max(lengths["ldpc"]) + 1, mcs_at(index, max(lengths["ldpc"]) + 1)) == 2


def test_an_interrupted_run_goes_on_and_ends_the_same(tmp_path, monkeypatch):
    points = [point for point in data_points() if point.payload_bits == 8][:3]
    monkeypatch.setattr(link_adaptation, "data_points", lambda: points)
    monkeypatch.setattr(link_adaptation, "control_points", list)
    measure_link_adaptation(tmp_path / "whole.toml", seed=3, effort=0.02)
    whole = (tmp_path / "whole.toml").read_text()
    cut = whole.index("[[data]]", whole.index("[[data]]") + 1)
    (tmp_path / ".again.toml.part").write_text(whole[:cut].rstrip() + "\n")
    measured = []
    monkeypatch.setattr(link_adaptation, "measure", lambda *given: measured.append(given) or measure(*given))
    measure_link_adaptation(tmp_path / "again.toml", seed=3, effort=0.02)
    assert (tmp_path / "again.toml").read_text() == whole
    assert len(measured) == 2 and not (tmp_path / ".again.toml.part").exists()


def test_the_stored_table_holds_every_measured_point_and_says_what_it_rests_on():
    table = tomllib.loads(resources.files("lgvsc.coding.modem").joinpath("mcs.toml").read_text())
    for name, points in (("data", data_points()), ("control", control_points())):
        stored = [{key: row[key] for key in point.names} for row, point in zip(table[name], points, strict=True)]
        assert stored == [dict(point.names) for point in (data_points() if name == "data" else control_points())]
    for row in table["data"] + table["control"]:
        assert row["blocks"] >= 50
        assert 10 <= row["errors"] < row["blocks"]
