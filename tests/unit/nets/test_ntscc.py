"""The compact keyframe network: shapes, masks, rates, and the transform code it starts as."""

from __future__ import annotations

import pytest
import torch

from lgvsc.nets.ntscc import (
    BLOCK,
    Ntscc,
    NtsccConfig,
    allocate,
    nearest_rate,
    pool,
    start_from_patches,
    unpool,
)

RATES = (1, 2, 4, 8)


def seeded_net() -> Ntscc:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Ntscc.tiny()


def state_of(net: Ntscc, snr_db: float = 10.0) -> torch.Tensor:
    return net.state(torch.tensor([snr_db]), torch.tensor([4.0]), torch.ones(1))


def pictures(count: int, size: int = 64, seed: int = 0) -> torch.Tensor:
    """Smooth random pictures."""
    noise = torch.rand((count, 3, size // 8, size // 8), generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(noise, size=(size, size), mode="bilinear")


def test_a_picture_passes_with_the_shapes_that_are_written_down():
    net = seeded_net()
    batch = torch.rand(2, 3, 64, 96)
    state = net.state(torch.tensor([0.0, 20.0]), torch.tensor([1.0, 8.0]), torch.ones(2))
    latent = net.analyse(batch, state)
    assert latent.shape == (2, 16, 4, 6)
    bits, hyper_bits = net.information(latent)
    assert bits.shape == (2, 4, 6) and hyper_bits.shape == (2,)
    assert (bits >= 0).all() and (hyper_bits >= 0).all()
    indices = unpool(torch.zeros(2, 2, 3, dtype=torch.long))
    reals = net.encode(latent, indices, state)
    assert reals.shape == (2, 16, 4, 6)
    rebuilt = net.synthesise(net.decode(reals, indices, state, torch.zeros(2, 1, 1, 1)), state)
    assert rebuilt.shape == batch.shape


def test_each_block_sends_the_first_reals_of_its_rate_and_no_others():
    net = seeded_net()
    indices = torch.tensor([[[0, 1], [2, 3]]])
    sent = net.sent(indices)
    assert sent.sum(1).tolist() == [[[2, 4], [8, 16]]]
    assert sent[0, :2].all() and not sent[0, 2:, 0, 0].any()
    reals = net.encode(torch.randn(1, 16, 2, 2), indices, state_of(net))
    assert (reals[sent == 0] == 0).all() and (reals[sent == 1] != 0).all()


def test_what_a_block_sends_at_most_is_no_more_than_its_latent():
    with pytest.raises(ValueError, match="192 latent values"):
        NtsccConfig(rates=(1, 128))
    with pytest.raises(ValueError, match="ascend"):
        NtsccConfig(rates=(4, 2))


def test_the_snr_reaches_both_ends():
    """FiLM starts at zero, so a network must have learnt something before the state can matter."""
    net = seeded_net()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    latent, indices = torch.randn(1, 16, 2, 2, generator=generator), torch.full((1, 2, 2), 3)
    assert not torch.allclose(*(net.encode(latent, indices, state_of(net, snr)) for snr in (0.0, 20.0)))
    reals, noise = torch.randn(1, 16, 2, 2, generator=generator), torch.zeros(1, 1, 1, 1)
    assert not torch.allclose(*(net.decode(reals, indices, state_of(net, snr), noise) for snr in (0.0, 20.0)))
    assert not torch.allclose(*(net.synthesise(latent, state_of(net, snr)) for snr in (0.0, 20.0)))


def test_the_receiver_trusts_a_noisy_real_less():
    net = seeded_net()
    with torch.no_grad():
        for parameter in net.decoder.parameters():
            parameter.zero_()
        net.decoder.linear.weight.copy_(torch.eye(16)[..., None, None])
    reals, indices = torch.ones(1, 16, 2, 2), torch.full((1, 2, 2), 3)
    for noise, kept in ((0.0, 1.0), (1.0, 0.5), (3.0, 0.25)):  # the expected power is one at first
        latent = net.decode(reals, indices, state_of(net), torch.full((1, 1, 1, 1), noise))
        torch.testing.assert_close(latent, torch.full_like(latent, kept))


def test_it_starts_as_a_transform_code_that_needs_no_training():
    """With as many components as pixels of smooth pictures need, and no noise, what comes out is what went in."""
    net = seeded_net()
    training = pictures(64)
    patches = torch.nn.functional.pixel_unshuffle(training, BLOCK).permute(0, 2, 3, 1).reshape(-1, 3 * BLOCK**2)
    start_from_patches(net, patches)
    with torch.no_grad():
        for part in (net.analysis, net.synthesis, net.encoder.out, net.decoder.out):
            for parameter in part.parameters():
                parameter.zero_()
    batch = pictures(4, seed=1)
    state = net.state(torch.full((4,), 20.0), torch.full((4,), 8.0), torch.ones(4))
    indices = torch.full((4, 4, 4), 3)
    latent = net.analyse(batch, state)
    decoded = net.decode(net.encode(latent, indices, state), indices, state, torch.zeros(4, 1, 1, 1))
    torch.testing.assert_close(decoded, latent, rtol=1e-3, atol=1e-3)
    error = (net.synthesise(decoded, state) - batch).square().mean()
    # The part of the variance that 16 components leave, as numpy's decomposition of the same patches says it.
    centred = patches - patches.mean(0)
    left = torch.linalg.svdvals(centred)[16:].square().sum() / centred.numel()
    assert left * 0.5 < error < left * 2


def test_an_unlikely_latent_holds_more_information():
    net = seeded_net()
    small, large = torch.zeros(1, 16, 4, 4), torch.full((1, 16, 4, 4), 20.0)
    assert net.information(large)[0].sum() > 2 * net.information(small)[0].sum()


def test_noise_in_the_entropy_model_comes_from_the_generator_alone():
    net = seeded_net()
    latent = torch.randn(1, 16, 4, 4, generator=torch.Generator().manual_seed(0))
    first, again = (net.information(latent, torch.Generator().manual_seed(5))[0] for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, net.information(latent, torch.Generator().manual_seed(6))[0])


def test_the_nearest_rate_is_nearest_in_ratio():
    wishes = torch.tensor([0.1, 1.4, 1.5, 2.8, 2.9, 5.6, 5.7, 100.0])
    assert nearest_rate(wishes, RATES).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize("symbols", [64, 100, 200, 300, 400, 500])
def test_a_budget_is_met_within_five_percent_and_never_passed(symbols):
    bits = torch.rand(4, 4, generator=torch.Generator().manual_seed(symbols))
    spent = 4 * int(torch.tensor(RATES)[allocate(bits, symbols, RATES)].sum())
    assert 0.95 * symbols - 4 <= spent <= symbols


def test_equal_information_still_fills_the_budget():
    spent = 4 * int(torch.tensor(RATES)[allocate(torch.ones(8, 8), 1200, RATES)].sum())
    assert 1140 <= spent <= 1200


def test_more_information_never_gets_fewer_symbols():
    bits = torch.rand(8, 8, generator=torch.Generator().manual_seed(3))
    order = bits.flatten().argsort()
    rates = allocate(bits, 900, RATES).flatten()[order]
    assert (rates[1:] - rates[:-1] >= -1).all()  # one entry in a step may be the last that still fitted
    assert rates[-8:].float().mean() > rates[:8].float().mean()


def test_too_small_a_budget_gives_the_lowest_rate():
    assert (allocate(torch.rand(2, 2), 3, RATES) == 0).all()


def test_pooling_is_undone_where_groups_are_equal():
    bits = torch.arange(6.0).reshape(1, 2, 3)
    torch.testing.assert_close(pool(unpool(bits)), bits)
