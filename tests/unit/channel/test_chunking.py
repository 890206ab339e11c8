"""Every channel: the stream's cuts change nothing, and gradients go through."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import seeded
from lgvsc.channel.erasures import ErasingChannel, GilbertElliottLosses, IndependentLosses
from lgvsc.channel.fading import FadingChannel
from lgvsc.channel.pilots import Pilots, joined
from lgvsc.channel.rayleigh import BlockFading, ClarkeFading
from lgvsc.channel.tdl import TdlFading

CHANNELS = {
    "awgn": lambda: AwgnChannel(3.0, seeded(1)),
    "block": lambda: FadingChannel(BlockFading(100), 3.0, seeded(1)),
    "fast": lambda: FadingChannel(BlockFading(1), 3.0, seeded(1), csi="none"),
    "doppler": lambda: FadingChannel(ClarkeFading(0.01), 3.0, seeded(1)),
    "tdl": lambda: FadingChannel(TdlFading(model="D"), 3.0, seeded(1)),
    "iid": lambda: ErasingChannel(AwgnChannel(3.0, seeded(1)), IndependentLosses(0.3), seeded(2), packet_symbols=50),
    "bursts": lambda: ErasingChannel(
        FadingChannel(ClarkeFading(0.01), 3.0, seeded(1)), GilbertElliottLosses(0.2, 4.0), seeded(2), packet_symbols=7
    ),
}
SENT = torch.randn(6000, dtype=torch.complex64, generator=seeded(0))


def cut(symbols, cuts):
    edges = [0, *sorted(cuts), len(symbols)]
    return [symbols[a:b] for a, b in itertools.pairwise(edges)]


def close(a, b):
    """Equal but for the last bits, which vectorised arithmetic rounds otherwise at the end of an array."""
    return torch.allclose(a.symbols, b.symbols, rtol=1e-4, atol=1e-4) and torch.allclose(
        a.noise_variance, b.noise_variance, rtol=1e-4
    )


@pytest.mark.parametrize("name", CHANNELS)
@settings(max_examples=8, deadline=None)
@given(cuts=st.lists(st.integers(0, len(SENT)), max_size=6))
def test_any_cuts_give_the_same_reception(name, cuts):
    channel = CHANNELS[name]()
    assert close(joined([channel(piece) for piece in cut(SENT, cuts)]), CHANNELS[name]()(SENT))


@pytest.mark.parametrize("name", CHANNELS)
def test_another_seed_is_another_channel(name):
    other = {"awgn": AwgnChannel(3.0, seeded(3))}.get(name)
    if other is None:
        other = FadingChannel(ClarkeFading(0.01), 3.0, seeded(3))
    assert not close(other(SENT), CHANNELS[name]()(SENT))


@pytest.mark.parametrize("fading", [BlockFading(96), ClarkeFading(0.01), TdlFading(fft_size=32)], ids=str)
@settings(max_examples=6, deadline=None)
@given(cuts=st.lists(st.integers(0, len(SENT)), max_size=6))
def test_estimates_do_not_depend_on_cuts(fading, cuts):
    received = FadingChannel(fading, 10.0, seeded(1), csi="estimated")(SENT)
    pilots = Pilots(fading, 8)
    edges = [0, *sorted(cuts), len(SENT)]
    pieces = [received[a:b] for a, b in itertools.pairwise(edges)]
    whole = joined(list(pilots.estimated([received])))
    assert len(whole) == len(SENT) * 7 // 8
    assert close(joined(list(pilots.estimated(pieces))), whole)


@pytest.mark.parametrize("name", CHANNELS)
def test_gradients_reach_what_was_sent(name):
    """The channel is affine in its input, so large finite differences are exact but for rounding."""
    sent = SENT[:12].to(torch.complex128).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda symbols: CHANNELS[name]()(symbols).symbols, sent, eps=0.5, atol=1e-3, nondet_tol=0.0
    )


def test_gradients_go_through_estimates_and_stop_at_erasures():
    fading = ClarkeFading(0.01)
    sent = SENT[:600].clone().requires_grad_()
    received = FadingChannel(fading, 20.0, seeded(1), csi="estimated")(sent)
    joined(list(Pilots(fading, 8).estimated([received]))).symbols.abs().square().sum().backward()
    assert bool(torch.isfinite(torch.view_as_real(sent.grad)).all())
    assert bool((sent.grad.abs() > 0).all())

    sent = SENT[:600].clone().requires_grad_()
    received = ErasingChannel(AwgnChannel(10.0, seeded(1)), IndependentLosses(0.5), seeded(2))(sent)
    received.symbols.abs().square().sum().backward()
    assert torch.equal(sent.grad == 0, torch.isinf(received.noise_variance))
