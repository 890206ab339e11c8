"""Rectified flow: the released times, guidance, and frames that are given."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from lgvsc.errors import ConfigError, ShapeError
from lgvsc.nets.stdit3 import STDiT3
from lgvsc.world.sampler import RectifiedFlow, latents_for_times

SIZE = {"fps": 24.0, "height": 240.0, "width": 426.0, "num_frames": 51}


def noise(*shape: int, seed: int = 3) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


class Recorder:
    """A network that keeps what it was asked and answers with a fixed field, twice as strong for the caption."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Tensor | None]] = []

    def __call__(self, x: Tensor, timestep: Tensor, y: Tensor, **rest: Tensor | None) -> Tensor:
        self.asked.append({"x": x.clone(), "timestep": timestep, "y": y, **rest})
        velocity = torch.ones_like(x) * (1 + y[:, :, :1, :1, None].mean(dim=(1, 2, 3, 4)))[:, None, None, None, None]
        return torch.cat([velocity, torch.full_like(x, math.nan)], dim=1)


@pytest.mark.parametrize(
    ("height", "width", "frames", "second", "final"),
    [
        (240, 426, 51, 985.9437, 76.9835),
        (240, 426, 17, 975.9020, 45.9412),
        (256, 256, 17, 970.0805, 37.1217),
        (480, 854, 51, 992.9304, 143.1050),
    ],
)
def test_times_meet_the_anchors_of_the_release(height, width, frames, second, final):
    times = RectifiedFlow(30).times(height, width, frames)[:, 0]
    assert times.dtype == torch.float32
    assert times[0].item() == 1000
    assert times[1].item() == pytest.approx(second, abs=2e-4)
    assert times[29].item() == pytest.approx(final, abs=2e-4)


def test_times_without_the_transform_are_even():
    times = RectifiedFlow(4, use_timestep_transform=False).times(240, 426, 51)
    assert times[:, 0].tolist() == [1000, 750, 500, 250]


def test_a_picture_at_the_base_size_is_not_shifted():
    assert torch.allclose(RectifiedFlow(5).times(512, 512, 1)[:, 0], torch.tensor([1000.0, 800, 600, 400, 200]))


def test_times_follow_each_sample_of_a_batch():
    times = RectifiedFlow(6).times(torch.tensor([240.0, 480.0]), torch.tensor([426.0, 854.0]), 51)
    assert torch.equal(times[:, 1], RectifiedFlow(6).times(480, 854, 51)[:, 0])


def test_latents_that_times_reckon_with():
    """As released for 1 and from 17 on; the repair for 2 to 16 is ``ceil(n / 4)`` and meets 5 at 17."""
    assert [latents_for_times(n) for n in (1, 17, 18, 33, 34, 51, 102, 408)] == [1, 5, 5, 5, 10, 15, 30, 120]
    assert [latents_for_times(n) for n in range(2, 17)] == [1] * 3 + [2] * 4 + [3] * 4 + [4] * 4


@pytest.mark.parametrize("side", [16, 64, 144, 240, 480])
def test_times_fall_for_every_length_and_none_is_above_1000(side):
    """In float32 the formula itself gives 1000.0001 first for some small sizes, as 64x64 with 17 frames."""
    for frames in range(1, 121):
        times = RectifiedFlow(30).times(side, side, frames)[:, 0]
        assert times.isfinite().all(), frames
        assert (times.diff() < 0).all(), frames
        assert 999.99 < times[0] <= 1000, frames
        assert times[-1] > 0, frames


def test_a_step_is_euler_under_guidance():
    """v = v_u + w (v_c - v_u); z moves by v dt; the caption comes first in the batch; the last step ends at 0."""
    model = Recorder()
    z, y, null = noise(1, 4, 2, 2, 2), torch.full((1, 1, 3, 2), 0.5), torch.zeros(3, 2)
    out = RectifiedFlow(2, 7.0, False).sample(model, z, y, torch.ones(1, 3), null, **SIZE)
    velocity = 1.0 + 7.0 * 0.5
    assert torch.allclose(out, z + velocity * (0.5 + 0.5), atol=1e-6)
    first, second = model.asked
    assert torch.equal(first["x"], torch.cat([z, z]))
    assert torch.equal(first["y"], torch.stack([y[0], null[None]]))
    assert first["timestep"].tolist() == [1000, 1000]
    assert second["timestep"].tolist() == [500, 500]
    assert first["x_mask"] is None
    assert [first[key].tolist() for key in ("fps", "height", "width")] == [[24], [240], [426]]
    assert torch.allclose(second["x"][0], z[0] + velocity * 0.5)


def test_a_scale_of_one_is_no_guidance():
    z, y = noise(1, 4, 1, 2, 2), torch.full((1, 1, 1, 1), 0.25)
    out = RectifiedFlow(1, 1.0, False).sample(Recorder(), z, y, None, torch.zeros(1, 1), **SIZE)
    assert torch.allclose(out, z + 1.25)


