"""The measurement behind link adaptation: the fit, its repeatability, and that the stored table is whole."""

import tomllib
from importlib import resources
from statistics import NormalDist

import numpy as np
import pytest

from lgvsc.coding.control_block import CONTROL_FORMATS
from lgvsc.coding.digital import LADDER, block_code, block_count, mcs_at
from lgvsc.training.link_adaptation import data_points, fit, measure


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
    points = list(data_points())
    for index in range(len(LADDER)):
        lengths = {code: [n for i, c, n in points if (i, c) == (index, code)] for code in ("polar", "ldpc")}
        assert max(lengths["polar"]) + 1 == min(lengths["ldpc"])
        assert block_count(max(lengths["ldpc"]), mcs_at(index, max(lengths["ldpc"]))) == 1
        assert block_count(max(lengths["ldpc"]) + 1, mcs_at(index, max(lengths["ldpc"]) + 1)) == 2
        for code, some in lengths.items():
            assert all(mcs_at(index, n).code == code for n in some)


def test_the_stored_table_holds_every_measured_point_and_says_what_it_rests_on():
    table = tomllib.loads(resources.files("lgvsc.coding").joinpath("mcs.toml").read_text())
    assert {(row["index"], row["code"], row["payload_bits"]) for row in table["data"]} == set(data_points())
    assert {row["symbols"] for row in table["control"]} == set(CONTROL_FORMATS)
    for row in table["data"] + table["control"]:
        assert row["blocks"] >= 100
        assert 10 <= row["errors"] < row["blocks"]
