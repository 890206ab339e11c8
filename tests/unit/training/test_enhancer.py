from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from lgvsc.core.video import Video, write_video
from lgvsc.errors import ConfigError
from lgvsc.models.catalog import load as load_model
from lgvsc.nets.enhancer import Enhancer
from lgvsc.training.enhancer import EnhancerTraining, join_ends, moved, pool_of, read_end, train
from lgvsc.training.enhancer_data import is_held_out, load_take, make_takes, scenes_of
from lgvsc.training.pictures import held_out
from lgvsc.world.layered import load


def clip(folder: Path) -> tuple[Path, list[np.ndarray]]:
    noise = np.random.default_rng(0).integers(0, 256, (40, 80, 3), dtype=np.uint8)
    wide = cv2.GaussianBlur(cv2.resize(noise, (480, 240), interpolation=cv2.INTER_CUBIC), (0, 0), 1.5)
    frames = [np.ascontiguousarray(wide[20:180, 2 * n : 2 * n + 192]) for n in range(60)]
    path = folder / "pan.mp4"
    write_video(path, Video(np.stack(frames), Fraction(24)))
    return path, frames


def test_takes_are_kept_as_bitstreams_and_training_lowers_the_loss(tmp_path: Path) -> None:
    path, _ = clip(tmp_path)
    files = make_takes([path], tmp_path / "takes", 1, seed=3)
    again = make_takes([path], tmp_path / "again", 1, seed=3)
    take = load_take(files[0])
    assert take.coded == load_take(again[0]).coded and 0 < len(take.coded.payload) < 20_000
    pool = pool_of([path], files, crop=128, seed=0)
    net = Enhancer.tiny()
    config = EnhancerTraining(steps=2, batch=2, precision="float32", warmup=1)
    faithful = train(config, pool, tmp_path / "out", net=net, held_out=pool)
    log = (tmp_path / "out" / "log.jsonl").read_text()
    assert "with_keyframes_psnr_db" in log and "plain_psnr_db" in log
    vivid = train(replace(config, look="vivid"), pool, tmp_path / "out", net=net)
    joined = join_ends(faithful, vivid, tmp_path / "joined.safetensors")
    assert load(joined.read_bytes())
    again = join_ends(joined, joined, tmp_path / "again.safetensors")
    assert again.read_bytes() == joined.read_bytes()
    (of_one, _), (of_both, _) = read_end(vivid, "vivid"), read_end(joined, "vivid")
    assert all(torch.equal(of_one[name], of_both[name]) for name in of_one)
    assert any(not torch.equal(of_one[name], other) for name, other in read_end(joined, "faithful")[0].items())


def test_what_is_known_of_a_take_belongs_to_its_frames(tmp_path: Path) -> None:
    path, frames = clip(tmp_path)
    take = load_take(make_takes([path], tmp_path / "takes", 1, seed=5)[0])
    source = frames[take.start : take.start + take.length]
    scenes = scenes_of(take, source, np.random.default_rng(0))
    assert scenes is not None
    apart = np.abs(scenes.truth.astype(int) - scenes.plain.astype(int)).mean(axis=(1, 2, 3))
    shuffled = np.abs(scenes.truth[::-1].astype(int) - scenes.plain.astype(int)).mean(axis=(1, 2, 3))
    assert len(scenes.truth) >= 2 and apart.mean() < shuffled.mean()
    assert not scenes.previous_trust[0].any()


def test_each_end_is_trained_on_keyframes_of_its_own_look(tmp_path: Path) -> None:
    path, frames = clip(tmp_path)
    files = [make_takes([path], tmp_path / "takes", 1, seed=1, look=look)[0] for look in (0.0, 1.0)]
    faithful, vivid = map(load_take, files)
    assert faithful.coded == vivid.coded  # the same small frames
    for at, one, other in zip((0, -1), faithful.keyframes, vivid.keyframes, strict=True):
        source = frames[faithful.start : faithful.start + faithful.length][at].astype(float)
        assert np.square(one - source).mean() < np.square(other - source).mean()


def test_pictures_move_as_opencv_moves_them() -> None:
    picture = np.random.default_rng(1).random((1, 3, 20, 30), np.float32)
    flow = torch.full((1, 2, 20, 30), 0.0)
    flow[:, 0], flow[:, 1] = 3.0, -2.0
    out = moved(torch.from_numpy(picture), flow).numpy()
    assert np.allclose(out[0, :, 4:, :-4], picture[0, :, 2:-2, 3:-1], atol=1e-5)


def test_more_clips_are_kept_back_than_for_other_networks() -> None:
    names = [Path(f"clip_{number}.mp4") for number in range(200)]
    assert all(is_held_out(name) for name in names if held_out(name))
    assert sum(map(is_held_out, names)) > sum(map(held_out, names))


def test_there_are_two_ends() -> None:
    with pytest.raises(ConfigError, match="look is 'gaudy'"):
        EnhancerTraining(look="gaudy")


@pytest.mark.weights
def test_the_shipped_enhancer_loads() -> None:
    assert load_model("compact-enhancer")
