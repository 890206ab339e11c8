"""Training of the compact keyframe code, at a size that takes seconds."""

from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from lgvsc.channel.common import seeded
from lgvsc.core.video import Pixels
from lgvsc.errors import ConfigError, InputError
from lgvsc.metrics.smooth_ssim import training_ms_ssim
from lgvsc.nets.ntscc import Ntscc
from lgvsc.nets.ntscc_look import FINISH, difference, is_of_look
from lgvsc.training import pictures
from lgvsc.training.checkpoints import WeightAverage
from lgvsc.training.codes import ntscc
from lgvsc.training.codes.ntscc import train
from lgvsc.training.codes.ntscc_batch import NtsccTraining, draw_conditions, through_channel
from lgvsc.training.codes.ntscc_look import begin_vivid
from lgvsc.training.loop import averaged, learning_rate
from lgvsc.training.pictures import PicturePool, find_sources, held_out, square

TINY = NtsccTraining(steps=6, batch=4, digital=1, crop=64, warmup=2, precision="float32")


def scenes(count: int) -> list[Pixels]:
    random = np.random.default_rng(0)
    return [cv2.resize(random.integers(0, 256, (12, 16, 3), dtype=np.uint8), (192, 144)) for _ in range(count)]


def tiny_net() -> Ntscc:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Ntscc.tiny()


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def run(config: NtsccTraining, out: Path, **more: object) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    before = torch.get_num_threads()
    try:
        return load_file(train(config, PicturePool(scenes(4), config.crop), out, net=tiny_net(), **more))
    finally:
        torch.set_num_threads(before)
        torch.set_flush_denormal(False)


def test_two_runs_give_the_same_weights(tmp_path):
    first, second = run(TINY, tmp_path / "a"), run(TINY, tmp_path / "b")
    assert all(torch.equal(first[name], second[name]) for name in first)
    other = run(NtsccTraining(**{**as_dict(TINY), "seed": 1}), tmp_path / "c")
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_a_resumed_run_ends_where_an_unbroken_one_does(tmp_path, monkeypatch):
    """Weights, average, optimiser, schedule, batches and noise all go on where they stopped."""
    whole = run(TINY, tmp_path / "whole")
    stopped = ntscc.Run.finished
    monkeypatch.setattr(ntscc.Run, "finished", lambda self: stopped(self) or self.steps == 3)
    run(TINY, tmp_path / "parts")
    monkeypatch.undo()
    resumed = run(TINY, tmp_path / "parts", resume=tmp_path / "parts" / "checkpoint.pt")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    kept = torch.load(tmp_path / "parts" / "checkpoint.pt", weights_only=True)
    unbroken = torch.load(tmp_path / "whole" / "checkpoint.pt", weights_only=True)
    assert kept["progress"]["step"] == 6
    assert all(torch.equal(kept["weights"][name], value) for name, value in unbroken["weights"].items())
    events = [line["event"] for line in lines(tmp_path / "parts")]
    assert events == ["start", "end", "resume", "end"]


def test_the_vivid_end_trains_what_one_end_alone_has_and_is_written_as_a_difference(tmp_path):
    config = NtsccTraining(**{**as_dict(TINY), "steps": 2, "look": "vivid", "dists_crops": 1, "learning_rate": 1e-2})
    packed = run(config, tmp_path)
    start, whole = tiny_net().state_dict(), torch.load(tmp_path / "checkpoint.pt", weights_only=True)["weights"]
    moved = {name for name, value in start.items() if not torch.equal(value, whole[name])}
    assert all(is_of_look(name) for name in moved)
    assert {name.partition(".")[0] for name in moved} >= {"analysis", "encoder", "decoder", "synthesis"}
    assert {name.removesuffix(".scale") for name in packed} == {name for name in whole if is_of_look(name)}
    assert any(name.startswith(FINISH) for name in packed)
    assert any(bool(value.any()) for name, value in packed.items() if not name.endswith(".scale"))


def test_a_vivid_end_can_be_gone_on_from():
    net, other = tiny_net(), tiny_net()
    faithful = {name: value.clone() for name, value in net.state_dict().items()}
    packed = difference(faithful, {name: value + 0.1 for name, value in faithful.items()})
    begin_vivid(net, 0, packed)
    begin_vivid(other, 0)
    for name, value in net.state_dict().items():
        moved = is_of_look(name) and not name.startswith(FINISH)
        assert torch.allclose(value, other.state_dict()[name] + 0.1 * moved, atol=1e-5)


def test_a_vivid_end_can_be_written_on_the_way_to_where_training_ended(tmp_path):
    recipe = {**as_dict(TINY), "steps": 2, "look": "vivid", "dists_crops": 1, "learning_rate": 1e-2}
    whole = run(NtsccTraining(**recipe), tmp_path / "whole")
    half = run(NtsccTraining(**{**recipe, "of_the_way": 0.5}), tmp_path / "half")
    steps = [
        name for name in whole if name.endswith(".scale") and not name.startswith(FINISH) and whole[name].max() > 1e-9
    ]
    assert steps
    for name in steps:
        assert torch.allclose(half[name], 0.5 * whole[name], rtol=1e-3, atol=1e-9)


