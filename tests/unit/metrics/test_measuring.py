"""Any set of metrics, streaming: what is measured, on how many frames, and what the numbers mean."""

import numpy as np
import pytest
import torch
from tiny_bert import tiny_bert

from lgvsc.core.interfaces import Detection
from lgvsc.errors import ConfigError, MissingResourceError, ShapeError
from lgvsc.metrics import measuring
from lgvsc.metrics.measuring import VideoMeter
from lgvsc.metrics.objects import ObjectsMeter
from lgvsc.metrics.registry import DEFAULT, METRICS, parse_metrics
from lgvsc.metrics.temporal import Warp, flicker, luma, sharpness
from lgvsc.models.catalog import find


def scene(shift: int = 0, height: int = 180, width: int = 200):
    """A smooth texture that has moved to the right."""
    rows, columns = np.mgrid[0:height, 0:width]
    columns = columns - shift
    channels = [128 + 60 * np.sin(rows / 7 + k) * np.cos(columns / 9) + 40 * np.sin(columns / 4.3) for k in range(3)]
    return np.clip(np.stack(channels, -1), 0, 255).astype(np.uint8)


def noisy(picture, seed: int, level: int = 25):
    noise = np.random.Generator(np.random.PCG64(seed)).integers(-level, level + 1, picture.shape)
    return np.clip(picture.astype(np.int32) + noise, 0, 255).astype(np.uint8)


def measured(names, pairs, **how):
    meter = VideoMeter(names, **how)
    for source, rebuilt in pairs:
        meter.add(source, rebuilt)
    return meter.result()


def test_names_are_read_once_each_and_unknown_ones_have_near_misses():
    assert parse_metrics(" psnr, lpips,psnr ") == ("psnr", "lpips") and parse_metrics(DEFAULT) == DEFAULT
    with pytest.raises(ConfigError, match="did you mean dists"):
        parse_metrics("dist")
    with pytest.raises(ConfigError, match="at least one"):
        parse_metrics(" , ")


def test_each_metric_says_which_way_is_better_and_whose_weights_it_has():
    found = measured(list(METRICS), [(scene(), noisy(scene(), 1))] * 3, look_every=1)
    for metric in METRICS.values():
        row = found.details[metric.key]
        assert row["direction"] == metric.direction and row["version"] and row["every"] == 1
        assert (found.values[metric.key] is None) == (metric.key in found.absent)
    assert found.details["lpips"]["sha256"] == find("lpips-alexnet").sha256
    assert found.details["dists"]["sha256"].split("+") == [find("dists").sha256, find("lpips-vgg16").sha256]
    assert found.details["psnr_db"]["sha256"] is None
    assert {"vmaf", "vmaf_neg"} <= set(found.absent)  # no files were given


def test_networks_look_at_one_frame_in_six_unless_told_otherwise():
    pairs = [(scene(k), scene(k + 1)) for k in range(13)]
    usual = measured(["psnr", "lpips"], pairs)
    assert (usual.details["psnr_db"]["frames"], usual.details["lpips"]["frames"]) == (13, 3)
    assert usual.details["lpips"]["every"] == 6
    thin = measured(["psnr", "lpips", "sharpness", "flicker", "e_warp"], pairs, every=5, look_every=5)
    assert {key: row["frames"] for key, row in thin.details.items()} == {
        "psnr_db": 3, "lpips": 3, "sharpness": 3, "flicker": 3, "e_warp": 3,
    }  # fmt: skip
    two = measured(["flicker", "e_warp"], pairs[:2])
    assert two.values["flicker"] is None and "too few" in two.absent["flicker"] and two.values["e_warp"] is not None


def test_flicker_by_hand():
    flat = [np.full((20, 20), level, np.float32) for level in (10, 14, 11)]
    assert flicker(*flat) == pytest.approx(7.0)
    assert flicker(*(np.full((9, 9), level, np.float32) for level in (10, 20, 30))) == 0.0


def test_sharpness_by_hand_and_falls_with_blur():
    ramp = np.repeat((3 * np.arange(60, dtype=np.uint8))[None, :, None], 40, 0).repeat(3, 2)
    assert sharpness(ramp) == pytest.approx(3.0, rel=1e-4)
    assert sharpness(noisy(scene(), 3)) > sharpness(scene())
    assert luma(np.full((4, 4, 3), 200, np.uint8)) == pytest.approx(200.0, rel=1e-4)


def test_warping_follows_the_source_and_finds_what_does_not():
    moves = Warp(scene(0), scene(3))
    assert moves.error(scene(0), scene(3)) < 1.0
    assert moves.error(scene(0), scene(0)) > 10 * moves.error(scene(0), scene(3))
    assert moves.error(noisy(scene(0), 1), noisy(scene(3), 2)) > 2 * moves.error(scene(0), scene(3))


def test_temporal_metrics_stand_beside_the_sources_own():
    steady = [(scene(k), scene(k)) for k in range(5)]
    found = measured(["flicker", "e_warp", "sharpness"], steady)
    for key in ("flicker", "e_warp", "sharpness"):
        assert found.values[key] == pytest.approx(found.details[key]["source"])
    shaken = measured(["flicker", "e_warp"], [(scene(k), noisy(scene(k), k)) for k in range(5)])
    for key in ("flicker", "e_warp"):
        assert shaken.values[key] > 2 * shaken.details[key]["source"]


