"""STDiT3: the keys and sizes of the checkpoint, and what each sentence of the specification makes it do."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from lgvsc.nets.stdit3 import ScalarEmbedding, STDiT3, grid_positions, rotated

SIZE = {"fps": torch.tensor([24.0]), "height": torch.tensor([240.0]), "width": torch.tensor([426.0])}


def drawn(seed: int = 0, **changes: object) -> STDiT3:
    """A tiny network in which everything matters: as initialised, temporal blocks would be the identity."""
    generator = torch.Generator().manual_seed(seed)
    model = STDiT3.tiny(**changes).eval()
    for name, value in model.state_dict().items():
        if name != "rope.freqs":
            fan_in = value[0].numel() if value.ndim > 1 else 1
            value.copy_(torch.randn(value.shape, generator=generator) / math.sqrt(fan_in) + (value.ndim == 1) * 0.5)
    return model


def call(model: STDiT3, x: Tensor, time: float = 700.0, **changes: object) -> Tensor:
    generator = torch.Generator().manual_seed(9)
    rows, width = model.y_embedder.y_embedding.shape
    given = {"y": torch.randn(len(x), 1, rows, width, generator=generator), "mask": None, "x_mask": None, **SIZE}
    with torch.no_grad():
        return model(x, torch.full((len(x),), time), **(given | changes))


def noise(*shape: int, seed: int = 3) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_keys_shapes_and_parameters_of_the_checkpoint():
    """973 keys and 1 207 643 972 parameters, the null caption being a buffer and the frequencies a parameter."""
    with torch.device("meta"):
        model = STDiT3()
    state = model.state_dict()
    assert len(state) == 973
    assert sum(p.numel() for p in model.parameters()) == 1_207_643_972
    assert "y_embedder.y_embedding" in dict(model.named_buffers())
    block = {
        "scale_shift_table": (6, 1152),
        "attn.qkv.weight": (3456, 1152), "attn.qkv.bias": (3456,),
        "attn.q_norm.weight": (72,), "attn.k_norm.weight": (72,),
        "attn.proj.weight": (1152, 1152), "attn.proj.bias": (1152,),
        "cross_attn.q_linear.weight": (1152, 1152), "cross_attn.q_linear.bias": (1152,),
        "cross_attn.kv_linear.weight": (2304, 1152), "cross_attn.kv_linear.bias": (2304,),
        "cross_attn.proj.weight": (1152, 1152), "cross_attn.proj.bias": (1152,),
        "mlp.fc1.weight": (4608, 1152), "mlp.fc1.bias": (4608,),
        "mlp.fc2.weight": (1152, 4608), "mlp.fc2.bias": (1152,),
    }  # fmt: skip
    expected = {
        "rope.freqs": (36,),
        "x_embedder.proj.weight": (1152, 4, 1, 2, 2), "x_embedder.proj.bias": (1152,),
        "t_block.1.weight": (6912, 1152), "t_block.1.bias": (6912,),
        "y_embedder.y_embedding": (300, 4096),
        "y_embedder.y_proj.fc1.weight": (1152, 4096), "y_embedder.y_proj.fc1.bias": (1152,),
        "y_embedder.y_proj.fc2.weight": (1152, 1152), "y_embedder.y_proj.fc2.bias": (1152,),
        "final_layer.scale_shift_table": (2, 1152),
        "final_layer.linear.weight": (32, 1152), "final_layer.linear.bias": (32,),
    }  # fmt: skip
    for embedder in ("t_embedder", "fps_embedder"):
        expected |= {f"{embedder}.mlp.0.weight": (1152, 256), f"{embedder}.mlp.2.weight": (1152, 1152)}
        expected |= {f"{embedder}.mlp.{i}.bias": (1152,) for i in (0, 2)}
    for kind in ("spatial_blocks", "temporal_blocks"):
        expected |= {f"{kind}.{i}.{key}": shape for i in range(28) for key, shape in block.items()}
    assert {key: tuple(value.shape) for key, value in state.items()} == expected


def test_the_second_size_and_the_options_change_the_keys():
    with torch.device("meta"):
        large = STDiT3(hidden_size=1872, num_heads=26)
        plain = STDiT3.tiny(qk_norm=False, pred_sigma=False)
    assert large.rope.freqs.shape == (36,)
    assert not any("_norm" in key for key in plain.state_dict())
    assert plain.final_layer.linear.out_features == 16


def test_first_values_leave_temporal_blocks_and_frame_rate_silent():
    torch.manual_seed(1)
    model = STDiT3.tiny(hidden_size=64)
    for block in model.temporal_blocks:
        for last in (block.attn.proj, block.cross_attn.proj, block.mlp.fc2):
            assert not last.weight.any()
    assert not model.fps_embedder.mlp[2].weight.any()
    assert model.fps_embedder.mlp[0].weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert not any(p.any() for name, p in model.named_parameters() if name.endswith("linear.bias"))
    bound = math.sqrt(6 / (64 + 3 * 64))  # Xavier-uniform
    assert model.spatial_blocks[0].attn.qkv.weight.abs().max().item() == pytest.approx(bound, rel=0.02)
    assert model.y_embedder.y_embedding.std().item() == pytest.approx(1 / math.sqrt(16), rel=0.2)
    x = noise(1, 4, 5, 4, 4)
    shuffled = x[:, :, [3, 1, 4, 0, 2]]
    assert torch.allclose(call(model, x)[:, :, [3, 1, 4, 0, 2]], call(model, shuffled), atol=1e-5)


def test_frequencies_of_the_rotary_embedding():
    freqs = drawn(hidden_size=48).rope.freqs
    assert torch.allclose(freqs, torch.tensor([10_000 ** (-2 * k / 24) for k in range(12)]))
    assert not freqs.requires_grad


def test_rotation_turns_adjacent_pairs():
    x = torch.tensor([[1.0, 0.0, 0.0, 1.0]])
    out = rotated(x, torch.tensor([[0.3, 0.5]]))
    expected = [math.cos(0.3), math.sin(0.3), -math.sin(0.5), math.cos(0.5)]
    assert torch.allclose(out, torch.tensor([expected]))


def test_only_the_distance_in_time_matters_to_rotation():
    generator = torch.Generator().manual_seed(0)
    q, k = torch.randn(2, 8, generator=generator)
    angles = torch.arange(6.0)[:, None] * torch.tensor([1.0, 0.5, 0.2, 0.01])
    turned_q, turned_k = rotated(q.expand(6, 8), angles), rotated(k.expand(6, 8), angles)
    assert torch.allclose((turned_q[1] @ turned_k[3]), (turned_q[3] @ turned_k[5]), atol=1e-5)
    assert not torch.allclose((turned_q[1] @ turned_k[3]), (turned_q[1] @ turned_k[4]), atol=1e-3)


def test_the_time_embedding_has_the_cosine_first_and_takes_the_scalar_as_it_comes():
    embed = ScalarEmbedding(256)
    embed.mlp = torch.nn.Identity()
    out = embed(torch.tensor([371.5]), torch.float32)[0]
    freqs = [math.exp(-math.log(10_000) * k / 128) for k in range(128)]
    expected = [math.cos(371.5 * f) for f in freqs] + [math.sin(371.5 * f) for f in freqs]
    assert torch.allclose(out, torch.tensor(expected), atol=1e-4)


def test_the_position_table_has_column_before_row_and_sine_before_cosine():
    """240 x 426: 15 x 27 tokens, base 20, side 319.75 over 512."""
    width, rows, columns = 16, 15, 27
    scale = math.sqrt(240 * 426) / 512
    table = grid_positions(rows, columns, scale, width, torch.device("cpu")).view(rows, columns, width)
    inverse = [10_000 ** (-2 * k / (width / 2)) for k in range(width // 4)]
    at_row, at_column = 7 / scale * 20 / rows, 22 / scale * 20 / columns
    expected = [f(g * i) for g in (at_column, at_row) for f in (math.sin, math.cos) for i in inverse]
    assert torch.allclose(table[7, 22], torch.tensor(expected), atol=1e-5)


def test_half_a_patch_is_filled_up_and_cut_off_again():
    model = drawn()
    x = noise(1, 4, 2, 5, 7)
    out = call(model, x)
    padded = call(model, torch.nn.functional.pad(x, (0, 1, 0, 1)))
    assert out.shape == (1, 8, 2, 5, 7)
    assert torch.equal(out, padded[..., :5, :7])


def test_any_length_and_size_goes_through_the_same_weights():
    model = drawn()
    for shape in [(1, 4, 1, 2, 2), (1, 4, 3, 5, 4), (1, 4, 37, 2, 3)]:
        out = call(model, noise(*shape))
        assert out.shape == (1, 8, *shape[2:])
        assert out.dtype == torch.float32
        assert out.isfinite().all()


def test_everything_that_is_said_to_the_network_changes_its_answer():
    model = drawn()
    x = noise(1, 4, 3, 4, 4)
    plain = call(model, x)
    y = noise(1, 1, 12, 16, seed=5)
    for other in (
        call(model, x, time=690.0),
        call(model, x, y=y),
        call(model, x, mask=torch.ones(1, 12).tril(4)),
        call(model, x, fps=torch.tensor([30.0])),
        call(model, x, height=torch.tensor([480.0])),
        call(model, x, width=torch.tensor([640.0])),
        call(model, x, x_mask=torch.tensor([[True, False, True]])),
    ):
        assert (other - plain).abs().max() > 1e-3


def test_the_null_caption_is_cut_to_the_length_of_its_caption():
    """The mask of P prompts is repeated for the other rows of the batch."""
    model = drawn()
    x = noise(2, 4, 2, 4, 4)
    y = noise(2, 1, 12, 16, seed=4)
    mask = torch.zeros(1, 12, dtype=torch.long)
    mask[0, :5] = 1
    together = call(model, x, y=y, mask=mask)
    changed = y.clone()
    changed[:, :, 5:] += 7.0  # beyond the caption's length: unseen in both halves
    assert torch.equal(call(model, x, y=changed, mask=mask), together)
    apart = torch.cat([call(model, x[i : i + 1], y=y[i : i + 1, :, :5]) for i in (0, 1)])
    assert torch.allclose(together, apart, atol=1e-5)


def test_kept_rows_need_not_be_the_first():
    model = drawn()
    x, y = noise(1, 4, 2, 4, 4), noise(1, 1, 12, 16, seed=4)
    mask = torch.zeros(1, 12)
    mask[0, [2, 7, 8]] = 1
    assert torch.allclose(call(model, x, y=y, mask=mask), call(model, x, y=y[:, :, [2, 7, 8]]), atol=1e-6)


def test_samples_of_a_batch_do_not_see_each_other():
    model = drawn()
    x, y = noise(2, 4, 3, 4, 4), noise(2, 1, 12, 16, seed=4)
    mask = torch.ones(2, 12)
    mask[0, 3:] = 0
    together = call(model, x, y=y, mask=mask)
    for i in (0, 1):
        alone = call(model, x[i : i + 1], y=y[i : i + 1], mask=mask[i : i + 1])
        assert torch.allclose(together[i : i + 1], alone, atol=1e-5)


def test_all_frames_being_made_is_the_same_as_no_mask():
    model = drawn()
    x = noise(1, 4, 3, 4, 4)
    assert torch.equal(call(model, x, x_mask=torch.ones(1, 3, dtype=torch.bool)), call(model, x))


def test_given_frames_see_time_zero_and_steer_the_others():
    model = drawn()
    x = noise(1, 4, 3, 4, 4)
    given = torch.tensor([[False, True, True]])
    out = call(model, x, x_mask=given)
    reached: list[Tensor] = []
    model.final_layer.register_forward_pre_hook(lambda _, inputs: reached.append(inputs[0]))
    for time in (10.0, 900.0):  # with every frame given, no block sees the time; the final layer still does
        call(model, x, time=time, x_mask=torch.zeros(1, 3, dtype=torch.bool))
    assert torch.equal(*reached)
    changed = x.clone()
    changed[:, :, 0] += 1
    assert (call(model, changed, x_mask=given) - out)[:, :, 1:].abs().max() > 1e-3


def test_in_bfloat16_it_stays_near_and_answers_in_float32():
    model = drawn()
    x = noise(1, 4, 3, 4, 4)
    exact = call(model, x)
    rough = call(model.to(torch.bfloat16), x)
    assert rough.dtype == torch.float32
    assert (rough - exact).abs().mean() < 0.1 * exact.abs().mean()


@pytest.mark.parametrize(("frames", "rate"), [(3, 24.0), (1, 120.0)])
def test_untold_sizes_are_those_of_the_latents_and_the_rate_is_the_released_one(frames, rate):
    model = drawn()
    x, time, y = noise(1, 4, frames, 5, 7), torch.tensor([700.0]), noise(1, 1, 12, 16, seed=4)
    told = {"fps": torch.tensor([rate]), "height": torch.tensor([40.0]), "width": torch.tensor([56.0])}
    with torch.no_grad():
        assert torch.equal(model(x, time, y), model(x, time, y, None, None, *told.values()))
        for name, value in told.items():
            assert not torch.equal(model(x, time, y), model(x, time, y, **{name: value * 2}))


def test_widths_that_cannot_be_split_are_an_error():
    with pytest.raises(ValueError, match=r"30.*4 heads"):
        STDiT3.tiny(hidden_size=30, num_heads=4)
