"""Training of DVST, at a size that takes seconds."""

from __future__ import annotations

import json
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from lgvsc.coding.frames.dvst import motion_of
from lgvsc.core.video import VideoFormat, VideoWriter
from lgvsc.errors import ConfigError, InputError
from lgvsc.nets.dvst import Dvst
from lgvsc.training.codes import dvst
from lgvsc.training.codes.dvst import DvstTraining, ask, measure, start_from_windows, train
from lgvsc.training.codes.dvst_windows import SIDE, Windows, draw, material, read_windows, windows_of, write_windows

TINY = DvstTraining(steps=6, batch=3, digital=1, crop=64, warmup=2, precision="float32")


def some_windows(colours: int = 3, count: int = 2, frames: int = 5) -> Windows:
    """A texture that moves by three pixels from frame to frame; its keyframes are blurred and noisy."""
    random = np.random.default_rng(0)
    runs, flows, expected, received = [], [], [], []
    for _ in range(count):
        texture = cv2.resize(random.integers(0, 256, (40, 40, 3), dtype=np.uint8), (SIDE, SIDE))
        run = [np.roll(texture, 3 * i, 1)[..., :colours] for i in range(frames)]
        flow, _ = motion_of([np.ascontiguousarray(p if colours == 3 else p[..., 0]) for p in run], (SIDE, SIDE))
        key = cv2.GaussianBlur(run[0], (5, 5), 1).reshape(SIDE, SIDE, colours)
        noisy = np.clip(key + random.normal(0, 6, key.shape), 0, 255).astype(np.uint8)
        runs.append(np.stack(run))
        flows.append(torch.cat(flow).numpy().astype(np.float16))
        expected.append(np.stack([key, key]))
        received.append(np.stack([noisy, key]))
    levels = np.tile(np.array([[2.0, 12.0]], np.float32), (count, 1))
    return Windows(np.stack(runs), np.stack(flows), np.stack(expected), np.stack(received), levels)


WINDOWS = some_windows()


def tiny_net(config: DvstTraining = TINY) -> Dvst:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = Dvst.tiny()
    start_from_windows(net, WINDOWS, config)
    return net


def run(config: DvstTraining, out: Path, **more: object) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    before = torch.get_num_threads()
    try:
        return load_file(train(config, "rgb", WINDOWS, out, net=tiny_net(), **more))
    finally:
        torch.set_num_threads(before)
        torch.set_flush_denormal(False)


def test_a_resumed_run_ends_where_an_unbroken_one_does(tmp_path, monkeypatch):
    """Weights, average, optimiser, schedule, crops, rates and noise all go on where they stopped."""
    whole = run(TINY, tmp_path / "whole")
    stopped = dvst.DvstRun.finished
    monkeypatch.setattr(dvst.DvstRun, "finished", lambda self: stopped(self) or self.steps == 3)
    run(TINY, tmp_path / "parts")
    monkeypatch.undo()
    resumed = run(TINY, tmp_path / "parts", resume=tmp_path / "parts" / "checkpoint.pt")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    events = [json.loads(line)["event"] for line in (tmp_path / "parts" / "log.jsonl").read_text().splitlines()]
    assert events == ["start", "end", "resume", "end"]


def test_training_lowers_the_loss(tmp_path):
    config = DvstTraining(**{**asdict(TINY), "steps": 100, "learning_rate": 3e-3, "cbr": (0.004, 0.02)})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        job = dvst.DvstRun(config, Dvst.tiny(), WINDOWS, None, tmp_path)  # without the linear start
    before = np.mean([job.loss(step)[0].item() for step in range(1000, 1004)])
    for _ in range(25):  # of the time in which one frame is coded
        job.step()
    after = np.mean([job.loss(step)[0].item() for step in range(1000, 1004)])
    assert after < before - 0.3


