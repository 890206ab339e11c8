"""The network for differences: shapes, rates, gradients, and what the linear start already does."""

from __future__ import annotations

import pytest
import torch

from lgvsc.channel.common import seeded
from lgvsc.nets.dvst import (
    BLOCKS,
    RATES,
    Dvst,
    DvstConfig,
    allocate,
    choose_rates,
    entry_sums,
    rounding_step,
    spread,
    start_linear,
    warp,
)


def tiny(colours: int = 3) -> Dvst:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Dvst.tiny(colours)


def pictures(colours: int = 3, count: int = 2) -> torch.Tensor:
    return torch.rand(count, colours, 64, 96, generator=seeded(0))


def maps(net: Dvst, count: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    most = len(net.config.motion_rates), len(net.config.rates)
    return tuple(torch.randint(n, (count, 2, 3), generator=seeded(3)) for n in most)


def state_of(net: Dvst, count: int = 2) -> torch.Tensor:
    return net.state(torch.full((count,), 10.0), torch.full((count,), 3.0), torch.ones(count))


@pytest.mark.parametrize("colours", [1, 3])
def test_a_frame_passes_and_every_parameter_learns_from_it(colours):
    net, now, before = tiny(colours), pictures(colours), pictures(colours).flip(-1)
    state, (motion_map, rest) = state_of(net), maps(net)
    flow = torch.randn(2, 2, 8, 12, generator=seeded(1))
    motion = net.analyse_motion(flow, state)
    assert motion.shape == (2, net.config.motion, 2, 3)
    motion_reals = net.encode_motion(motion, motion_map, state)
    noise = torch.full((2, 1, 1, 1), 0.1)
    context = net.context(
        before, net.synthesise_motion(net.decode_motion(motion_reals, motion_map, state, noise), state)
    )
    latent = net.analyse(now, context, state)
    assert latent.shape == (2, net.config.latent, 4, 6)
    bits, hyper_bits = net.information(latent, context, seeded(2))
    motion_bits = net.motion_information(motion, seeded(2))
    assert bits.shape == (2, 4, 6) and motion_bits.shape == (2, 2, 3) and hyper_bits.shape == (2,)
    assert (bits > 0).all() and (motion_bits > 0).all() and (hyper_bits > 0).all()
    rebuilt = net.synthesise(net.decode(net.encode(latent, rest, state), rest, state, noise), context, state)
    assert rebuilt.shape == now.shape
    (rebuilt.square().mean() + bits.mean() + motion_bits.mean() + hyper_bits.mean()).backward()
    untouched = [name for name, value in net.named_parameters() if value.grad is None]
    assert untouched == []


def test_masks_are_prefixes_of_the_announced_lengths_and_nothing_else_is_sent():
    net = tiny()
    motion_map, rest = maps(net)
    sent, motion_sent = net.sent(rest), net.motion_sent(motion_map)
    assert torch.equal(sent.sum(1).long(), net.rates[spread(rest)])
    assert torch.equal(motion_sent.sum(1).long(), net.motion_rates[motion_map])
    assert (sent[:, :-1] >= sent[:, 1:]).all() and (motion_sent[:, :-1] >= motion_sent[:, 1:]).all()
    counted = sent.sum((1, 2, 3)) + motion_sent.sum((1, 2, 3))
    assert torch.equal(counted.long(), net.reals(motion_map, rest))
    latent = torch.randn(2, net.config.latent, 4, 6, generator=seeded(0))
    assert not (net.encode(latent, rest, state_of(net)) * (1 - sent)).any()


def test_information_about_motion_looks_only_at_places_coded_before():
    """The transmitter's model is a model: no place helps to guess itself or one before it."""
    net = tiny()
    latent = torch.randn(1, net.config.motion, 2, 3, generator=seeded(0))
    base = net.motion_information(latent)
    changed = latent.clone()
    changed[0, :, 0, 2] += 1.0
    after = net.motion_information(changed)
    assert torch.equal(base[0, 0, :2], after[0, 0, :2]) and base[0, 0, 2] != after[0, 0, 2]
    assert base[0, 1, 1] != after[0, 1, 1] and torch.equal(base[0, 1, 0], after[0, 1, 0])


def test_the_information_of_a_frame_hangs_on_its_context():
    net, now = tiny(), pictures()
    state, flow = state_of(net), torch.zeros(2, 2, 8, 12)
    first, second = (net.context(reference, flow) for reference in (now, 1 - now))
    latent = net.analyse(now, first, state)
    assert not torch.equal(net.information(latent, first)[0], net.information(latent, second)[0])


@pytest.mark.parametrize("reals", [0, 7, 60, 300, 2000, 10**6])
def test_allocation_fills_a_budget_and_never_exceeds_it(reals):
    config = DvstConfig()
    motion_bits, bits = (torch.rand(5, 7, generator=seeded(n)) * n for n in (5, 80))
    motion_map, rest = allocate(motion_bits, bits, reals, config)
    spent = int(torch.tensor(config.motion_rates)[motion_map].sum() + BLOCKS * torch.tensor(config.rates)[rest].sum())
    most = 35 * (config.motion_rates[-1] + BLOCKS * config.rates[-1])
    assert spent <= reals
    assert spent >= min(0.97 * reals, most) - 2


def test_more_information_gets_more_reals_and_none_gets_none():
    bits = torch.tensor([[[0.0, 10.0], [100.0, 3000.0]]])
    motion, rest = choose_rates(bits, bits, 0.2, DvstConfig())
    assert rest.flatten().tolist() == sorted(rest.flatten().tolist()) and rest[0, 0, 0] == motion[0, 0, 0] == 0
    assert RATES[rest[0, 1, 0]] == 6  # 20 reals for four blocks are five each, in ratio nearer to 6 than to 4
    assert bool((choose_rates(bits, bits, 0.4, DvstConfig())[1] >= rest).all())


def test_entry_sums_add_four_blocks():
    assert entry_sums(torch.arange(16.0).view(1, 4, 4)).tolist() == [[[10.0, 18.0], [42.0, 50.0]]]


def test_warp_looks_up_where_things_were():
    picture = torch.rand(1, 3, 64, 64, generator=seeded(0))
    flow = torch.zeros(1, 2, 8, 8)
    assert torch.allclose(warp(picture, flow), picture, atol=1e-5)
    flow[:, 0], flow[:, 1] = 3.0, -2.0
    moved = warp(picture, flow)
    assert torch.allclose(moved[..., 2:, :-3], picture[..., :-2, 3:], atol=1e-4)


def test_hardly_any_motion_becomes_none():
    net = tiny()
    with torch.no_grad():
        for parameter in net.motion_synthesis.parameters():
            parameter.zero_()
        net.motion_synthesis_linear.weight.zero_()
        for pixels, least, most in ((0.03, 0.0, 0.003), (2.0, 1.9, 2.0)):
            net.motion_synthesis_linear.bias.fill_(pixels / 8)
            flow = net.synthesise_motion(torch.zeros(1, 4, 2, 2), state_of(net, 1))
            assert least <= float(flow.max()) <= most


def test_the_linear_start_carries_motion_and_differences():
    """Before any training: coded at a high rate without noise, a frame is nearer than the one before it."""
    random = seeded(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = Dvst(DvstConfig(latent=96, widths=(4, 8, 8), motion_width=8))
    smooth = torch.nn.functional.interpolate(torch.rand(4, 3, 8, 8, generator=random), size=128, mode="bicubic")
    differences = torch.nn.functional.pixel_unshuffle(0.1 * (smooth - smooth.mean()), 16)
    flows = torch.randn(256, 2, 1, generator=random).expand(256, 2, 16).reshape(256, 32) * 0.5
    flows = flows + 0.05 * torch.randn(256, 32, generator=random)
    start_linear(net, differences.permute(0, 2, 3, 1).flatten(0, 2), flows, 512.0)
    before = torch.full((1, 3, 128, 128), 0.5)
    now = before + 0.1 * (smooth[:1] - smooth.mean())
    state, zero = state_of(net, 1), torch.zeros(1, 1, 1, 1)
    top = torch.full((1, 4, 4), len(net.config.motion_rates) - 1), torch.full((1, 4, 4), len(net.config.rates) - 1)
    flow = torch.full((1, 2, 16, 16), 4.0)
    motion = net.encode_motion(net.analyse_motion(flow, state), top[0], state)
    made = net.synthesise_motion(net.decode_motion(motion, top[0], state, zero), state)
    assert (made - flow).abs().mean() < 1.0
    context = net.context(before, torch.zeros_like(flow))
    latent = net.decode(net.encode(net.analyse(now, context, state), top[1], state), top[1], state, zero)
    error = (net.synthesise(latent, context, state) - now).square().mean()
    assert error < 0.3 * (before - now).square().mean()


def test_the_rounding_step_grows_with_the_weight_of_the_rate():
    assert rounding_step(512, 3) == pytest.approx(2 * rounding_step(128, 3))
    assert 0.2 < rounding_step(128, 3) < 0.25


def test_sizes_survive_as_text_and_nonsense_is_refused():
    for config in (DvstConfig.compact(), DvstConfig.compact_sketch(), Dvst.tiny().config):
        assert DvstConfig.from_json(config.to_json()) == config
    for wrong in (
        {"colours": 2}, {"rates": (1, 2)}, {"rates": (0, 4, 2)}, {"rates": (0, 200)}, {"motion_rates": (0, 3)},
    ):  # fmt: skip
        with pytest.raises(ValueError):
            DvstConfig(**wrong)
    with pytest.raises(KeyError):
        DvstConfig.from_json("{}")
