"""The erasure code: any k of the fragments give back all, k - 1 never do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lgvsc.coding.packets.erasure_code import _inverses, _products, all_fragments, extra_fragments
from lgvsc.errors import ShapeError


def fragments(count, extra, size=5, seed=0):
    data = np.random.default_rng(seed).integers(0, 256, (count, size), dtype=np.uint8)
    return data, dict(enumerate(np.concatenate([data, extra_fragments(data, extra)])))


def test_the_field_is_that_of_most_reed_solomon_codes():
    """Products in GF(256) modulo 0x11D, by hand: 2 * 128 = 0x1D, 3 * 7 = 9, and a known pair of inverses."""
    assert _products()[2, 128] == 0x1D and _products()[3, 7] == 9 and _products()[0x53, 0] == 0
    assert _inverses()[1] == 1 and _inverses()[2] == 142
    assert all(_products()[a, _inverses()[a]] == 1 for a in range(1, 256))


@settings(deadline=None, max_examples=60)
@given(st.data(), st.integers(1, 40), st.integers(0, 40))
def test_any_k_fragments_give_back_all(data, count, extra):
    sent, everything = fragments(count, extra)
    kept = data.draw(st.permutations(sorted(everything)))[:count]
    assert np.array_equal(all_fragments({index: everything[index] for index in kept}, count), sent)
    assert all_fragments({index: everything[index] for index in kept[1:]}, count) is None


def test_the_largest_code():
    sent, everything = fragments(128, 128)
    assert np.array_equal(all_fragments({index: everything[index] for index in range(128, 256)}, 128), sent)
    with pytest.raises(ShapeError, match="256"):
        extra_fragments(sent, 129)