def test_the_vivid_end_begins_from_weights(tmp_path):
    config = NtsccTraining(**{**as_dict(TINY), "look": "vivid"})
    with pytest.raises(ConfigError, match="from-weights"):
        train(config, PicturePool(scenes(4), 64), tmp_path)
    with pytest.raises(ConfigError, match="faithful or vivid"):
        NtsccTraining(look="pretty")


def test_training_lowers_the_loss(tmp_path):
    config = NtsccTraining(**{**as_dict(TINY), "steps": 60, "learning_rate": 2e-3})
    net = tiny_net()
    job = ntscc.Run(config, net, PicturePool(scenes(4), 64), [], tmp_path)
    before = np.mean([job.loss(step)[0].item() for step in range(1000, 1004)])
    for _ in range(60):
        job.step()
    after = np.mean([job.loss(step)[0].item() for step in range(1000, 1004)])
    assert after < before - 0.3


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_training_on_a_gpu_lowers_the_loss_and_writes_weights_that_load(tmp_path):
    config = NtsccTraining(**{**as_dict(TINY), "steps": 60, "learning_rate": 2e-3, "device": "cuda"})
    path = train(config, PicturePool(scenes(4), 64), tmp_path, net=tiny_net(), validation=[square(scenes(1)[0], 192)])
    assert ntscc.load_net(path).config == tiny_net().config
    assert lines(tmp_path)[0]["precision"] == "bfloat16"


def test_the_large_size_starts_as_a_working_transform_code():
    """Its linear paths alone rebuild a picture from the latent, as the compact one's do."""
    pool = PicturePool(scenes(4), 64)
    net = ntscc.fresh(0, pool, ntscc.SIZES["large"])
    batch = pool.draw(2, np.random.default_rng(0))
    with torch.inference_mode():
        state = net.state(torch.full((2,), 20.0), torch.full((2,), 64.0), torch.ones(2))
        error = (net.synthesise(net.analyse(batch, state), state) - batch).square().mean()
    assert error < 0.1 * batch.var()


def test_validation_measures_the_average_and_leaves_the_weights_alone(tmp_path):
    net = tiny_net()
    average = WeightAverage(net, 0.9)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += 0.3
    changed = {name: value.clone() for name, value in net.named_parameters()}
    with averaged(net, average):
        inside = {name: value.clone() for name, value in net.named_parameters()}
    assert all(torch.equal(inside[name], average.tensors[name]) for name in inside)
    assert all(torch.equal(changed[name], value) for name, value in net.named_parameters())


def test_validation_is_logged_for_each_point(tmp_path):
    run(TINY, tmp_path, validation=[square(scenes(1)[0], 192)])
    results = next(line["results"] for line in lines(tmp_path) if line["event"] == "validation")
    assert [(r["cbr"], r["snr_db"]) for r in results] == list(ntscc.VALIDATED)
    assert all(r["n"] == 1 and r["cbr_spent"] <= r["cbr"] and r["psnr_db"] > 0 for r in results)


def test_the_channel_has_the_noise_that_its_snr_names():
    """Through pairing, unit power and back: the error is the gain squared times N0 in each real."""
    reals = 3.0 * torch.randn(2, 8, 32, 32, generator=seeded(0))
    sent = torch.ones_like(reals)
    arrived, gain = through_channel(reals, sent, [0.0, 10.0], seeded(1))
    torch.testing.assert_close(gain, torch.full((2,), 3.0), rtol=0.02, atol=0)
    error = (arrived - reals).square().mean((1, 2, 3)) / gain.square()
    tolerance = 4 * math.sqrt(2 / reals[0].numel())
    assert abs(error[0].item() - 1) < tolerance and abs(error[1].item() / 0.1 - 1) < tolerance


def test_only_what_is_sent_counts_for_the_power():
    reals = torch.randn(1, 8, 16, 16, generator=seeded(0))
    sent = torch.zeros_like(reals)
    sent[:, :2] = 1
    arrived, gain = through_channel(reals * sent, sent, [200.0], seeded(1))
    assert gain.item() == pytest.approx(reals[:, :2].square().mean().sqrt().item(), rel=1e-3)
    torch.testing.assert_close(arrived, reals * sent, rtol=1e-4, atol=1e-4)


def test_conditions_cover_the_range_and_follow_from_the_generator():
    config = NtsccTraining(batch=2000)
    wanted = draw_conditions(config, np.random.default_rng(0))
    cbr = wanted.symbols / 768
    assert 0.006 <= cbr.min() < 0.0065 and 0.055 < cbr.max() <= 0.06
    assert (wanted.snr_db < 0).float().mean() == pytest.approx(0.05, abs=0.02)
    assert wanted.snr_db.max() > 19.5
    off = wanted.snr_db != wanted.believed_snr_db
    assert off.float().mean() == pytest.approx(0.15, abs=0.035)
    assert torch.equal(wanted.symbols, draw_conditions(config, np.random.default_rng(0)).symbols)


