"""Pilots: where they are, that they are charged, and that what the receiver claims of its estimates is true."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lgvsc.channel.common import seeded
from lgvsc.channel.erasures import ErasingChannel, IndependentLosses
from lgvsc.channel.fading import FadingChannel
from lgvsc.channel.pilots import Pilots, joined, pilot_values
from lgvsc.channel.rayleigh import BlockFading, ClarkeFading
from lgvsc.channel.tdl import TdlFading
from lgvsc.core.air import Burst, Part
from lgvsc.core.ledger import charge
from lgvsc.errors import ConfigError

FADINGS = [BlockFading(64), ClarkeFading(0.01), TdlFading(), TdlFading(model="D", speed_m_s=30.0)]


def data(count, seed=0):
    bits = torch.randint(0, 2, (2, count), generator=seeded(seed)).float()
    return torch.complex(1 - 2 * bits[0], 1 - 2 * bits[1]) / math.sqrt(2)


def piloted(pilots, lengths):
    """Bursts of so many data symbols, with pilots."""
    bursts, before = [], 0
    for index, length in enumerate(lengths):
        bursts.append(pilots.inserted(Burst(index, (Part("video", data(length, index)),)), before))
        before += length
    return bursts


def over(fading, snr_db, count, seed=1, spacing=8):
    """Data symbols, and what comes out at the receiver."""
    pilots = Pilots(fading, spacing)
    (burst,) = piloted(pilots, [count])
    received = FadingChannel(fading, snr_db, seeded(seed), csi="estimated")(burst.symbols)
    return data(count), joined(list(pilots.estimated([received])))


@settings(max_examples=40, deadline=None)
@given(spacing=st.integers(2, 40), lengths=st.lists(st.integers(0, 200), min_size=1, max_size=6))
def test_the_first_of_every_so_many_symbols_is_a_pilot_and_all_are_charged(spacing, lengths):
    pilots = Pilots(ClarkeFading(0.001), spacing)
    bursts = piloted(pilots, lengths)
    air = torch.cat([burst.symbols for burst in bursts])
    where = torch.arange(len(air)) % spacing == 0
    assert torch.equal(air[where], pilot_values(torch.arange(int(where.sum()))))
    assert torch.equal(air[~where], torch.cat([data(length, index) for index, length in enumerate(lengths)]))
    entries = [entry for burst in bursts for entry in charge(burst)]
    assert sum(entry.symbols for entry in entries if entry.label == "pilots") == int(where.sum())
    assert {entry.purpose for entry in entries if entry.label == "pilots"} == {"control"}
    assert sum(entry.symbols for entry in entries) == len(air) == sum(map(len, bursts))


def test_pilots_have_the_energy_of_a_symbol():
    assert torch.allclose(pilot_values(torch.arange(500)).abs(), torch.ones(500))


@pytest.mark.parametrize("snr_db", [0.0, 10.0, 25.0])
@pytest.mark.parametrize("fading", FADINGS, ids=str)
def test_the_claimed_noise_variance_is_true(fading, snr_db):
    """|x' - x|^2 over what is claimed has mean one, estimation error included, wherever the gain is."""
    ratios = []
    for seed in range(6):
        sent, received = over(fading, snr_db, 7000, seed)
        ratios.append((received.symbols - sent).abs().square() / received.noise_variance)
    ratio = torch.stack(ratios).reshape(60, -1).mean(dim=1)
    assert abs(float(ratio.mean()) - 1) < 4 * float(ratio.std()) / math.sqrt(60)


