"""GVSC's bookkeeping: the numbers that the paper prints, and the same accounting of what we send."""

from __future__ import annotations

from fractions import Fraction

import pytest

from lgvsc.core.ledger import Ledger, LedgerEntry
from lgvsc.core.video import VideoFormat
from lgvsc.schemes.gvsc_rates import description_symbols, paper_symbols, published_rates

VOLUME = 3 * 256 * 256 * 8


def test_a_description_takes_what_the_paper_says():
    """Section III-A: 95.63 tokens are 765.04 bits, which are 1147.56 symbols."""
    assert description_symbols(95.63) == pytest.approx(1147.56, abs=1e-9)
    assert description_symbols(95.63) == pytest.approx(1.5 * 765.04, abs=1e-9)


@pytest.mark.parametrize(
    ("scheme", "symbols", "stated", "digits"),
    [
        ("text-only", 1147.56, 0.0007, 4),
        ("gvsc-sketch", 2171.56, 0.001, 3),
        ("gvsc-sketches", 0.0026 * VOLUME + 1147.56, 0.003, 3),
        ("gvsc-first-frame", 0.0057 * VOLUME, 0.0057, 4),
        ("dvst", 0.004 * VOLUME, 0.004, 3),
        ("h264-ldpc", 0.008 * VOLUME, 0.008, 3),
        ("h265-ldpc", 0.008 * VOLUME, 0.008, 3),
    ],
)
def test_the_rows_are_the_paper_s(scheme, symbols, stated, digits):
    (row,) = [row for row in published_rates() if row.scheme == scheme]
    assert row.symbols == pytest.approx(symbols, abs=1e-6)
    assert row.cbr == pytest.approx(symbols / VOLUME, rel=1e-12)
    assert row.stated_cbr == stated
    assert round(row.cbr, digits) == stated  # the paper's own rounding


def test_the_first_frame_alone_has_a_cbr_of_about_a_twenty_fifth():
    (row,) = [row for row in published_rates() if row.scheme == "gvsc-first-frame"]
    assert row.visual_symbols == pytest.approx(7818, abs=1)
    assert row.visual_symbols / (3 * 256 * 256) == pytest.approx(0.040, abs=5e-4)


def test_the_same_accounting_of_what_was_really_sent():
    entries = (
        LedgerEntry(0, "control", "", 256, 214),
        LedgerEntry(0, "captions", "", 90, 120),
        LedgerEntry(0, "side", "", 20, 32),
        LedgerEntry(0, "sketches", "key sketch", 1024, 0),
        LedgerEntry(0, "sketches", "rate map of the other sketches", 300, 400),
        LedgerEntry(0, "sketches", "other sketches", 3000, 0),
    )
    ledger = Ledger(entries, VideoFormat(256, 256, Fraction(4), 8))
    counted = paper_symbols(ledger, ["a" * 95, None, ""])
    assert counted["control"] == counted["side"] == 0
    assert counted["captions"] == 95 * 12
    assert counted["sketches"] == 4024
    assert counted["total"] == 95 * 12 + 4024
    assert ledger.symbols["total"] == 4690, "the ledger itself still counts everything"
