"""Bursts in a continuous stream: found, followed, cut anywhere, lost and found again."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import child_generator, seeded
from lgvsc.coding.burst.control_block import MAX_CONTROL_SYMBOLS, decode_control, encode_control
from lgvsc.coding.burst.framing import (
    DETECTION_THRESHOLD,
    MAX_BURST_SYMBOLS,
    PREAMBLE,
    PREAMBLE_SYMBOLS,
    ControlRead,
    bursts,
    preamble_likelihood,
)
from lgvsc.coding.modem.digital import demodulate, modulate
from lgvsc.core.air import Reception

TOY_SYMBOLS = 24


def data(symbols, seed=0):
    return modulate(torch.randint(0, 2, (2 * symbols,), generator=seeded(seed)).float(), 2)


def toy_burst(index, body):
    """Preamble, 24 symbols of uncoded control (index, length, both again flipped), body."""
    fields = np.array([index, len(body) >> 8, len(body) & 255], dtype=np.uint8)
    bits = np.unpackbits(np.concatenate([fields, fields ^ 0b10100101]))
    return torch.cat([PREAMBLE, modulate(torch.from_numpy(bits).float(), 2), body])


def read_toy(received):
    bits = (demodulate(received, 2, symbols=TOY_SYMBOLS) > 0).numpy().astype(np.uint8)
    first, again = np.packbits(bits).reshape(2, 3)
    if not np.array_equal(first ^ 0b10100101, again):
        return None
    return ControlRead(int(first[0]), TOY_SYMBOLS, int(first[1]) << 8 | int(first[2]))


def receive(symbols, snr_db=15.0, cuts=None, reader=read_toy, control_symbols=TOY_SYMBOLS):
    received = AwgnChannel(snr_db, child_generator(0, "framing"))(symbols)
    edges = [0, *sorted(cuts or []), len(received)]
    chunks = [received[a:b] for a, b in itertools.pairwise(edges)]
    return list(bursts(chunks, reader, control_symbols=control_symbols))


BODIES = [data(count, count) for count in (300, 0, 5000, 41, 1000)]
STREAM = torch.cat([toy_burst(index, body) for index, body in enumerate(BODIES)])


def assert_bodies(found, expected):
    assert [header for header, _ in found] == list(expected)
    for header, body in found:
        assert len(body) == len(BODIES[header])
        assert (body.symbols - BODIES[header]).abs().square().sum() < 0.1 * len(body) + 1e-9


def test_bursts_back_to_back_are_followed():
    assert_bodies(receive(STREAM), range(5))


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, STREAM.numel()), max_size=60))
def test_chunks_may_be_cut_anywhere(cuts):
    assert_bodies(receive(STREAM, cuts=cuts), range(5))


def test_single_symbols_as_chunks():
    assert_bodies(receive(STREAM[:900], cuts=range(1, 900))[:1], [0])


@pytest.mark.parametrize("junk", [1, 31, 333, 9000])
def test_a_stream_that_begins_with_something_else(junk):
    assert_bodies(receive(torch.cat([data(junk, 99), STREAM])), range(5))


def test_a_lost_control_costs_one_burst():
    damaged = STREAM.clone()
    start = len(toy_burst(0, BODIES[0])) + len(toy_burst(1, BODIES[1]))
    damaged[start + PREAMBLE_SYMBOLS :][:TOY_SYMBOLS] = 0
    assert_bodies(receive(damaged), [0, 1, 3, 4])


def test_missing_symbols_in_the_middle_cost_one_burst():
    """A receiver that lost 700 symbols is out of step, runs into the next burst, and finds the one after."""
    start = len(toy_burst(0, BODIES[0])) + len(toy_burst(1, BODIES[1])) + 1000
    found = receive(torch.cat([STREAM[:start], STREAM[start + 700 :]]))
    assert [header for header, _ in found][:3] == [0, 1, 2]
    assert found[-1][0] == 4 or len(found) == 3


def test_a_stream_that_ends_early_is_filled_with_erasures():
    found = receive(STREAM[:-600])
    body = found[-1][1]
    assert found[-1][0] == 4
    assert len(body) == 1000
    assert torch.isinf(body.noise_variance).tolist() == [False] * 400 + [True] * 600
    assert not body.symbols[400:].any()


def test_noise_and_silence_hold_no_bursts():
    noise = torch.randn(20_000, dtype=torch.complex64, generator=seeded(1))
    assert receive(noise) == []
    assert receive(torch.zeros(20_000, dtype=torch.complex64)) == []
    assert receive(STREAM[:20]) == []
    assert list(bursts([], read_toy, control_symbols=TOY_SYMBOLS)) == []


def test_a_length_beyond_the_bound_is_no_control():
    def read_hostile(received):
        return ControlRead(0, TOY_SYMBOLS, MAX_BURST_SYMBOLS + 1)

    assert receive(STREAM[:500], reader=read_hostile) == []


def test_erased_and_nonsensical_symbols_do_no_harm():
    received = AwgnChannel(15.0, seeded(0))(STREAM)
    received.symbols[5:25] = math.nan
    received.noise_variance[3:5] = math.nan
    assert_bodies(list(bursts([received], read_toy, control_symbols=TOY_SYMBOLS)), range(5))


def test_memory_is_bounded_by_the_longest_burst():
    """A chunk is not asked for before it is needed."""
    asked = []

    def chunks():
        received = AwgnChannel(15.0, seeded(0))(STREAM)
        for start in range(0, len(received), 100):
            asked.append(start)
            yield received[start : start + 100]

    stream = bursts(chunks(), read_toy, control_symbols=TOY_SYMBOLS)
    next(stream)
    assert asked[-1] <= 400


@pytest.mark.parametrize(("snr_db", "miss", "false_alarm"), [(-4.0, 0.031, 1.2e-3), (-1.0, 0.0009, 1.0e-4)])
def test_misses_and_false_alarms(snr_db, miss, false_alarm):
    """Measured once with 20,000 preambles and 10^6 other places; four deviations of this smaller run."""
    count, gap = 4000, 64
    stream = torch.cat([data(count * gap, 5).reshape(count, gap), PREAMBLE.expand(count, -1)], dim=1).flatten()
    likelihood = preamble_likelihood(AwgnChannel(snr_db, seeded(6))(stream))
    missed = (likelihood[gap :: gap + PREAMBLE_SYMBOLS] < DETECTION_THRESHOLD).mean()
    assert missed < miss + 4 * math.sqrt(miss / count)
    likelihood = preamble_likelihood(AwgnChannel(snr_db, seeded(7))(data(200_000, 8)))
    alarms = (likelihood > DETECTION_THRESHOLD).mean()
    assert alarms < false_alarm + 4 * math.sqrt(false_alarm / 200_000)
    assert alarms < math.exp(-DETECTION_THRESHOLD)


def test_erased_symbols_say_nothing_about_a_preamble():
    silence = Reception(torch.zeros(100, dtype=torch.complex64), torch.full((100,), math.inf))
    assert np.allclose(preamble_likelihood(silence), 0)


def test_real_control_is_found_at_minus_four_db():
    """Out of step, after noise: the search and the longest format work together."""

    def read(received):
        decoded = decode_control(received, 64)
        return decoded and ControlRead(decoded[0].tobytes(), decoded[1], 100)

    bits = np.random.default_rng(0).integers(0, 2, 64, dtype=np.uint8)
    stream = torch.cat([data(200, 3), PREAMBLE, encode_control(bits, -6.0), data(100)])
    found = receive(stream, -4.0, reader=read, control_symbols=MAX_CONTROL_SYMBOLS)
    assert [header for header, _ in found] == [bits.tobytes()]
    assert len(found[0][1]) == 100
