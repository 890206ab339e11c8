"""Every symbol is counted once, and CBR follows the definition."""

from fractions import Fraction

import pytest
import torch

from lgvsc.core.air import Burst, Part
from lgvsc.core.ledger import Ledger
from lgvsc.core.video import VideoFormat


def part(purpose, count, bits=0, label=""):
    return Part(purpose, torch.ones(count, dtype=torch.complex64), bits, label)


def test_cbr_and_rates_follow_their_definitions():
    bursts = [
        Burst(0, (part("control", 100, 200), part("captions", 50, 60), part("keyframes", 850))),
        Burst(1, (part("control", 100, 200), part("keyframes", 300), part("keyframes", 200, label="closing keyframe"))),
    ]
    ledger = Ledger.of(bursts, VideoFormat(10, 20, Fraction(25), 50))
    assert ledger.symbols == {
        "control": 200, "captions": 50, "side": 0, "keyframes": 1350, "sketches": 0, "video": 0, "structure": 0,
        "total": 1600,
    }  # fmt: skip
    assert ledger.cbr == pytest.approx(1600 / (3 * 10 * 20 * 50))
    assert ledger.symbols_per_s == pytest.approx(800)
    assert ledger.kbit_per_s == pytest.approx(0.23)
    assert ledger.airtime_s(400.0) == pytest.approx(4.0)
    assert ledger.labelled("closing keyframe") == 200
    assert sum(len(b) for b in bursts) == ledger.symbols["total"]
    assert all(len(b) == b.symbols.numel() for b in bursts)
