"""Packet losses: rates, bursts, and what a lost packet leaves."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import seeded
from lgvsc.channel.erasures import ErasingChannel, GilbertElliottLosses, IndependentLosses
from lgvsc.errors import ConfigError

PACKETS = 100_000


def bursts(lost):
    """Lengths of the runs of losses that begin and end within the record."""
    steps = torch.diff(lost.int())
    starts, ends = (steps == 1).nonzero()[:, 0], (steps == -1).nonzero()[:, 0]
    ends = ends[ends > starts[0]]
    return (ends - starts[: len(ends)]).double()


def test_independent_losses_have_the_rate_and_geometric_bursts():
    lost = IndependentLosses(0.2).fates(seeded(0)).take(PACKETS).real > 0
    assert abs(float(lost.double().mean()) - 0.2) < 4 * math.sqrt(0.2 * 0.8 / PACKETS)
    runs = bursts(lost)
    assert abs(float(runs.mean()) - 1 / 0.8) < 4 * float(runs.std()) / math.sqrt(len(runs))


@pytest.mark.parametrize(("rate", "mean"), [(0.1, 3.0), (0.3, 10.0), (0.5, 1.0), (0.02, 1.0)])
def test_gilbert_elliott_losses_have_the_rate_and_the_mean_burst(rate, mean):
    chain = GilbertElliottLosses(rate, mean)
    assert chain.entering / (chain.entering + chain.leaving) == pytest.approx(rate)  # stationary loss
    lost = chain.fates(seeded(1)).take(PACKETS).real > 0
    runs = bursts(lost)
    assert abs(float(runs.mean()) - mean) <= 4 * float(runs.std()) / math.sqrt(len(runs))
    memory = 1 - chain.entering - chain.leaving  # autocorrelation of the chain, geometric
    deviation = math.sqrt(max(0.05, (1 + memory) / (1 - memory)) * rate * (1 - rate) / PACKETS)
    assert abs(float(lost.double().mean()) - rate) < 4 * deviation


def test_the_chain_begins_in_its_stationary_state():
    first = [bool(GilbertElliottLosses(0.4, 50.0).fates(seeded(seed)).take(1).real > 0) for seed in range(1000)]
    assert abs(sum(first) / 1000 - 0.4) < 4 * math.sqrt(0.4 * 0.6 / 1000)


@settings(max_examples=40, deadline=None)
@given(size=st.integers(1, 200), start=st.integers(0, 300))
def test_packets_are_lost_whole_and_the_others_are_untouched(size, start):
    sent = torch.ones(1500, dtype=torch.complex64)
    channel = ErasingChannel(AwgnChannel(5.0, seeded(1)), IndependentLosses(0.4), seeded(2), packet_symbols=size)
    pieces = [channel(sent[:start]), channel(sent[start:])]
    symbols = torch.cat([piece.symbols for piece in pieces])
    lost = torch.isinf(torch.cat([piece.noise_variance for piece in pieces]))
    plain = AwgnChannel(5.0, seeded(1))(sent)
    assert torch.equal(symbols == 0, lost)
    assert torch.allclose(symbols[~lost], plain.symbols[~lost])
    for packet in lost.split(size):
        assert packet.unique().numel() == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: IndependentLosses(1.0), "loss_rate"),
        (lambda: IndependentLosses(math.nan), "loss_rate"),
        (lambda: GilbertElliottLosses(0.1, 0.5), "at least one"),
        (lambda: GilbertElliottLosses(0.9, 2.0), "9 or more"),
        (
            lambda: ErasingChannel(AwgnChannel(5.0, seeded(1)), IndependentLosses(0.1), seeded(0), packet_symbols=0),
            "one",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
