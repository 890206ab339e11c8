"""Looks of one receiver: both ends, what lies between, and what no look may touch."""

from __future__ import annotations

import pytest
import torch

from lgvsc.nets.ntscc import Ntscc
from lgvsc.nets.ntscc_look import at_look, difference, is_of_look


def weights(seed: int) -> dict[str, torch.Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return dict(Ntscc.tiny().state_dict())


def test_both_ends_and_the_middle():
    faithful, vivid = weights(0), weights(1)
    packed = difference(faithful, vivid)
    none, half, whole = (at_look(faithful, packed, look) for look in (0.0, 0.5, 1.0))
    for name, value in faithful.items():
        assert torch.equal(none[name], value)
        if not is_of_look(name):
            assert torch.equal(whole[name], value)  # the transmitter has it, too
            continue
        largest = float((vivid[name] - value).abs().max())
        assert torch.allclose(whole[name], vivid[name], atol=largest / 127)
        assert torch.allclose(half[name], (none[name] + whole[name]) / 2, atol=1e-6)


def test_what_differs_is_kept_in_bytes():
    packed = difference(weights(0), weights(1))
    assert {value.dtype for name, value in packed.items() if not name.endswith(".scale")} == {torch.int8}
    assert all(is_of_look(name) for name in packed)


def test_equal_ends_differ_by_nothing():
    faithful = weights(0)
    packed = difference(faithful, faithful)
    assert all(torch.equal(at_look(faithful, packed, 1.0)[name], value) for name, value in faithful.items())


@pytest.mark.parametrize("look", [-0.1, 1.1])
def test_a_look_outside_its_range_is_refused(look):
    with pytest.raises(ValueError, match="between 0"):
        at_look(weights(0), {}, look)