def test_frames_before_and_frames_learned_from_grow_with_time(tmp_path):
    job = dvst.DvstRun(TINY, tiny_net(), WINDOWS, None, tmp_path)
    seen = {}
    for job.steps in (0, 3, 5):
        seen[job.steps] = {job.schedule(np.random.default_rng(n)) for n in range(60)}
    assert seen[0] == {(0, 1)} and seen[3] == {(0, 1), (1, 1), (2, 1)} and seen[5] == {(0, 2), (1, 2), (2, 2)}
    job.steps = 5
    total, figures = job.loss(5)
    total.backward()
    assert np.isfinite(total.item()) and set(figures) == {"bpp", "digital_psnr_db", "psnr_db", "ms_ssim", "reals"}


def test_crops_keep_motion_and_pictures_together():
    """Turned as they may be, each frame is the one before it, moved."""
    from lgvsc.nets.dvst import warp

    crops = draw(WINDOWS, 12, 2, 128, np.random.default_rng(0))
    first, second, flow = crops.frames[:, 0], crops.frames[:, 1], crops.flows[:, 1]
    inside = (..., slice(24, -24), slice(24, -24))
    moved = (warp(first, flow) - second)[inside].square().mean((1, 2, 3))
    still = (first - second)[inside].square().mean((1, 2, 3))
    assert (moved < 0.2 * still).all()
    assert torch.equal(crops.frames, draw(WINDOWS, 12, 2, 128, np.random.default_rng(0)).frames)


def test_what_is_asked_covers_the_range_and_stays_near_the_keyframe_s_snr():
    asked = ask(DvstTraining(), torch.full((2000,), 10.0), np.random.default_rng(0))
    cbr = asked.reals / (2 * 768)
    assert 0.0005 <= cbr.min() < 0.0006 and 0.0105 < cbr.max() <= 0.012
    assert (asked.snr_db - 10).abs().mean() == pytest.approx(0.8, abs=0.1)
    assert (asked.snr_db != asked.believed_snr_db).float().mean() == pytest.approx(0.15, abs=0.04)


def test_measuring_spends_no_more_than_asked_and_is_repeatable():
    rows = measure(tiny_net(), WINDOWS, ((0.002, 10.0),), most=1)
    assert rows == measure(tiny_net(), WINDOWS, ((0.002, 10.0),), most=1)
    assert rows[0]["n"] == 1 and rows[0]["psnr_db"] > rows[0]["held_psnr_db"]  # the linear start follows motion


def test_windows_are_cut_from_clips_rebuilt_and_kept(tmp_path):
    for name in ("moving.mp4", "short.mp4"):
        with VideoWriter(tmp_path / name, VideoFormat(64, 64, Fraction(10), 12)) as video:
            for i in range(12 if name == "moving.mp4" else 4):
                picture = np.zeros((64, 64, 3), np.uint8)
                picture[20:40, 4 * i : 4 * i + 20] = 220
                video.write(picture)
    windows = windows_of([tmp_path / "moving.mp4", tmp_path / "short.mp4"], "rgb", 1, 0)
    assert windows.frames.shape == (1, 10, 256, 256, 3) and windows.flows.shape == (1, 9, 2, 32, 32)
    assert windows.expected.shape == windows.received.shape == (1, 2, 256, 256, 3) and windows.snr_db.shape == (1, 2)
    assert not np.array_equal(windows.expected, windows.received)
    write_windows(tmp_path / "kept.npz", windows, windows)
    for again in read_windows(tmp_path / "kept.npz"):
        assert all(np.array_equal(getattr(again, n), getattr(windows, n)) for n in Windows.__slots__)
    assert len(material(tmp_path, "rgb", 1, 0, cache=tmp_path / "kept.npz")[0]) == 1
    with pytest.raises(InputError, match="nothing to train on"):
        windows_of([tmp_path / "short.mp4"], "rgb", 1, 0)
    (tmp_path / "wrong.npz").write_bytes(b"no")
    with pytest.raises(InputError, match="no windows"):
        read_windows(tmp_path / "wrong.npz")


def test_settings_that_cannot_work_are_refused():
    for wrong in ({"digital": 8}, {"lambda_": 0}, {"crop": 100}, {"minutes": 0}):
        with pytest.raises(ConfigError):
            DvstTraining(**wrong)
