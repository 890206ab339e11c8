"""DeepJSCC: sizes, rates, power, attention, linear start."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from lgvsc.nets.deepjscc import AttentionFeature, DeepJscc, DeepJsccConfig, Gdn, start_from_patches


def seeded_net(config: DeepJsccConfig | None = None) -> DeepJscc:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return DeepJscc(config).eval() if config else DeepJscc.tiny().eval()


def pictures(count: int = 2, side: int = 32, colours: int = 3) -> torch.Tensor:
    return torch.rand(count, colours, side, side, generator=torch.Generator().manual_seed(1))


def test_the_first_deepjscc_has_the_papers_sizes():
    """16, 32, 32, 32, c channels, 5 x 5, strides 2, 2, 1, 1, 1; c = 16 is CBR 1/6."""
    net = seeded_net(DeepJsccConfig(reals=16))
    shapes = [tuple(net.get_parameter(f"encoder.{i}.conv.weight").shape) for i in range(5)]
    assert shapes == [(16, 3, 5, 5), (32, 16, 5, 5), (32, 32, 5, 5), (32, 32, 5, 5), (16, 32, 5, 5)]
    up = [tuple(net.get_parameter(f"decoder.{i}.conv.weight").shape) for i in range(5)]
    assert up == [(16, 32, 5, 5), (32, 32, 5, 5), (32, 32, 5, 5), (32, 16, 5, 5), (16, 3, 5, 5)]
    with torch.no_grad():
        reals = net.encode(pictures(), torch.zeros(2))
        assert reals.shape == (2, 16, 8, 8)
        assert reals[0].numel() / 2 / pictures()[0].numel() == pytest.approx(1 / 6)
        rebuilt = net.decode(reals, torch.zeros(1), torch.zeros(2))
    assert rebuilt.shape == (2, 3, 32, 32) and rebuilt.min() > 0 and rebuilt.max() < 1  # a sigmoid


def test_adjscc_has_its_papers_sizes():
    config = DeepJsccConfig.adjscc(reals=16)
    assert config.widths == (256,) * 4 and config.kernels == (9, 5, 5, 5, 5) and config.grid == 4
    with torch.device("meta"):
        net = DeepJscc(config)
    module = net.encoder[0].attention
    assert module.into.weight.shape == (256 // 16, 256 + 2) and module.out.weight.shape == (256, 16)
    assert isinstance(net.encoder[4].gdn, Gdn) and not net.encoder[4].gdn.inverse and net.decoder[0].gdn.inverse
    assert net.encoder[4].attention is None and net.decoder[4].attention is None
    assert all(stage.attention is not None for stage in [*net.encoder[:4], *net.decoder[:4]])


def test_the_sketch_code_has_1024_symbols():
    net = seeded_net(DeepJsccConfig.compact_sketch())
    with torch.no_grad():
        reals = net.encode(torch.rand(1, 1, 256, 256), torch.zeros(1))
    assert reals.shape == (1, 2, 32, 32) and reals.numel() // 2 == 1024


@pytest.mark.parametrize("sent", [None, 1, 3, 4])
def test_each_picture_has_power_one_half_in_what_it_sends(sent):
    net = seeded_net()
    batch = pictures(3) * torch.tensor([0.1, 0.5, 1.0]).view(3, 1, 1, 1)
    count = None if sent is None else torch.full((3,), sent)
    with torch.no_grad():
        reals = net.encode(batch, torch.zeros(3), count)
    used = sent or 4
    assert (reals[:, used:] == 0).all()
    torch.testing.assert_close(reals[:, :used].square().mean((1, 2, 3)), torch.full((3,), 0.5))


def test_pictures_of_a_batch_do_not_know_of_each_other():
    net = seeded_net()
    batch, snr_db, sent = pictures(2), torch.tensor([0.0, 10.0]), torch.tensor([2, 4])
    with torch.no_grad():
        both = net.encode(batch, snr_db, sent)
        for i in (0, 1):
            alone = net.encode(batch[i : i + 1], snr_db[i : i + 1], sent[i : i + 1])
            torch.testing.assert_close(alone[0], both[i], atol=1e-5, rtol=1e-4)


def test_attention_tells_both_ends_the_snr():
    net = seeded_net()
    batch = pictures(1)
    with torch.no_grad():
        low, high = (net.encode(batch, torch.tensor([level])) for level in (-2.0, 15.0))
        assert not torch.allclose(low, high, atol=1e-4)
        a, b = (net.decode(low, torch.zeros(1), torch.tensor([level])) for level in (-2.0, 15.0))
        assert not torch.allclose(a, b, atol=1e-5)
        plain = seeded_net(DeepJsccConfig(reals=2))
        torch.testing.assert_close(plain.encode(batch, torch.tensor([-2.0])), plain.encode(batch, torch.tensor([15.0])))


def test_attention_scales_channels_between_nothing_and_all():
    module = AttentionFeature(6, squeeze=2)
    x = torch.ones(2, 6, 3, 3)
    with torch.no_grad():
        out = module(x, torch.zeros(2, 2))
        assert ((out > 0) & (out < 1)).all()
        assert torch.equal(out, out[..., :1, :1].expand_as(out))  # one factor for each channel


def test_divisive_normalisation_is_the_papers():
    gdn, inverse = Gdn(2, inverse=False), Gdn(2, inverse=True)
    with torch.no_grad():
        for module in (gdn, inverse):
            module.beta.copy_(torch.tensor([1.0, 4.0]))
            module.gamma.copy_(torch.tensor([[1.0, 2.0], [0.0, 3.0]]))
        x = torch.tensor([1.0, 2.0]).view(1, 2, 1, 1)
        divided = [1 / (1 + 1 + 2 * 4) ** 0.5, 2 / (4 + 3 * 4) ** 0.5]
        torch.testing.assert_close(gdn(x).flatten(), torch.tensor(divided))
        torch.testing.assert_close(inverse(x).flatten(), torch.tensor([1 * 10**0.5, 2 * 16**0.5]))


def test_erased_reals_count_nothing():
    net = seeded_net()
    with torch.no_grad():
        reals = net.encode(pictures(1), torch.zeros(1))
        noise = torch.zeros_like(reals)
        noise[:, :, 2] = 1e6
        rubbish = reals.clone()
        rubbish[:, :, 2] = 5.0
        clean = reals.clone()
        clean[:, :, 2] = 0.0
        torch.testing.assert_close(
            net.decode(rubbish, noise, torch.zeros(1)), net.decode(clean, noise, torch.zeros(1)), atol=1e-4, rtol=1e-4
        )


def test_the_linear_start_is_a_working_transform_code():
    """Smooth pictures through fresh convolutions and fitted linear paths already look like themselves."""
    generator = torch.Generator().manual_seed(0)
    smooth = F.interpolate(torch.rand(64, 3, 5, 5, generator=generator), 32, mode="bicubic", align_corners=True)
    smooth = smooth.clamp(0, 1)
    net = seeded_net(DeepJsccConfig(reals=12, widths=(4, 4, 4, 4), strides=(2, 2, 2, 1, 1), linear=True))
    patches = F.pixel_unshuffle(smooth, 8).permute(0, 2, 3, 1).flatten(0, 2)
    start_from_patches(net, patches)
    with torch.no_grad():
        flat = (smooth - smooth.mean()).square().mean()
        for stage in (net.encoder[4], net.decoder[4]):
            stage.conv.weight.zero_()
            stage.conv.bias.zero_()
        rebuilt = net.decode(net.encode(smooth, torch.full((64,), 20.0)), torch.zeros(1), torch.full((64,), 20.0))
    assert (rebuilt - smooth).square().mean() < 0.3 * flat


def test_sizes_travel_as_text():
    for config in (DeepJsccConfig.compact_rgb(), DeepJsccConfig.adjscc()):
        assert DeepJsccConfig.from_json(config.to_json()) == config
    with pytest.raises((TypeError, ValueError)):
        DeepJsccConfig.from_json('{"depth": 3}')


def test_impossible_sizes_are_refused():
    with pytest.raises(ValueError, match="five"):
        DeepJsccConfig(widths=(1, 2, 3))
    with pytest.raises(ValueError, match="odd"):
        DeepJsccConfig(kernels=(4, 5, 5, 5, 5))
    with pytest.raises(ValueError, match="at least 1"):
        DeepJsccConfig(reals=0)