@pytest.mark.parametrize("fading", FADINGS, ids=str)
def test_estimates_cost_something_and_not_much(fading):
    """Bit error rates at 10 dB: no better than with known gains, and far from those of no knowledge."""

    def wrong(received, sent):
        return float((received.real * sent.real < 0).float().mean())

    rates = {"estimated": 0.0, "perfect": 0.0, "none": 0.0}
    for seed in range(5):
        sent, received = over(fading, 10.0, 14_000, seed)
        rates["estimated"] += wrong(received.symbols, sent) / 5
        for csi in ("perfect", "none"):
            plain = FadingChannel(fading, 10.0, seeded(seed), csi=csi)(sent)
            rates[csi] += wrong(plain.symbols, sent) / 5
    assert rates["perfect"] * 0.9 < rates["estimated"] < 2.5 * rates["perfect"] + 0.005
    assert rates["none"] > 0.25 or "'D'" in str(fading)  # a direct path may keep its phase for a while


def test_without_noise_slow_gains_are_known_nearly_exactly():
    sent, received = over(ClarkeFading(0.002), math.inf, 5000)
    assert float((received.symbols - sent).abs().square().mean()) < 1e-3
    assert float(received.noise_variance.median()) < 1e-5


def test_a_short_stream_and_an_empty_one():
    for count in (0, 1, 7, 8, 9):
        sent, received = over(ClarkeFading(0.01), 20.0, count)
        assert len(received) == len(sent) == count
        assert bool(torch.isfinite(received.noise_variance).all())


def test_lost_pilots_widen_the_error_and_lost_symbols_stay_lost():
    fading = ClarkeFading(0.01)
    pilots = Pilots(fading, 8)
    (burst,) = piloted(pilots, [14_000])
    channel = ErasingChannel(
        FadingChannel(fading, 15.0, seeded(1), csi="estimated"), IndependentLosses(0.3), seeded(2), packet_symbols=20
    )
    received = channel(burst.symbols)
    out = joined(list(pilots.estimated([received])))
    lost = torch.isinf(received.noise_variance)[torch.arange(len(received)) % 8 > 0]
    assert torch.equal(torch.isinf(out.noise_variance), lost)
    assert not out.symbols[lost].any()
    ratio = ((out.symbols - data(14_000)).abs().square() / out.noise_variance)[~lost]
    assert abs(float(ratio.mean()) - 1) < 0.1
    _, whole = over(fading, 15.0, 14_000)
    assert float(out.noise_variance[~lost].log().mean()) > float(whole.noise_variance[~lost].log().mean())


def test_a_stream_of_which_nothing_arrived_is_all_erasures():
    pilots = Pilots(BlockFading(64), 8)
    received = FadingChannel(BlockFading(64), 10.0, seeded(1), csi="estimated")(data(640))
    received.noise_variance.fill_(math.inf)
    out = joined(list(pilots.estimated([received])))
    assert len(out) == 560
    assert not out.symbols.any()
    assert bool(torch.isinf(out.noise_variance).all())


@pytest.mark.parametrize("value", [math.nan, math.inf, 0.0, 1e12])
def test_hostile_symbols_spoil_no_others(value):
    pilots = Pilots(ClarkeFading(0.01), 8)
    received = FadingChannel(ClarkeFading(0.01), 10.0, seeded(1), csi="estimated")(data(800))
    received.symbols[400] = complex(value, 0)  # a pilot
    received.symbols[411] = complex(value, 0)
    out = joined(list(pilots.estimated([received])))
    assert bool(torch.isfinite(torch.view_as_real(out.symbols)).all())
    assert int(torch.isinf(out.noise_variance).sum()) == 1


@pytest.mark.parametrize(
    ("fading", "spacing", "message"),
    [
        (BlockFading(1), 8, "multiple of channel.pilot_spacing"),
        (BlockFading(60), 8, "multiple of channel.pilot_spacing"),
        (ClarkeFading(0.1), 8, "must be below 5"),
        (ClarkeFading(0.01), 1, "pilot_spacing is 1"),
        (TdlFading(fft_size=60), 8, "fft_size"),
        (TdlFading(delay_spread_ns=400.0), 32, "subcarrier cannot follow"),
    ],
)
def test_gains_that_pilots_cannot_follow_are_refused(fading, spacing, message):
    with pytest.raises(ConfigError, match=message):
        Pilots(fading, spacing)