def test_training_similarity_is_one_for_equal_pictures_and_falls_with_noise():
    first = torch.rand(2, 3, 64, 64, generator=seeded(0))
    noise = torch.randn(first.shape, generator=seeded(1))
    values = [training_ms_ssim(first, first + level * noise).mean().item() for level in (0.0, 0.05, 0.2)]
    assert values[0] == pytest.approx(1.0, abs=1e-5)
    assert values[0] > values[1] > values[2]


def test_the_learning_rate_rises_stays_and_falls_to_a_hundredth():
    assert learning_rate(0.0, 0, 200) == pytest.approx(1 / 200)
    assert learning_rate(0.3, 5000, 200) == 1.0
    assert learning_rate(0.75, 9000, 200) == pytest.approx(0.505)
    assert learning_rate(1.0, 9999, 200) == pytest.approx(0.01)


def test_settings_that_cannot_work_are_refused():
    with pytest.raises(ConfigError, match="multiple of 32"):
        NtsccTraining(crop=80)
    with pytest.raises(ConfigError, match="minutes"):
        NtsccTraining(minutes=0)
    with pytest.raises(ConfigError, match="both paths"):
        NtsccTraining(digital=8)
    with pytest.raises(ConfigError, match="of_the_way is 0"):
        NtsccTraining(of_the_way=0)


def test_a_foreign_checkpoint_is_refused(tmp_path):
    torch.save({"weights": {}}, tmp_path / "checkpoint.pt")
    with pytest.raises(InputError, match="not a checkpoint"):
        run(TINY, tmp_path / "out", resume=tmp_path / "checkpoint.pt")
    torch.save({"weights": print}, tmp_path / "checkpoint.pt")  # more than plain values is not unpickled
    with pytest.raises(InputError, match="not a checkpoint"):
        run(TINY, tmp_path / "out", resume=tmp_path / "checkpoint.pt")


def test_weights_load_again_for_a_run_that_goes_on_from_them(tmp_path):
    stored = run(TINY, tmp_path)
    net = ntscc.load_net(tmp_path / "compact-ntscc.safetensors")
    for name, value in net.named_parameters():
        torch.testing.assert_close(value, stored[name].float())


def test_pictures_that_are_held_out_are_not_found(tmp_path):
    still = np.zeros((80, 80, 3), np.uint8)
    for folder in ("bsds_train", "bsds_test", "kodak", "edges", "empty"):
        (tmp_path / folder).mkdir()
        if folder != "empty":
            cv2.imwrite(str(tmp_path / folder / "a.png"), still)
    (tmp_path / "clip.mp4").write_bytes(b"")
    sources = find_sources(tmp_path)
    assert [path.parent.name for path in sources.stills] == ["bsds_train"]
    assert len(sources.clips) + len(sources.held_out_clips) == 1
    with pytest.raises(InputError, match="no pictures"):
        find_sources(tmp_path / "empty")


def test_about_fifteen_percent_of_clips_are_held_out_by_name_alone():
    kept = [held_out(Path(f"/anywhere/clip_{number}.mp4")) for number in range(2000)]
    assert np.mean(kept) == pytest.approx(0.15, abs=0.032)  # four standard deviations
    assert held_out(Path("a/clip.mp4")) == held_out(Path("b/clip.mp4"))


def test_crops_are_pieces_of_the_pictures_turned_and_repeatable(monkeypatch):
    picture = np.arange(100 * 100 * 3, dtype=np.uint32).reshape(100, 100, 3) % 251
    monkeypatch.setattr(pictures, "SCALES", (1.0, 0.8))
    pool = PicturePool([picture.astype(np.uint8)], 96)
    assert len(pool) == 1  # the smaller scale is too small
    crop = pool.draw(4, np.random.default_rng(0))
    assert crop.shape == (4, 3, 96, 96) and crop.min() >= 0 and crop.max() <= 1
    assert torch.equal(crop, pool.draw(4, np.random.default_rng(0)))
    values = {tuple(v) for v in (crop[0] * 255).round().long().flatten(1).T.tolist()}
    assert values <= {tuple(v) for v in picture.reshape(-1, 3).tolist()}
    with pytest.raises(InputError, match="short side"):
        PicturePool([picture.astype(np.uint8)], 160)


def test_square_takes_the_centre():
    picture = np.zeros((64, 128, 3), np.uint8)
    picture[:, 32:96] = 200
    assert square(picture, 64).min() == 200
    assert square(picture, 32).shape == (32, 32, 3)


def test_frames_are_spread_over_a_clip(tmp_path):
    from fractions import Fraction

    from lgvsc.core.video import VideoFormat, VideoWriter

    path = tmp_path / "clip.mp4"
    with VideoWriter(path, VideoFormat(64, 64, Fraction(10), 20)) as video:
        for level in range(20):
            video.write(np.full((64, 64, 3), 10 * level, np.uint8))
    levels = [frame.mean() / 10 for frame in pictures.spread_frames(path, 4)]
    np.testing.assert_allclose(levels, [2, 7, 12, 17], atol=0.6)


def as_dict(config: NtsccTraining) -> dict[str, object]:
    from dataclasses import asdict

    return asdict(config)