def test_given_frames_stay_bit_for_bit_and_are_announced_to_the_network():
    model = Recorder()
    z = noise(1, 4, 3, 2, 2)
    before = z.clone()
    share = torch.tensor([[0.0, 1.0, 0.0]])
    out = RectifiedFlow(5).sample(model, z, torch.ones(1, 1, 1, 1), None, torch.zeros(1, 1), **SIZE, frame_mask=share)
    assert torch.equal(z, before), "the caller's noise was changed"
    assert torch.equal(out[:, :, [0, 2]], z[:, :, [0, 2]])
    assert (out[:, :, 1] - z[:, :, 1]).abs().min() > 0.5
    for asked in model.asked:
        assert asked["x_mask"].tolist() == [[False, True, False]] * 2


def test_an_edited_frame_waits_is_noised_once_and_then_made():
    model = Recorder()
    z = noise(1, 4, 2, 2, 2)
    share = torch.tensor([[0.4, 1.0]])
    generator = torch.Generator().manual_seed(2)
    flow = RectifiedFlow(5, 1.0, use_timestep_transform=False)  # times 1000, 800, 600, 400, 200
    out = flow.sample(model, z, torch.zeros(1, 1, 1, 1), None, torch.zeros(1, 1), **SIZE, frame_mask=share,
                      generator=generator)  # fmt: skip
    assert [asked["x_mask"][0, 0].item() for asked in model.asked] == [False, False, False, True, True]
    replay = torch.Generator().manual_seed(2)
    fresh = [torch.randn(z.shape, generator=replay) for _ in range(4)][3]
    noised = 0.6 * z[:, :, 0] + 0.4 * fresh[:, :, 0]
    assert torch.allclose(model.asked[3]["x"][:1, :, 0], noised, atol=1e-6)
    assert torch.allclose(model.asked[4]["x"][:1, :, 0], noised + 0.2, atol=1e-6)
    assert torch.allclose(out[:, :, 0], noised + 0.4, atol=1e-6)


@pytest.mark.parametrize("size", [(240.0, 426.0), (64.0, 64.0)])
def test_wholly_made_frames_are_the_same_with_and_without_a_mask(size):
    """Also at small sizes, where rounding can put the first time a little above 1000."""
    torch.manual_seed(0)
    model = STDiT3.tiny().eval().requires_grad_(False)
    z, y = noise(1, 4, 5, 4, 4), noise(1, 1, 12, 16)
    sizes = SIZE | {"height": size[0], "width": size[1], "num_frames": 17}
    without = RectifiedFlow(4).sample(model, z, y, None, model.y_embedder.y_embedding, **sizes)
    masked = RectifiedFlow(4).sample(
        model, z, y, None, model.y_embedder.y_embedding, **sizes, frame_mask=torch.ones(1, 5)
    )
    assert torch.equal(without, masked)


def test_with_whole_shares_the_result_does_not_depend_on_the_generator():
    torch.manual_seed(0)
    model = STDiT3.tiny().eval().requires_grad_(False)
    z, y, share = noise(1, 4, 3, 4, 4), noise(1, 1, 12, 16), torch.tensor([0.0, 1.0, 1.0])
    made = [
        RectifiedFlow(3).sample(
            model, z, y, None, model.y_embedder.y_embedding, **SIZE, frame_mask=share,
            generator=torch.Generator().manual_seed(seed),
        )
        for seed in (1, 2)
    ]  # fmt: skip
    assert torch.equal(*made)


def test_halves_apart_are_the_same_numbers():
    torch.manual_seed(0)
    model = STDiT3.tiny().eval().requires_grad_(False)
    z, y, mask = noise(2, 4, 3, 4, 4), noise(2, 1, 12, 16), torch.ones(2, 12)
    mask[0, 5:] = 0
    share = torch.tensor([[0.0, 1, 1], [1, 1, 0]])
    together, apart = (
        RectifiedFlow(3, halves_apart=halves).sample(
            model, z, y, mask, model.y_embedder.y_embedding, **SIZE, frame_mask=share
        )
        for halves in (False, True)
    )
    assert torch.allclose(together, apart, atol=1e-5)


def test_progress_is_told():
    told: list[tuple[int, int]] = []
    RectifiedFlow(3).sample(
        Recorder(), noise(1, 4, 1, 2, 2), torch.zeros(1, 1, 1, 1), None, torch.zeros(1, 1), **SIZE,
        on_step=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_what_cannot_be_is_refused():
    with pytest.raises(ConfigError, match="at least one step"):
        RectifiedFlow(0)
    with pytest.raises(ShapeError, match="2 latents but 1 captions"):
        RectifiedFlow(1).sample(
            Recorder(), noise(2, 4, 1, 2, 2), torch.zeros(1, 1, 1, 1), None, torch.zeros(1, 1), **SIZE
        )
