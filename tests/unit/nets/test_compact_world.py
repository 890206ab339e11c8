"""The compact world model's networks: shapes, where they must do nothing, and what a rectified flow must do."""

from __future__ import annotations

import pytest
import torch

from lgvsc.nets.compact_world import (
    CANDIDATES,
    MAPS,
    MIXTURE,
    SITUATION,
    WORDS,
    CompactWorld,
    CompactWorldConfig,
    Scene,
    dream,
    on_pixels,
    still_right,
)


@pytest.fixture
def net():
    torch.manual_seed(0)
    return CompactWorld.tiny().eval()


def scene(batch=2, height=32, width=48, time=0.5, first=1.0, last=1.0, frames=32):
    generator = torch.Generator().manual_seed(1)
    situation = torch.zeros(batch, SITUATION)
    situation[:, 0], situation[:, 1], situation[:, 7], situation[:, 8] = time, frames / 64, first, last
    return Scene(
        torch.rand(batch, 3 * CANDIDATES, height, width, generator=generator),
        torch.rand(batch, MAPS, height, width, generator=generator),
        situation,
    )


def mixture(scene):
    return scene.candidates[:, 3 * MIXTURE :]


def latent(net, scene, scale=1.0):
    height, width = scene.candidates.shape[2:]
    generator = torch.Generator().manual_seed(2)
    return scale * torch.randn(len(scene.candidates), net.config.latent, height // 16, width // 16, generator=generator)


def test_a_frame_has_the_size_of_its_candidates(net):
    known = scene()
    assert net.painter(known, latent(net, known)).shape == (2, 3, 32, 48)


def test_an_untrained_painter_stays_near_the_mixture(net):
    known = scene()
    made = net.painter(known, latent(net, known, 0.0))
    others = known.candidates[:, :3]
    assert (made - mixture(known)).abs().mean() < 0.5 * (others - mixture(known)).abs().mean()


@pytest.mark.parametrize(
    ("time", "first", "last"), [(0.0, 1.0, 1.0), (1.0, 1.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 1.0)]
)
def test_nothing_changes_at_a_keyframe(net, time, first, last):
    known = scene(time=time, first=first, last=last)
    assert torch.equal(net.painter(known, latent(net, known)), mixture(known))


@pytest.mark.parametrize(("time", "first", "last"), [(0.0, 0.0, 1.0), (1.0, 1.0, 0.0), (0.5, 0.0, 0.0)])
def test_where_no_keyframe_is_the_painter_has_its_say(net, time, first, last):
    known = scene(time=time, first=first, last=last)
    assert not torch.equal(net.painter(known, latent(net, known)), mixture(known))


def test_candidates_that_disagree_are_picked_from_and_others_averaged(net):
    """Told to take three quarters of one and a quarter of another, it does so only where that is no ghost."""
    with torch.no_grad():
        net.painter.leave.weight.zero_()
        logits = torch.tensor([2.1, 1.0, -9.0, -9.0, -9.0, 0.0, 0.0, 0.0])
        net.painter.leave.bias.copy_(logits.repeat_interleave(4))
    known = scene(frames=24)
    known.candidates.fill_(0.5)
    known.candidates[:, 3:6, :, :16] = 0.52
    known.candidates[:, 3:6, :, 32:] = 0.9
    made = net.painter(known, latent(net, known)).detach()
    torch.testing.assert_close(made[..., :14], torch.full_like(made[..., :14], 0.505), atol=5e-4, rtol=0)
    torch.testing.assert_close(made[..., 34:], torch.full_like(made[..., 34:], 0.5), atol=0.4 * 0.01, rtol=0)


def test_pixels_need_not_be_gathered():
    conv = torch.nn.Conv2d(4 * 3, 5, 3, padding=1)
    x = torch.randn(2, 3, 16, 24)
    gathered = torch.nn.functional.pixel_unshuffle(x, 2)
    torch.testing.assert_close(on_pixels(conv, x), conv(gathered), atol=1e-5, rtol=1e-5)


def test_between_near_keyframes_the_painter_says_less(net):
    known = scene(frames=64)
    changes = []
    for frames in (6, 12, 24, 64):
        near = known._replace(situation=scene(frames=frames).situation)
        changes.append(float((net.painter(near, latent(net, near)) - mixture(near)).detach().abs().mean()))
    assert changes[0] < 0.8 * changes[1] < 0.8 * 0.8 * changes[2]
    alone = scene(frames=6, last=0.0)
    assert (net.painter(alone, latent(net, alone)) - mixture(alone)).abs().mean() > 1.5 * changes[0]


def test_the_latent_matters(net):
    known = scene()
    made = [net.painter(known, latent(net, known, scale)) for scale in (0.0, 3.0)]
    assert (made[0] - made[1]).abs().max() > 1e-4


def test_the_observer_sees_the_true_frame(net):
    known = scene()
    frames = torch.rand(2, 3, 32, 48)
    mean, log_variance = net.observer(frames, known)
    assert mean.shape == log_variance.shape == (2, net.config.latent, 2, 3)
    assert not torch.equal(mean, net.observer(1 - frames, known)[0])


def test_the_dreamer_reads_everything_it_is_given(net):
    frames, height, width = 3, 2, 2
    torch.manual_seed(3)
    for block in net.dreamer.blocks:  # these begin as zeros
        torch.nn.init.normal_(block.time.weight, std=0.1)
        torch.nn.init.normal_(block.space.steer.weight, std=0.1)
    given = {
        "noisy": torch.randn(1, frames, net.config.latent, height, width),
        "level": torch.tensor([0.3]),
        "seen": torch.randn(1, frames, net.config.widths[3], height, width),
        "situation": torch.rand(1, frames, SITUATION),
        "words": torch.tensor([[5, 7, WORDS]]),
    }
    velocity = net.dreamer(**given)
    assert velocity.shape == given["noisy"].shape
    changes = {
        "noisy": given["noisy"] + 1,
        "level": torch.tensor([0.9]),
        "seen": given["seen"].flip(3),
        "situation": given["situation"] + 0.5,
        "words": torch.tensor([[5, 8, WORDS]]),
    }
    for name, value in changes.items():
        assert (net.dreamer(**(given | {name: value})) - velocity).abs().max() > 1e-6, name
    later = given["seen"].clone()
    later[:, 2] += 1
    assert (net.dreamer(**(given | {"seen": later})) - velocity)[:, 1].abs().max() > 1e-6, "frames know of each other"


class StraightToTarget(torch.nn.Module):
    """The velocity of a flow whose every path ends at ``target``."""

    def __init__(self, target):
        super().__init__()
        self.target = target

    def forward(self, noisy, level, seen, situation, words):
        return (self.target - noisy) / (1 - level).view(-1, 1, 1, 1, 1)


@pytest.mark.parametrize("steps", [1, 4, 7])
def test_a_dream_follows_the_flow_to_its_end(steps):
    target = torch.randn(2, 3, 4, 4)
    made = dream(
        StraightToTarget(target),
        torch.zeros(2, 1, 4, 4),
        torch.zeros(2, SITUATION),
        torch.zeros(1),
        torch.randn(2, 3, 4, 4),
        steps=steps,
    )
    torch.testing.assert_close(made, target)


def test_sizes_survive_the_way_through_text():
    config = CompactWorldConfig(widths=(4, 4, 8, 8), latent=2, dreamer=8, dreamer_blocks=1, text=4)
    assert CompactWorldConfig.from_json(config.to_json()) == config


def test_the_shipped_size_fits():
    parameters = sum(p.numel() for name, p in CompactWorld().named_parameters() if not name.startswith("observer."))
    assert parameters < 2.5e6


def test_a_sketch_counts_less_the_older_it_is_and_the_more_moves():
    def holds(near, score):
        situation = torch.zeros(1, SITUATION)
        situation[0, 3], situation[0, 9:11] = score / 10, torch.tensor([1.0, near])
        return still_right(situation)[0].tolist()

    assert holds(1.0, 20.0) == [1.0, 1.0]  # the frame's own, whatever moves
    fresh, old = holds(0.8, 2.0)[1], holds(0.4, 2.0)[1]
    assert 1 > fresh > old > 0 and holds(0.4, 8.0)[1] < 0.5 * old
    assert holds(0.0, 0.0)[1] < 0.05  # none


def test_a_stale_sketch_moves_a_frame_less_than_its_own_would(net):
    def made(near):
        known = scene(first=0.0, last=0.0)
        known.situation[:, 3] = 0.5
        known.situation[:, 9:11] = near
        without = Scene(known.candidates, known.maps * torch.tensor([1.0, 0.0, 0.0])[:, None, None], known.situation)
        return (net.painter(known, latent(net, known)) - net.painter(without, latent(net, without))).abs().mean()

    assert 0 < made(0.3) < 0.6 * made(1.0)
