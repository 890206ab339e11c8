"""The autoencoder of Open-Sora 1.2: the checkpoint's keys, chunks, padding in front, which frame is in which latent."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from lgvsc.nets.opensora_vae import CausalConv, Downsample, OpenSoraVAE, SpatialVAE, TemporalVAE, latent_frames


def noise(*shape: int, seed: int = 3) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def pair() -> OpenSoraVAE:
    torch.manual_seed(0)
    return OpenSoraVAE.tiny().eval().requires_grad_(False)


@pytest.fixture(scope="module")
def temporal() -> TemporalVAE:
    torch.manual_seed(0)
    return TemporalVAE.tiny(num_res_blocks=2).eval().requires_grad_(False)


def test_keys_and_parameters_of_the_checkpoint():
    """517 keys: scale, shift, 248 spatial and 267 temporal ones."""
    with torch.device("meta"):
        vae = OpenSoraVAE()
    state = vae.state_dict()
    assert len(state) == 517
    assert sum(key.startswith("spatial_vae.module.") for key in state) == 248
    assert sum(key.startswith("temporal_vae.") for key in state) == 267
    assert state["scale"].shape == state["shift"].shape == (1, 4, 1, 1, 1)
    assert sum(p.numel() for p in vae.spatial_vae.parameters()) == 83_653_863
    assert sum(p.numel() for p in vae.temporal_vae.parameters()) == 309_687_144


def test_the_temporal_keys_are_where_the_specification_puts_them():
    with torch.device("meta"):
        state = {key: tuple(value.shape) for key, value in TemporalVAE().state_dict().items()}
    expected = {
        "encoder.conv_in.conv.weight": (128, 4, 3, 3, 3),
        "encoder.block_res_blocks.1.0.conv3.conv.weight": (256, 128, 1, 1, 1),
        "encoder.conv_blocks.1.conv.weight": (256, 256, 3, 3, 3),
        "encoder.conv_blocks.2.conv.bias": (256,),
        "encoder.block_res_blocks.3.0.conv1.conv.weight": (512, 256, 3, 3, 3),
        "encoder.res_blocks.3.norm2.weight": (512,),
        "encoder.norm1.bias": (512,),
        "encoder.conv2.conv.weight": (8, 512, 1, 1, 1),
        "quant_conv.conv.weight": (8, 8, 1, 1, 1),
        "post_quant_conv.conv.bias": (4,),
        "decoder.conv1.conv.weight": (512, 4, 3, 3, 3),
        "decoder.conv_blocks.2.conv.weight": (1024, 512, 3, 3, 3),
        "decoder.block_res_blocks.2.0.conv3.conv.weight": (256, 512, 1, 1, 1),
        "decoder.conv_blocks.1.conv.weight": (512, 256, 3, 3, 3),
        "decoder.block_res_blocks.0.0.conv3.conv.weight": (128, 256, 1, 1, 1),
        "decoder.norm1.weight": (128,),
        "decoder.conv_out.conv.bias": (4,),
    }
    assert {key: state.get(key) for key in expected} == expected
    assert not any(".conv_blocks.0." in key for key in state)
    assert "encoder.conv_in.conv.bias" not in state
    assert not any("res_blocks" in key and key.endswith("conv.bias") for key in state)


def test_the_spatial_keys_are_those_of_diffusers():
    with torch.device("meta"):
        state = {key: tuple(value.shape) for key, value in SpatialVAE().state_dict().items()}
    expected = {
        "encoder.conv_in.weight": (128, 3, 3, 3),
        "encoder.down_blocks.1.resnets.0.conv_shortcut.weight": (256, 128, 1, 1),
        "encoder.down_blocks.2.downsamplers.0.conv.weight": (512, 512, 3, 3),
        "encoder.mid_block.attentions.0.to_q.weight": (512, 512),
        "encoder.mid_block.attentions.0.to_out.0.bias": (512,),
        "encoder.mid_block.attentions.0.group_norm.weight": (512,),
        "encoder.conv_norm_out.weight": (512,),
        "encoder.conv_out.weight": (8, 512, 3, 3),
        "quant_conv.weight": (8, 8, 1, 1),
        "post_quant_conv.weight": (4, 4, 1, 1),
        "decoder.conv_in.weight": (512, 4, 3, 3),
        "decoder.up_blocks.0.upsamplers.0.conv.weight": (512, 512, 3, 3),
        "decoder.up_blocks.2.resnets.0.conv_shortcut.weight": (256, 512, 1, 1),
        "decoder.up_blocks.3.resnets.2.conv2.bias": (128,),
        "decoder.conv_out.weight": (3, 128, 3, 3),
    }
    assert {key: state.get(key) for key in expected} == expected
    assert not any("down_blocks.3.downsamplers" in key or "up_blocks.3.upsamplers" in key for key in state)


def test_epsilons_of_the_norms(pair):
    assert {m.eps for m in pair.temporal_vae.modules() if isinstance(m, torch.nn.GroupNorm)} == {1e-5}
    assert {m.eps for m in pair.spatial_vae.modules() if isinstance(m, torch.nn.GroupNorm)} == {1e-6}


def test_latent_frames_are_those_of_the_table():
    table = {(1, 4): 1, (5, 8): 2, (9, 12): 3, (13, 16): 4, (17, 17): 5, (18, 21): 6, (22, 25): 7, (26, 29): 8,
             (30, 33): 9, (34, 34): 10, (35, 38): 11, (48, 50): 14, (51, 51): 15, (52, 55): 16, (85, 85): 25,
             (102, 102): 30, (103, 106): 31, (119, 119): 35, (120, 120): 36, (204, 204): 60}  # fmt: skip
    for (first, last), expected in table.items():
        assert {latent_frames(n) for n in range(first, last + 1)} == {expected}


@pytest.mark.parametrize("frames", [*range(1, 19), 21, 34, 35])
def test_any_number_of_frames_comes_back(pair, frames):
    with torch.no_grad():
        z = pair.encode(noise(1, 3, frames, 8, 16))
        assert z.shape == (1, 4, latent_frames(frames), 1, 2)
        assert pair.decode(z, frames).shape == (1, 3, frames, 8, 16)


def test_sizes_are_rounded_down_to_multiples_of_eight(pair):
    with torch.no_grad():
        z = pair.encode(noise(1, 3, 1, 30, 53))
        assert z.shape[3:] == (3, 6)
        assert pair.decode(z, 1).shape[3:] == (24, 48)


@pytest.mark.parametrize(("stride", "in_front"), [(1, 2), (2, 1)])
def test_a_causal_convolution_pads_with_zeros_in_front(stride, in_front):
    conv = CausalConv(1, 1, 3, time_stride=stride, bias=False)
    torch.nn.init.zeros_(conv.conv.weight)
    conv.conv.weight.data[0, 0, 2, 1, 1] = 1  # sees the newest frame of its window only
    x = torch.arange(1.0, 9).view(1, 1, 8, 1, 1)
    newest = torch.arange(8)[2 - in_front :: stride]
    assert torch.equal(conv(x).flatten(), x.flatten()[newest])


def test_padding_in_time_counts_in_the_statistics_and_is_cut_from_the_front(temporal):
    for frames in (5, 6, 7, 8):
        x = noise(1, 4, frames, 3, 3)
        filled = torch.cat([torch.zeros(1, 4, -frames % 4, 3, 3), x], dim=2)
        assert torch.equal(temporal.encode(x), temporal.encode(filled))
        z = noise(1, 4, 2, 3, 3)
        assert torch.equal(temporal.decode(z, frames), temporal.decode(z, 8)[:, :, 8 - frames :])


@pytest.mark.parametrize("frames", [17, 7, 4])
def test_each_latent_stands_for_the_frames_that_the_table_says(frames):
    """Latent j stands for chunk frames 4j - p to 4j - p + 3. Without the norms nothing else reaches it from later."""
    torch.manual_seed(1)
    vae = TemporalVAE.tiny()
    for module in vae.modules():
        for name, child in module.named_children():
            if isinstance(child, torch.nn.GroupNorm):
                setattr(module, name, torch.nn.Identity())
    x = noise(1, 4, frames, 1, 1).requires_grad_()
    padding = -frames % 4
    for latent in range(latent_frames(frames)):
        (seen,) = torch.autograd.grad(vae.encode(x)[:, :, latent].sum(), x)
        reached = seen.abs().amax(dim=(0, 1, 3, 4)).nonzero().flatten()
        assert reached[-1].item() == 4 * latent - padding + 3


def test_depth_to_time_is_channel_major():
    vae = TemporalVAE.tiny()
    conv = vae.decoder.conv_blocks[2]
    torch.nn.init.zeros_(conv.conv.weight)
    conv.conv.bias.data = torch.arange(conv.conv.bias.numel(), dtype=torch.float32)
    seen: list[Tensor] = []
    vae.decoder.block_res_blocks[2].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    vae.decode(torch.zeros(1, 4, 2, 1, 1), 8)
    # out[c, 2t + s] = in[2c + s, t]
    assert seen[0].shape[1:3] == (32, 4)
    assert torch.equal(seen[0][0, :, :, 0, 0], torch.arange(64.0).view(32, 2).repeat(1, 2))


def test_the_picture_is_padded_right_and_bottom_only():
    down = Downsample(1)
    torch.nn.init.zeros_(down.conv.weight)
    torch.nn.init.zeros_(down.conv.bias)
    down.conv.weight.data[0, 0, 0, 0] = 1  # top left of each window
    x = torch.arange(16.0).view(1, 1, 4, 4)
    assert torch.equal(down(x).flatten(), torch.tensor([0.0, 2.0, 8.0, 10.0]))


def test_chunks_know_nothing_of_each_other(pair):
    x = noise(1, 3, 36, 8, 8)
    with torch.no_grad():
        z = pair.encode(x)
        for start, stop, latents in ((0, 17, slice(0, 5)), (17, 34, slice(5, 10)), (34, 36, slice(10, 11))):
            assert torch.allclose(pair.encode(x[:, :, start:stop]), z[:, :, latents], atol=1e-6)
        frames = pair.decode(z, 36)
        assert torch.allclose(pair.decode(z[:, :, 5:10], 17), frames[:, :, 17:34], atol=1e-6)
        assert torch.allclose(pair.decode(z[:, :, 10:], 2), frames[:, :, 34:], atol=1e-6)


def test_a_picture_is_not_the_first_latent_of_a_clip_that_starts_with_it(pair):
    x = noise(1, 3, 17, 8, 8)
    with torch.no_grad():
        assert (pair.encode(x)[:, :, :1] - pair.encode(x[:, :, :1])).abs().max() > 1e-4


def test_factor_scale_and_shift(pair):
    with torch.no_grad():
        x = noise(1, 3, 2, 8, 8)
        flat = 0.18215 * pair.spatial_vae.module.encode(x[0].transpose(0, 1))[:, :4]
        mean = pair.temporal_vae.encode(flat.transpose(0, 1)[None])[0, :4]
        shift, scale = (-0.10, 0.34, 0.27, 0.98), (3.85, 2.32, 2.33, 3.06)
        by_hand = torch.stack([(mean[c] - shift[c]) / scale[c] for c in range(4)])
        assert torch.allclose(pair.encode(x)[0], by_hand, atol=1e-6)
        z = noise(1, 4, 1, 1, 1)
        raw = torch.stack([z[:, c] * scale[c] + shift[c] for c in range(4)], dim=1)
        flat = pair.temporal_vae.decode(raw, 2)[0].transpose(0, 1) / 0.18215
        assert torch.allclose(pair.decode(z, 2)[0].transpose(0, 1), pair.spatial_vae.module.decode(flat), atol=1e-5)


def test_how_many_pictures_are_coded_at_a_time_changes_no_number():
    torch.manual_seed(0)
    one, four = (OpenSoraVAE.tiny().eval() for _ in range(2))
    four.load_state_dict(one.state_dict())
    one.spatial_vae.micro_batch_size = 1
    x = noise(2, 3, 6, 8, 8)
    with torch.no_grad():
        assert torch.allclose(one.encode(x), four.encode(x), atol=1e-6)


def test_sampling_repeats_with_its_generator_and_lies_around_the_mean(pair):
    x = noise(1, 3, 3, 8, 8)
    with torch.no_grad():
        mean = pair.encode(x)
        first, again = (pair.encode(x, sample=True, generator=torch.Generator().manual_seed(4)) for _ in range(2))
        other = pair.encode(x, sample=True, generator=torch.Generator().manual_seed(5))
    assert torch.equal(mean, pair.encode(x))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert (first - mean).abs().max() > 1e-3


def test_the_log_variance_is_clamped(pair):
    from lgvsc.nets.opensora_vae import posterior

    moments = torch.cat([torch.zeros(1, 4, 1, 1, 1), torch.full((1, 4, 1, 1, 1), 500.0)], dim=1)
    drawn = posterior(moments, torch.Generator().manual_seed(0))
    unit = torch.randn(1, 4, 1, 1, 1, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(drawn, math.exp(10) * unit)


def test_frames_that_do_not_fit_the_latents_are_refused(pair):
    with pytest.raises(ValueError, match="17 frames have 5 latents, but there are 4"):
        pair.decode(torch.zeros(1, 4, 4, 1, 1), 17)


def test_decoding_in_chunks_is_decoding(pair):
    z = noise(1, 4, latent_frames(40), 1, 2)
    with torch.no_grad():
        pieces = list(pair.decode_chunks(z, 40))
        assert [piece.shape[2] for piece in pieces] == [17, 17, 6]
        assert torch.equal(torch.cat(pieces, dim=2), pair.decode(z, 40))


def test_strict_loading_finds_what_is_missing():
    torch.manual_seed(0)
    vae = OpenSoraVAE.tiny()
    state = vae.state_dict()
    del state["scale"]
    with pytest.raises(RuntimeError, match="scale"):
        OpenSoraVAE.tiny().load_state_dict(state, strict=True)