def test_memory_holds_two_frames_however_long_the_video_is():
    meter = VideoMeter(["flicker", "e_warp"], every=50)
    for k in range(40):
        meter.add(scene(k, 32, 40), scene(k, 32, 40))
    assert len(meter._before) == 2


def test_what_is_not_asked_for_costs_nothing_and_is_not_there():
    found = measured(["sharpness"], [(scene(), scene())])
    assert set(found.values) == {"sharpness"} and found.quality is None


def test_small_pictures_leave_a_network_out_with_the_reason():
    small = scene(0, 24, 24)
    found = measured(["lpips"], [(small, small)])
    assert found.values["lpips"] is None and "31" in found.absent["lpips"]


def test_misuse_raises():
    with pytest.raises(ShapeError, match="one size"):
        VideoMeter(["psnr"]).add(scene(), scene(0, 90))
    with pytest.raises(ConfigError, match="every"):
        VideoMeter(["psnr"], every=0)


def test_clip_without_weights_is_absent_with_the_command(monkeypatch):
    def none(card):
        raise MissingResourceError("run: lgvsc models pull clip-vit-b-32")

    monkeypatch.setattr("lgvsc.metrics.clip.weights_folder", none)
    found = measured(["clip"], [(scene(), scene())])
    assert found.values["clip"] is None and "models pull clip-vit-b-32" in found.absent["clip"]


def test_clip_score_on_a_tiny_random_model(tmp_path, monkeypatch):
    transformers = pytest.importorskip("transformers")
    config = transformers.CLIPVisionConfig(
        hidden_size=16, intermediate_size=16, projection_dim=8, num_hidden_layers=1, num_attention_heads=2,
        image_size=32, patch_size=16,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transformers.CLIPVisionModelWithProjection(config).save_pretrained(tmp_path)
    monkeypatch.setattr("lgvsc.metrics.clip.weights_folder", lambda card: tmp_path)
    assert measuring.LOOKS["clip"]()(scene(), scene()) == pytest.approx(1.0, abs=1e-5)
    other = measured(["clip"], [(scene(), 255 - scene())])
    assert -1 <= other.values["clip"] < 0.9999


def test_bert_without_weights_is_absent_with_the_command(monkeypatch):
    def none(card):
        raise MissingResourceError("run: lgvsc models pull roberta-large")

    monkeypatch.setattr("lgvsc.metrics.bert.weights_folder", none)
    found = measured(["bert"], [(scene(), scene())], describe=lambda pixels: "grey")
    assert found.values["bert"] is None and "models pull roberta-large" in found.absent["bert"]
    assert "in words" in measured(["bert"], [(scene(), scene())]).absent["bert"]


def test_bert_compares_what_is_said_of_both_frames(tmp_path, monkeypatch):
    score = tiny_bert(tmp_path)
    monkeypatch.setattr("lgvsc.metrics.bert.weights_folder", lambda card: tmp_path)
    first, second = scene(), 255 - scene()
    said = {first.tobytes(): "a red dog runs", second.tobytes(): "blue sky"}
    found = measured(["bert"], [(first, second)], describe=lambda pixels: said[pixels.tobytes()])
    assert found.values["bert"] == pytest.approx(score("a red dog runs", "blue sky"), abs=1e-6)
    assert found.details["bert"]["frames"] == 1


def test_objects_kept_pools_all_frames(monkeypatch):
    class Squares:
        """Sees a bright picture as a thing, the surer the brighter."""

        name = "squares"

        def detect(self, pixels):
            score = float(pixels.mean()) / 255
            return (Detection("square", score, (0.0, 0.0, 1.0, 1.0)),) if score > 0.2 else ()

    monkeypatch.setattr(measuring, "shipped_meter", lambda: ObjectsMeter(Squares()))
    bright, dark = np.full((64, 64, 3), 200, np.uint8), np.zeros((64, 64, 3), np.uint8)
    found = measured(["objects_kept"], [(bright, bright), (bright, dark), (dark, bright // 2)], look_every=1)
    assert found.values["objects_kept"] == pytest.approx(0.5)  # a mean over frames would be another number
    assert found.details["objects_kept"]["things"] == 2 and found.details["objects_kept"]["frames"] == 3
    nothing = measured(["objects_kept"], [(dark, bright)], look_every=1)
    assert nothing.values["objects_kept"] is None and "nothing was detected" in nothing.absent["objects_kept"]


def test_objects_kept_says_whose_weights_and_when_they_are_missing(monkeypatch):
    assert METRICS["objects_kept"].sha256 == find("compact-detector").sha256

    def gone():
        raise MissingResourceError("no weights here")

    monkeypatch.setattr(measuring, "shipped_meter", gone)
    found = measured(["objects_kept"], [(scene(), scene())])
    assert found.absent["objects_kept"] == "no weights here"


def test_what_a_network_finds_in_each_frame_is_told():
    told = []
    meter = VideoMeter(["lpips", "psnr"], look_every=2, on_look=lambda *found: told.append(found))
    for seed in range(5):
        meter.add(scene(), noisy(scene(), seed))
    assert [(key, frame) for key, frame, _ in told] == [("lpips", 0), ("lpips", 2), ("lpips", 4)]
    assert meter.result().values["lpips"] == pytest.approx(sum(value for *_, value in told) / 3)
