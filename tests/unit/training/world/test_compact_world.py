"""Training the compact world model: batches that say what they should, a loss that falls, weights that load."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from lgvsc.core.video import Frame
from lgvsc.errors import ConfigError
from lgvsc.nets.compact_world import MAPS, SITUATION, CompactWorld
from lgvsc.semantics.backends.compact.captioner import CompactCaptioner
from lgvsc.training.world.compact_world import WorldTraining, begin_with, gradient_energy, train, training_ssim
from lgvsc.training.world.windows import (
    FRAMES,
    SIDE,
    Window,
    WindowPool,
    WindowTools,
    load_windows,
    save_windows,
    sketches_sent,
    window_of_still,
)
from lgvsc.world.backends.compact.compact_world import hashed_words, load


def window(seed):
    """The truth is the first keyframe moved; the mixture is flat."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (FRAMES, SIDE // 8, SIDE // 8, 3), dtype=np.uint8)
    truth = coarse.repeat(8, 1).repeat(8, 2)
    flat = np.full_like(truth, 128)
    candidates = np.concatenate([truth, flat, flat, flat, flat], axis=3)
    situation = np.zeros((FRAMES, SITUATION), np.float32)
    situation[:, 0] = np.linspace(0.1, 0.8, FRAMES)
    situation[:, 4] = 0.25
    situation[:, 7] = 1.0
    return Window(
        truth, candidates, np.zeros((*truth.shape[:3], MAPS), np.uint8), situation, hashed_words("a word").numpy()
    )


@pytest.fixture(scope="module")
def pool():
    return WindowPool([window(seed) for seed in range(3)], 64)


def test_crops_belong_together_however_they_are_turned(pool):
    for seed in range(12):
        truth, scene, words = pool.draw(2, np.random.default_rng(seed))
        assert truth.shape == (2 * FRAMES, 3, 64, 64) and words.shape[0] == 2
        for frame, candidates, situation in zip(truth, scene.candidates, scene.situation, strict=True):
            has_first, has_last = situation[7:9].tolist()
            moved = candidates[:3] if has_first else candidates[3:6]
            assert has_first + has_last == 1
            assert torch.equal(moved, frame)


def test_a_reversed_window_runs_backwards(pool):
    drawn = [pool.draw(1, np.random.default_rng(seed))[1].situation for seed in range(12)]
    for situation in drawn:
        time = situation[:, 0]
        backwards = situation[0, 8] == 1
        assert (time.diff() > 0).all()
        assert time[0] == pytest.approx(0.2 if backwards else 0.1)
    assert {float(s[0, 4]) for s in drawn} == {0.25, -0.25}


def test_one_frame_of_each_window_can_be_drawn(pool):
    truth, scene, words = pool.draw(7, np.random.default_rng(0), whole=False)
    assert len(truth) == len(scene.situation) == len(words) == 7


class Untouched:
    """A code through which pictures and sketches pass as they are."""

    def encode(self, picture, *args, **kwargs):
        self.sent = picture
        return SimpleNamespace(symbols=torch.ones(1, dtype=torch.complex64), length=1, mode=0)

    def decode(self, *args):
        return self.sent


class UntouchedSketches(Untouched):
    def encode(self, sketch, snr_db):
        self.sent = sketch
        return torch.ones(1, dtype=torch.complex64)


