"""The paper-size NTSCC network, at a size for tests."""

from __future__ import annotations

import functools

import pytest
import torch

from lgvsc.nets.ntscc_swin import (
    PAPER_RATES,
    Double,
    FactorisedDensity,
    Halve,
    SwinNtscc,
    SwinNtsccConfig,
    WindowBlock,
    from_windows,
    to_windows,
)


@functools.cache
def net() -> SwinNtscc:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return SwinNtscc.tiny()


def block(*, shifted: bool) -> WindowBlock:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return WindowBlock(8, 2, 4, shifted=shifted)


def test_a_picture_passes_with_the_shapes_that_are_written_down():
    batch = torch.rand(2, 3, 64, 128)
    latent = net().analyse(batch)
    assert latent.shape == (2, 16, 4, 8)
    likelihood, hyper_bits = net().likelihood(latent)
    assert likelihood.shape == latent.shape and hyper_bits.shape == (2,)
    assert likelihood.min() > 0 and likelihood.max() <= 1
    indices = net().choose_rates(likelihood)
    reals = net().encode(latent, likelihood, indices)
    assert reals.shape == (2, 16, 4, 8)
    assert net().synthesise(net().decode(reals, indices)).shape == batch.shape


def test_the_paper_size_is_the_papers():
    config = SwinNtsccConfig()
    assert (config.latent, config.block, config.rates) == (256, 16, PAPER_RATES)
    with torch.device("meta"):
        paper = SwinNtscc()
    state = paper.state_dict()
    assert len(paper.encoder.heads) == 16 and state["encoder.heads.3.weight"].shape == (256, 256)
    assert state["analysis.3.1.blocks.3.mlp.1.weight"].shape == (1024, 256)
    assert state["prior.synthesis.4.weight"].shape == (384, 512, 3, 3)


def test_state_dicts_are_strict():
    state = dict(net().state_dict())
    SwinNtscc.tiny().load_state_dict(state)
    state.pop("encoder.token.weight")
    with pytest.raises(RuntimeError, match="Missing key"):
        SwinNtscc.tiny().load_state_dict(state)


def test_rates_are_the_smallest_that_hold_the_information():
    likelihood = torch.full((1, 16, 1, 3), 0.5)  # 16 bits
    likelihood[..., 1] = 2.0**-2  # 32 bits
    likelihood[..., 2] = 2.0**-9  # 144 bits
    assert net().choose_rates(likelihood, eta=0.25).tolist() == [[[1, 2, 3]]]  # 4, 8, and the most there is


def test_a_position_sends_the_first_reals_of_its_rate():
    indices = torch.tensor([[[0, 1, 2, 3]]])
    latent = torch.randn(1, 16, 1, 4)
    reals = net().encode(latent, torch.full_like(latent, 0.3), indices)
    assert (reals != 0).sum(1).tolist() == [[[2, 4, 8, 16]]]
    assert (reals[0, :2, 0, 0] != 0).all()


def test_what_a_position_did_not_send_cannot_reach_the_receiver():
    indices = torch.zeros(1, 4, 4, dtype=torch.long)
    reals = torch.randn(1, 16, 4, 4)
    changed = reals.clone()
    changed[:, 2:] = 7.0
    assert torch.equal(net().decode(reals, indices), net().decode(changed, indices))


def test_each_rate_has_a_head_of_its_own():
    latent = torch.randn(1, 16, 1, 1).expand(1, 16, 1, 2).contiguous()
    likelihood = torch.full_like(latent, 0.3)
    reals = net().encoder(latent, likelihood, torch.tensor([[[0, 3]]]))
    assert not torch.allclose(reals[..., 0], reals[..., 1])


def test_merging_and_splitting_keep_the_order_of_pixels():
    picture = torch.arange(4.0 * 6).reshape(1, 4, 6, 1)
    halve, double = Halve(1, 4), Double(4, 1)
    halve.norm, double.norm = torch.nn.Identity(), torch.nn.Identity()
    with torch.no_grad():
        for layer in (halve.linear, double.linear):
            layer.weight.copy_(torch.eye(4))
            layer.bias.zero_()
    merged = halve(picture)
    assert merged[0, 0, 0].tolist() == [0, 1, 6, 7]
    assert torch.equal(double(merged), picture)


def test_windows_are_put_back():
    x = torch.randn(2, 8, 12, 5)
    windows = to_windows(x, 4)
    assert windows.shape == (2, 6, 16, 5)
    assert torch.equal(windows[0, 1], x[0, :4, 4:8].reshape(16, 5))
    assert torch.equal(from_windows(windows, 4, (2, 3)), x)


def test_attention_stays_within_its_window():
    x = torch.randn(1, 8, 8, 8)
    changed = x.clone()
    changed[:, 0, 0, 0] += 1
    moved = (block(shifted=False)(changed) - block(shifted=False)(x)).abs().sum(-1)[0] > 1e-6
    assert moved[:4, :4].all() and not moved[4:].any() and not moved[:, 4:].any()


def test_shifted_windows_join_neighbours_but_not_opposite_edges():
    x = torch.randn(1, 8, 8, 8)
    changed = x.clone()
    changed[:, 3, 3, 0] += 1
    moved = (block(shifted=True)(changed) - block(shifted=True)(x)).abs().sum(-1)[0] > 1e-6
    assert moved[2:6, 2:6].all() and moved.sum() == 16
    corner = x.clone()
    corner[:, 0, 0, 0] += 1
    moved = (block(shifted=True)(corner) - block(shifted=True)(x)).abs().sum(-1)[0] > 1e-6
    assert moved[:2, :2].all() and moved.sum() == 4


@pytest.mark.parametrize("shifted", [False, True])
def test_padding_of_windows_does_not_leak(shifted):
    """A map that is no multiple of the window gives what the same windows give where the rest is other content."""
    x = torch.randn(1, 6, 5, 8)
    assert block(shifted=shifted)(x).shape == x.shape
    assert torch.isfinite(block(shifted=shifted)(x)).all()
    changed = x.clone()
    changed[:, 5, 4, 0] += 1
    moved = (block(shifted=shifted)(changed) - block(shifted=shifted)(x)).abs().sum(-1)[0] > 1e-6
    assert not moved[:2].any()


def test_the_factorised_density_is_a_density():
    density = FactorisedDensity(3)
    grid = torch.arange(-400.0, 401.0).view(1, 1, 1, -1).expand(1, 3, 1, -1)
    mass = density(grid)
    assert (mass >= 0).all()
    torch.testing.assert_close(mass.sum(-1).flatten(), torch.ones(3), rtol=0, atol=1e-3)


def test_gradients_reach_every_parameter_over_both_paths():
    own = SwinNtscc.tiny()
    batch = torch.rand(1, 3, 64, 64)
    latent = own.analyse(batch)
    likelihood, hyper_bits = own.likelihood(latent, torch.Generator().manual_seed(0))
    indices = torch.arange(16).reshape(1, 4, 4) % 4
    rebuilt = own.synthesise(own.decode(own.encode(latent, likelihood, indices), indices))
    loss = (rebuilt - batch).square().mean() - likelihood.log2().sum() * 1e-3 + hyper_bits.sum() * 1e-3
    loss.backward()
    assert all(parameter.grad is not None for parameter in own.parameters())


def test_settings_that_cannot_work_are_refused():
    with pytest.raises(ValueError, match="heads"):
        SwinNtsccConfig(widths=(256, 250, 256, 256))
    with pytest.raises(ValueError, match="ascend"):
        SwinNtsccConfig(rates=(16, 512))
