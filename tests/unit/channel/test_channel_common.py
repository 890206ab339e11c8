"""Named generators, reals as symbols, and the erasure rule."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lgvsc.channel.common import Noise, child_generator, erase_bad, pair_reals, seeded, unpair
from lgvsc.core.air import Reception
from lgvsc.errors import ShapeError


def test_child_generators_depend_on_every_name_and_on_nothing_else():
    def draw(*names):
        return torch.rand(4, generator=child_generator(*names)).tolist()

    assert draw(0, "channel", "clip", 10.0, 3) == draw(0, "channel", "clip", 10.0, 3)
    others = [
        (1, "channel"),
        (0, "world"),
        (0, "channel", 1),
        (0, "channel", "1"),
        (0, "channel", 1.0),
        (0, "chan", "nel"),
    ]
    drawn = [draw(*names) for names in [(0, "channel"), *others]]
    assert len({tuple(values) for values in drawn}) == len(drawn)


def test_child_generator_is_the_same_on_every_machine():
    """Stored once: results of a seed must not change with a version."""
    assert child_generator(7, "channel", "clip", 10.0).initial_seed() == 7018701756993233939


@given(st.lists(st.integers(0, 9000), min_size=1, max_size=5))
def test_noise_is_one_stream(counts):
    source = Noise(seeded(1))
    pieces = torch.cat([source.take(count) for count in counts])
    assert torch.equal(pieces, Noise(seeded(1)).take(sum(counts)))


def test_pairs_come_apart_again():
    values = torch.arange(12.0).reshape(2, 6)
    symbols = pair_reals(values)
    assert symbols.shape == (2, 3)
    assert symbols[0, 0] == 0 + 1j
    assert torch.equal(unpair(symbols), values)
    with pytest.raises(ShapeError, match="even"):
        pair_reals(torch.ones(3))


def test_what_means_nothing_is_erased_and_counted():
    inf, nan = math.inf, math.nan
    symbols = torch.tensor([1 + 1j, complex(nan, 0), complex(0, -inf), 0j, 1e9 + 0j, 1j, 1j, 1j, 1 - 1j])
    variance = torch.tensor([0.1, 0.1, 0.1, 0.1, 0.1, nan, -1.0, inf, 0.0])
    clean, erased = erase_bad(Reception(symbols.to(torch.complex64), variance))
    assert erased == 7
    assert torch.isinf(clean.noise_variance).tolist() == [False] + [True] * 7 + [False]
    assert clean.symbols.tolist() == [1 + 1j] + [0j] * 7 + [1 - 1j]


def test_a_good_reception_is_left_alone():
    received = Reception(torch.ones(3, dtype=torch.complex64), torch.ones(3))
    assert erase_bad(received) == (received, 0)