class Columns:
    """Draws the left half."""

    def extract(self, picture):
        sketch = np.zeros(picture.shape[:2], np.uint8)
        sketch[:, : picture.shape[1] // 2] = 255
        return sketch


@pytest.fixture(scope="module")
def tools():
    return WindowTools(Untouched(), Untouched(), UntouchedSketches(), Columns(), CompactCaptioner())


def still(seed):
    return np.random.default_rng(seed).integers(0, 256, (20, 30, 3), dtype=np.uint8).repeat(16, 0).repeat(16, 1)


def test_a_still_picture_becomes_a_window_mostly_without_keyframes(tools):
    windows = [window_of_still(still(seed), tools, np.random.default_rng(seed)) for seed in range(6)]
    for one in windows:
        assert one.truth.shape == (FRAMES, SIDE, SIDE, 3) and one.maps.shape == (FRAMES, SIDE, SIDE, MAPS)
        assert one.situation.shape == (FRAMES, SITUATION) and (np.diff(one.situation[:, 0]) >= 0).all()
        assert (one.situation[:, 8] == 0).all()  # never the last keyframe
    assert sum(one.situation[0, 7] == 0 for one in windows) >= 3
    assert any(one.situation[:, 9:].max() > 0 for one in windows)


@pytest.mark.parametrize(("way", "count"), [("every", 2), ("some", 2), ("one", 1), ("none", 0)])
def test_sketches_are_sent_of_each_frame_of_some_of_one_or_of_none(tools, way, count):
    run = [Frame(index, still(1)) for index in range(9)]
    places = np.array([3, 5])
    sent = list(sketches_sent(run, places, way, tools, np.random.default_rng(0)))
    assert len(sent) >= count and (way != "none" or not sent)
    assert way != "every" or [index for index, _ in sent] == [3, 5]
    assert all(0 <= index <= 8 and sketch.shape == (320, 480) for index, sketch in sent)


def test_a_reversed_window_has_its_sketches_reversed_too():
    one = window(0)
    one.maps[..., 1], one.maps[..., 2] = 10, 20
    one.situation[:, 9], one.situation[:, 10] = 0.25, 0.75
    for seed in range(8):
        _, scene, _ = WindowPool([one], 64).draw(1, np.random.default_rng(seed))
        backwards = scene.situation[0, 8] == 1
        before, after = (scene.maps[:, place].mean() * 255 for place in (1, 2))
        near = scene.situation[0, 9:].tolist()
        assert (round(float(before)), round(float(after))) == ((20, 10) if backwards else (10, 20))
        assert near == ([0.75, 0.25] if backwards else [0.25, 0.75])


def test_windows_survive_the_file(tmp_path):
    given = [window(seed) for seed in range(2)]
    save_windows(given, tmp_path / "w.npz")
    for one, again in zip(given, load_windows(tmp_path / "w.npz"), strict=True):
        assert np.array_equal(one.truth, again.truth) and np.array_equal(one.words, again.words)
    save_windows([], tmp_path / "none.npz")
    assert load_windows(tmp_path / "none.npz") == []


def test_a_network_that_was_told_less_lends_its_weights():
    net, old = tiny(), tiny().state_dict()
    old["painter.enter.weight"] = 2 * old["painter.enter.weight"][:, :-4]
    own = net.state_dict()["painter.enter.weight"].clone()
    begin_with(net, old)
    grown = net.state_dict()["painter.enter.weight"]
    assert torch.equal(grown[:, :-4], 2 * own[:, :-4]) and torch.equal(grown[:, -4:], own[:, -4:])


class Interrupted(WindowPool):
    """A pool that breaks off after so many batches."""

    def __init__(self, windows, crop, batches):
        super().__init__(windows, crop)
        self.batches = batches

    def draw(self, *args, **kwargs):
        if not self.batches:
            raise KeyboardInterrupt
        self.batches -= 1
        return super().draw(*args, **kwargs)


def test_a_run_that_was_broken_off_ends_as_if_it_had_not_been(pool, tmp_path):
    config = WorldTraining(steps=4, batch=2, crop=64, warmup=2, save_minutes=0.0, precision="bfloat16")
    whole = train(config, pool, tmp_path / "whole", net=tiny())
    with pytest.raises(KeyboardInterrupt):
        train(config, Interrupted([window(seed) for seed in range(3)], 64, 6), tmp_path / "broken", net=tiny())
    again = train(config, pool, tmp_path / "broken", net=tiny(), resume=tmp_path / "broken" / "checkpoint.pt")
    assert load_file(again).keys() == load_file(whole).keys()
    for name, value in load_file(whole).items():
        assert torch.equal(value, load_file(again)[name]), name
    events = [json.loads(line)["event"] for line in (tmp_path / "broken" / "log.jsonl").read_text().splitlines()]
    assert events == ["start", "resume", "end"]


def test_halfway_is_the_mean_of_the_first_and_the_last_weights(pool, tmp_path):
    config = WorldTraining(steps=3, batch=2, crop=64, warmup=1, precision="float32")
    begun = {name: value.detach().clone() for name, value in tiny().named_parameters()}
    last = load_file(train(config, pool, tmp_path / "last", net=tiny()))
    mean = load_file(train(replace(config, halfway=True), pool, tmp_path / "mean", net=tiny()))
    assert any(not torch.equal(mean[name], last[name]) for name in mean)
    for name, value in mean.items():
        assert torch.allclose(value.float(), 0.5 * (begun[name] + last[name].float()), atol=2e-3), name


def test_what_is_shipped_loads(pool, tmp_path):
    config = WorldTraining(steps=1, batch=2, crop=64, precision="float32")
    weights = train(config, pool, tmp_path, net=tiny())
    assert load(weights.read_bytes()).latent_frames(9) == 3


def test_the_painter_learns_to_take_the_candidate_that_is_right(pool, tmp_path):
    config = WorldTraining(steps=40, batch=4, crop=64, warmup=5, learning_rate=5e-3, sharpness_weight=0.0)
    train(config, pool, tmp_path, net=tiny(), held_out=pool)
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    validation = [entry for entry in log if entry["event"] == "validation"][-1]
    assert validation["results"]["keyframes"]["guess_ssim"] > validation["results"]["keyframes"]["mixture_ssim"] + 0.1


def test_similarity_is_one_for_equal_pictures_and_falls_with_noise():
    picture = torch.rand(2, 3, 32, 32)
    assert training_ssim(picture, picture) == pytest.approx(torch.ones(2))
    noisy = picture + 0.3 * torch.randn_like(picture)
    assert (training_ssim(picture, noisy) < 0.9).all()


def test_blur_takes_gradient_energy_away():
    picture = torch.rand(1, 3, 32, 32)
    blurred = torch.nn.functional.avg_pool2d(picture, 3, 1, 1)
    assert gradient_energy(blurred) < 0.5 * gradient_energy(picture)


def test_an_empty_pool_is_refused():
    with pytest.raises(ConfigError, match="no window"):
        WindowPool([], 64)


def tiny():
    torch.manual_seed(0)
    return CompactWorld.tiny()
