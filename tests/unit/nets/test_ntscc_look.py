"""Looks of the keyframe code: both ends, what lies between, and what no look may touch."""

from __future__ import annotations

import pytest
import torch

from lgvsc.nets.ntscc import Finish, Ntscc
from lgvsc.nets.ntscc_look import (
    NIBBLE,
    at_look,
    difference,
    in_steps,
    is_of_look,
    network_at,
    pack_nibbles,
    unpack_nibbles,
)


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
            assert torch.equal(whole[name], value)  # both ends have it
            continue
        change = vivid[name] - value
        kept = 0.2 if packed[name].dtype == torch.uint8 else 0.01
        assert (whole[name] - vivid[name]).norm() <= kept * change.norm()
        assert torch.allclose(half[name], (none[name] + whole[name]) / 2, atol=1e-6)


def test_what_differs_is_kept_in_bytes_and_half_bytes():
    packed = difference(weights(0), weights(1))
    kept = {name: value.dtype for name, value in packed.items() if not name.endswith(".scale")}
    assert set(kept.values()) == {torch.int8, torch.uint8}
    assert all(is_of_look(name) for name in packed)
    assert {kept[name] for name in kept if name.endswith(".bias")} == {torch.int8}


@pytest.mark.parametrize("columns", [1, 2, 7, 64])
def test_two_steps_share_a_byte(columns):
    steps = torch.randint(-8, 8, (5, columns), generator=torch.Generator().manual_seed(columns), dtype=torch.int8)
    packed = pack_nibbles(steps)
    assert packed.dtype == torch.uint8 and packed.shape == (5, -(-columns // 2))
    assert torch.equal(unpack_nibbles(packed, columns), steps.float())


def test_large_weights_take_four_bits_and_err_by_little():
    generator = torch.Generator().manual_seed(0)
    faithful = {"decoder.into.weight": torch.randn(64, 65, 1, 1, generator=generator)}
    changes = torch.randn(64, 65, 1, 1, generator=generator) * torch.logspace(-3, 0, 64)[:, None, None, None]
    packed = difference(faithful, {"decoder.into.weight": faithful["decoder.into.weight"] + changes})
    assert packed["decoder.into.weight"].shape == (64, 33)
    change = at_look(faithful, packed, 1.0)["decoder.into.weight"] - faithful["decoder.into.weight"]
    errors = (change - changes).flatten(1).norm(dim=1) / changes.flatten(1).norm(dim=1)
    assert errors.max() < 0.25  # in every row, however small its changes are


def test_steps_that_stop_short_of_the_largest_value_are_taken_where_they_err_less():
    rows = torch.cat([torch.linspace(-1, 1, 800), torch.tensor([3.0])])[None]
    _, whole = in_steps(rows, NIBBLE, (1.0,))
    steps, step = in_steps(rows, NIBBLE, (1.0, 0.5))
    assert step < whole and steps.abs().max() == NIBBLE
    even, _ = in_steps(rows[:, :-1], NIBBLE, (1.0, 0.5))
    assert torch.equal(even, in_steps(rows[:, :-1], NIBBLE, (1.0,))[0])


def test_equal_ends_differ_by_nothing():
    faithful = weights(0)
    packed = difference(faithful, faithful)
    assert all(torch.equal(at_look(faithful, packed, 1.0)[name], value) for name, value in faithful.items())


@torch.no_grad()
def test_what_only_the_vivid_end_has_fades_in():
    """Its last layer by the share, so that nothing is added at the faithful end and all at the other."""
    net = Ntscc.tiny()
    vivid = Ntscc.tiny()
    vivid.load_state_dict(net.state_dict())
    vivid.finish = Finish(net.config.widths[0], width=8, blocks=1)
    torch.nn.init.normal_(vivid.finish.out.weight, std=0.1)
    latent, state = torch.randn(1, 16, 2, 2), net.state(*torch.ones(3, 1))
    faithful, painted = net.synthesise(latent, state), vivid.synthesise(latent, state)
    packed = difference(net.state_dict(), vivid.state_dict())
    vivid.load_state_dict(at_look(net.state_dict(), packed, 0.25))
    quarter = vivid.synthesise(latent, state)
    assert torch.allclose(
        quarter - faithful, (painted - faithful) / 4, atol=0.02 * float((painted - faithful).abs().max())
    )
    assert at_look(net.state_dict(), packed, 0.0).keys() == net.state_dict().keys()
    assert network_at(net, packed, 0.0).finish is None


@pytest.mark.parametrize("look", [-0.1, 1.1])
def test_a_look_outside_its_range_is_refused(look):
    with pytest.raises(ValueError, match="between 0"):
        at_look(weights(0), {}, look)
