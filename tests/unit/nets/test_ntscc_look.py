"""Looks of one receiver: both ends, what lies between, and what no look may touch."""

from __future__ import annotations

import pytest
import torch

from lgvsc.nets.ntscc import Finish, Ntscc
from lgvsc.nets.ntscc_look import at_look, difference, is_of_look, receiver_at


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
    assert receiver_at(net, packed, 0.0).finish is None


@pytest.mark.parametrize("look", [-0.1, 1.1])
def test_a_look_outside_its_range_is_refused(look):
    with pytest.raises(ValueError, match="between 0"):
        at_look(weights(0), {}, look)
