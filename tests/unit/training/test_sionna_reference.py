"""Our block error rates beside those of Sionna's own classes, which ``benchmarks/sionna_reference.py`` stored."""

import json
import math
from pathlib import Path

import pytest

from lgvsc.coding.modem.digital import block_code, mcs_at
from lgvsc.coding.modem.link_adaptation import waterfall
from lgvsc.training.link_adaptation import fit, simulation

REFERENCE = json.loads((Path(__file__).parents[2] / "golden" / "sionna_bler.json").read_text())["rows"]


@pytest.mark.parametrize("row", REFERENCE, ids=lambda row: f"{row['code']} {row['k']} in {row['n']}")
def test_the_stored_table_is_within_a_tenth_of_a_decibel_of_sionna(row):
    mcs = mcs_at(row["index"], row["payload_bits"])
    assert (mcs.code, mcs.bits_per_symbol) == (row["code"], row["bits_per_symbol"])
    assert block_code(row["payload_bits"], mcs).coded_bits == row["n"]
    theirs = fit([(point["snr_db"], point["blocks"], point["errors"]) for point in row["points"]])
    ours = waterfall(row["payload_bits"], mcs)
    for bler in (0.5, 0.1):
        assert ours.required_snr_db(bler) == pytest.approx(theirs.required_snr_db(bler), abs=0.1)


@pytest.mark.parametrize("row", [row for row in REFERENCE if row["k"] <= 1024 and row["code"] != "turbo"][1:3])
def test_what_the_code_does_today_is_within_a_tenth_of_a_decibel_of_sionna(row):
    """In 192 blocks, up to four standard deviations."""
    mcs = mcs_at(row["index"], row["payload_bits"])
    theirs = fit([(point["snr_db"], point["blocks"], point["errors"]) for point in row["points"]])
    snr_db, blocks = theirs.required_snr_db(0.3), 192
    lost = simulation(block_code(row["payload_bits"], mcs), mcs.bits_per_symbol, (7, row["index"]))(snr_db, blocks)
    allowance = 4 * math.sqrt(0.21 * blocks)
    assert blocks * theirs.bler(snr_db + 0.1) - allowance < lost < blocks * theirs.bler(snr_db - 0.1) + allowance
