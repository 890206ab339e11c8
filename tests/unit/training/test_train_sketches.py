"""Training of the sketch extractor and of DeepJSCC, at sizes that take seconds; and what they have in common."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from lgvsc.channel.common import seeded
from lgvsc.errors import ConfigError, InputError, MissingResourceError
from lgvsc.metrics.dists import dists_distance
from lgvsc.metrics.lpips import lpips_distance, lpips_vgg_distance
from lgvsc.nets.deepjscc import DeepJscc, DeepJsccConfig
from lgvsc.nets.pidinet import PiDiNet
from lgvsc.training import perceptual, pidinet
from lgvsc.training.codes import deepjscc
from lgvsc.training.codes.deepjscc import ABLATED_K, RGB, SKETCH, contour_f, measure, through_channel
from lgvsc.training.loop import LoopConfig, ProgressBar, TrainingRun
from lgvsc.training.perceptual import choose_distance, ms_ssim_distance
from lgvsc.training.pictures import PicturePool
from lgvsc.training.pidinet import Drawn, DrawnPool, PidinetTraining, edge_loss, find_drawn, scaled

DRAWING = PidinetTraining(steps=4, batch=2, crop=64, warmup=2, precision="float32")
CODING = replace(SKETCH, steps=4, batch=2, crop=64, warmup=2, precision="float32", measured=((2, 5.0),))


@pytest.fixture(autouse=True)
def _leave_torch_as_it_was():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


def drawn(count: int = 2, size: tuple[int, int] = (96, 120)) -> list[Drawn]:
    """Bright rectangles, and their outlines as three people out of four drew them."""
    found = []
    for index in range(count):
        picture = np.full((*size, 3), 40, np.uint8)
        edges = np.zeros(size, np.uint8)
        corners = (10 + 7 * index, 12), (70, 60 + 5 * index)
        cv2.rectangle(picture, *corners, (220, 180, 90), -1)
        cv2.rectangle(edges, *corners, 191, 1)
        found.append(Drawn(picture, edges))
    return found


def tiny_pidinet() -> PiDiNet:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = PiDiNet.tiny()
    net.variant = "tiny-l"
    return net


def tiny_deepjscc(colours: int = 1) -> DeepJscc:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return DeepJscc.tiny(colours, 2 if colours == 1 else 16)


def sketches(count: int = 3, side: int = 192) -> list[np.ndarray]:
    return [cv2.resize(one.edges, (side, side))[..., None] for one in drawn(count)]


def draw(config: PidinetTraining, out: Path, **more) -> dict[str, torch.Tensor]:
    return load_file(pidinet.train(config, drawn(), out, net=tiny_pidinet(), **more))


def code(config: deepjscc.DeepJsccTraining, out: Path, **more) -> dict[str, torch.Tensor]:
    pool = PicturePool(sketches(), config.crop, scales=(1.0,))
    deepjscc.train(config, "sketch", pool, out, net=tiny_deepjscc(), **more)
    return load_file(out / deepjscc.WEIGHTS["sketch"])


@pytest.mark.parametrize(("train", "config"), [(draw, DRAWING), (code, CODING)])
def test_a_run_is_repeatable_and_a_resumed_one_ends_where_an_unbroken_one_does(tmp_path, monkeypatch, train, config):
    whole, again = train(config, tmp_path / "a"), train(config, tmp_path / "b")
    assert whole and all(torch.equal(whole[name], again[name]) for name in whole)
    other = train(replace(config, seed=1), tmp_path / "c")
    assert any(not torch.equal(whole[name], other[name]) for name in whole)
    stopped = TrainingRun.finished
    monkeypatch.setattr(TrainingRun, "finished", lambda self: stopped(self) or self.steps == 2)
    train(config, tmp_path / "parts")
    monkeypatch.undo()
    resumed = train(config, tmp_path / "parts", resume=tmp_path / "parts" / "checkpoint.pt")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_the_edge_loss_weighs_edges_against_the_rest_and_leaves_doubt_out():
    """By hand: 1 edge, 3 others, 2 in doubt, six pixels; logits of zero cost ln 2 everywhere."""
    shares = torch.tensor([0.9, 0.0, 0.0, 0.0, 0.2, 0.29]).view(1, 1, 2, 3)
    expected = np.log(2) * (1 * 3 / 4 + 3 * 1.1 * 1 / 4) / 6
    zeros = torch.zeros(1, 1, 2, 3)
    assert float(edge_loss([zeros], shares)) == pytest.approx(expected, rel=1e-5)
    assert float(edge_loss([zeros] * 5, shares)) == pytest.approx(5 * expected, rel=1e-5)
    in_doubt = zeros.clone()
    in_doubt[0, 0, 1, 1:] = 9.0
    assert float(edge_loss([in_doubt], shares)) == pytest.approx(expected, rel=1e-5)
    assert float(edge_loss([zeros], torch.zeros_like(shares))) == 0.0  # nobody drew anything: nothing to learn


def test_drawing_is_learned(tmp_path):
    config = replace(DRAWING, steps=60, batch=4, learning_rate=1e-2)
    run = pidinet.PidinetRun(config, tiny_pidinet(), DrawnPool(drawn(), 64), [], tmp_path)
    before = np.mean([run.loss(step)[0].item() for step in range(1000, 1004)])
    for _ in range(60):
        run.step()
    assert np.mean([run.loss(step)[0].item() for step in range(1000, 1004)]) < 0.8 * before


def test_validation_of_the_extractor_is_logged(tmp_path):
    draw(DRAWING, tmp_path, held_back=drawn(1))
    entries = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [entry["event"] for entry in entries] == ["start", "validation", "end"]
    assert entries[1]["results"]["n"] == 1 and 0 <= entries[1]["results"]["ods"] <= 1


def test_boundaries_stay_whole_and_keep_their_value_at_other_scales():
    one = drawn(1)[0]
    for scale in (0.8, 0.6):
        pair = scaled(one, scale)
        lines = pair[..., 3]
        assert set(np.unique(lines)) == {0, 191}
        assert cv2.connectedComponents((lines > 0).astype(np.uint8))[0] == 2  # background, and one outline
        inside = pair[..., 0] > 130
        outline = inside & ~cv2.erode(inside.astype(np.uint8), np.ones((3, 3))).astype(bool)
        near = cv2.dilate((lines > 0).astype(np.uint8), np.ones((3, 3))) > 0
        assert near[outline].mean() > 0.98


def test_photographs_and_boundaries_turn_together():
    pictures, shares = DrawnPool(drawn(1), 64).draw(16, np.random.default_rng(0))
    assert pictures.shape == (16, 3, 64, 64) and shares.shape == (16, 1, 64, 64)
    bright = pictures[:, 0] > 0.5
    on_edge = shares[:, 0] > 0
    assert on_edge.any()
    grown = torch.nn.functional.max_pool2d(bright.float()[:, None], 3, 1, 1)[:, 0] > 0
    assert (grown & on_edge).sum() > 0.95 * on_edge.sum()


def test_photographs_without_boundaries_and_test_photographs_are_left_out(tmp_path):
    for folder in ("bsds_train", "bsds_test", "edges"):
        (tmp_path / folder).mkdir()
    one = drawn(1)[0]
    for folder, name in (("bsds_train", "a"), ("bsds_train", "b"), ("bsds_test", "c")):
        cv2.imwrite(str(tmp_path / folder / f"{name}.jpg"), one.picture)
    for name in "ac":
        cv2.imwrite(str(tmp_path / "edges" / f"{name}.png"), one.edges)
    assert len(list(find_drawn(tmp_path, ["bsds_train"]))) == 1
    with pytest.raises(InputError, match="bsds_val"):
        list(find_drawn(tmp_path, ["bsds_val"]))
    cv2.imwrite(str(tmp_path / "edges" / "a.png"), one.edges[:-1])
    with pytest.raises(InputError, match="does not fit"):
        list(find_drawn(tmp_path, ["bsds_train"]))


def test_the_channel_of_training_has_the_noise_that_its_snr_names():
    reals = torch.randn(2, 4, 64, 64, generator=seeded(0)) * 0.5**0.5
    arrived = through_channel(reals, torch.tensor([0.0, 10.0]), seeded(1))
    assert arrived.shape == reals.shape
    power = (arrived - reals).square().mean((1, 2, 3))
    tolerance = 4 * (2 / reals[0].numel()) ** 0.5
    assert abs(2 * power[0].item() - 1) < tolerance and abs(20 * power[1].item() - 1) < tolerance


def test_the_loss_is_gvscs_sum_of_two(tmp_path):
    pool = PicturePool(sketches(), 64, scales=(1.0,))
    for k in (0.0, 0.3, 1.0):
        run = deepjscc.DeepJsccRun(replace(CODING, k=k), tiny_deepjscc(), pool, [], tmp_path)
        total, figures = run.loss(3)
        assert float(total.detach()) == pytest.approx(
            k * figures["mse"] + (1 - k) * figures["ms_ssim_distance"], rel=1e-4
        )


def test_coding_is_learned(tmp_path):
    config = replace(CODING, steps=80, batch=4, k=1.0, learning_rate=3e-3)
    run = deepjscc.DeepJsccRun(config, tiny_deepjscc(), PicturePool(sketches(), 64, scales=(1.0,)), [], tmp_path)
    before = np.mean([run.loss(step)[0].item() for step in range(1000, 1004)])
    for _ in range(80):
        run.step()
    assert np.mean([run.loss(step)[0].item() for step in range(1000, 1004)]) < 0.8 * before


def test_half_of_the_crops_have_the_main_rate_and_the_others_any(tmp_path, monkeypatch):
    pool = PicturePool([np.repeat(s, 3, 2) for s in sketches()], 64, scales=(1.0,))
    config = replace(RGB, steps=2, batch=64, crop=64, precision="float32", k=1.0)
    run = deepjscc.DeepJsccRun(config, tiny_deepjscc(3), pool, [], tmp_path)
    seen = []
    inner = run._encode
    monkeypatch.setattr(run, "_encode", lambda p, s, sent: seen.append(sent) or inner(p, s, sent))
    run.loss(0)
    assert (seen[0][::2] == 3).all() and set(seen[0].tolist()) <= set(RGB.sent) and len(set(seen[0].tolist())) > 3


def test_the_ablation_trains_alike_for_each_k(tmp_path, monkeypatch):
    pool = PicturePool(sketches(), 64, scales=(1.0,))
    monkeypatch.setattr(deepjscc, "fresh", lambda kind, seed, pool: tiny_deepjscc())
    rows = deepjscc.ablate(replace(CODING, steps=2), "sketch", pool, tmp_path, sketches(1))
    assert [row["k"] for row in rows] == list(ABLATED_K) == [0.0, 0.3, 0.5, 0.7, 1.0]
    assert all(row["steps"] == 2 and row["n"] == 1 and row["distance"] == "ms_ssim_distance" for row in rows)
    assert json.loads((tmp_path / "ablation.json").read_text()) == rows
    table = deepjscc.as_markdown(rows).splitlines()
    assert table[0].startswith("| k | distance |") and len(table) == 2 + len(rows)


def test_a_run_begins_from_weights_of_its_own_kind(tmp_path):
    code(replace(CODING, steps=2), tmp_path / "first")
    begun = tmp_path / "first" / deepjscc.WEIGHTS["sketch"]
    stored = load_file(begun)
    net = deepjscc.start(begun, "sketch")
    assert all(torch.equal(value.detach().half(), stored[name]) for name, value in net.named_parameters())
    with pytest.raises(ConfigError, match="1 channels; rgb training needs 3"):
        deepjscc.start(begun, "rgb")
    found = deepjscc.TrainingMaterial(PicturePool(sketches(), 64, scales=(1.0,)))
    still = replace(CODING, steps=1, optimiser="adam", learning_rate=1e-12)
    deepjscc.train_or_ablate(still, "sketch", found, tmp_path / "on", None, begun, False)
    after = load_file(tmp_path / "on" / deepjscc.WEIGHTS["sketch"])
    assert all(torch.equal(after[name], stored[name]) for name in stored)
    with pytest.raises(ConfigError, match="leave --from-weights out"):
        deepjscc.train_or_ablate(still, "sketch", found, tmp_path / "on", None, begun, True)


def test_measured_sketches_have_symbols_and_contours():
    rows = measure(tiny_deepjscc().eval(), sketches(2), ((2, 0.0), (2, 10.0)))
    assert [row["snr_db"] for row in rows] == [0.0, 10.0] and rows[0]["symbols"] == 192 * 192 // 64
    assert all(row["n"] == 2 and 0 <= row["contour_f"] <= 1 and row["lpips"] > 0 for row in rows)


def test_contours_are_compared_and_not_brightness():
    sketch = cv2.GaussianBlur(sketches(1)[0], (0, 0), 1.5)
    sketch = (sketch.astype(float) / sketch.max() * 255).astype(np.uint8)
    assert contour_f(sketch, sketch) == 1.0
    assert contour_f(sketch, (0.8 * sketch).astype(np.uint8)) > 0.95
    assert contour_f(sketch, np.roll(sketch, 20, 0)) < 0.6
    assert contour_f(sketch, np.zeros_like(sketch)) == 0.0


def test_the_cheap_distance_is_one_and_has_a_name_of_its_own():
    distance = choose_distance("ms_ssim_distance")
    assert distance is ms_ssim_distance
    first = torch.rand(2, 1, 64, 64, generator=seeded(0))
    torch.testing.assert_close(distance(first, first), torch.zeros(2), atol=1e-5, rtol=0)
    apart = [distance(first, first + level * torch.randn(first.shape, generator=seeded(1))) for level in (0.05, 0.2)]
    assert (apart[1] > apart[0]).all() and (apart[0] > 0).all()


@pytest.mark.parametrize(
    ("name", "measure"), [("lpips", lpips_distance), ("lpips_vgg", lpips_vgg_distance), ("dists", dists_distance)]
)
def test_grey_pictures_are_compared_as_grey_ones_in_colour(name, measure):
    first, second = (torch.rand(2, 1, 48, 48, generator=seeded(seed)) for seed in (0, 1))
    expected = measure(first.repeat(1, 3, 1, 1), second.repeat(1, 3, 1, 1))
    torch.testing.assert_close(choose_distance(name)(first, second), expected)


def test_a_distance_that_is_named_twice_counts_twice_and_is_computed_once(monkeypatch):
    calls: list[int] = []

    def counted(first, second):
        calls.append(1)
        return (first - second).abs().mean((1, 2, 3))

    monkeypatch.setitem(perceptual.COLOUR_DISTANCES, "lpips", counted)
    monkeypatch.setitem(perceptual.COLOUR_DISTANCES, "dists", lambda first, second: first.new_zeros(len(first)))
    first, second = torch.zeros(2, 3, 8, 8), torch.full((2, 3, 8, 8), 0.5)
    torch.testing.assert_close(choose_distance("lpips+dists+lpips")(first, second), torch.full((2,), 1 / 3))
    assert len(calls) == 1


def test_an_unknown_distance_is_refused_with_the_names_there_are():
    with pytest.raises(ConfigError, match="lpips_vgg, dists, ms_ssim_distance"):
        choose_distance("psnr")


def test_the_compact_networks_start_from_the_pictures():
    pool = PicturePool(sketches(), 64, scales=(1.0,))
    net = deepjscc.fresh("sketch", 0, pool)
    assert net.config == DeepJsccConfig.compact_sketch()
    assert float(net.decoder_linear.weight.detach().abs().max()) > 0
    again = deepjscc.fresh("sketch", 0, pool)
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), again.parameters(), strict=True))


def test_drawn_sketches_are_kept_for_the_next_run(tmp_path):
    path, made = tmp_path / "sketches.npz", []

    def make():
        made.append(1)
        return sketches(2), sketches(1)

    for _ in range(2):
        trained, held_back = deepjscc.load_or_make(path, make)
        assert all(np.array_equal(a, b) for a, b in zip(trained, sketches(2), strict=True)) and len(held_back) == 1
    assert len(made) == 1
    for wrong in (b"", b"PK\x03\x04 rubbish"):
        path.write_bytes(wrong)
        with pytest.raises(InputError, match="holds no sketches"):
            deepjscc.load_or_make(path, make)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_one_line_of_a_terminal_with_the_last_validation(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    terminal, pipe = Terminal(), io.StringIO()
    for stream in (terminal, pipe):
        bar = ProgressBar(stream)
        bar.validation = '{"ods": 0.7}'
        bar.show(0.5, 120, {"loss": 0.25})
        bar.show(0.6, 121, {"loss": 0.25})  # too soon to draw again
    assert pipe.getvalue() == ""
    shown = terminal.getvalue()
    assert shown.count("\r") == 1 and "\n" not in shown and len(shown) == 100
    assert all(part in shown for part in ("#" * 10 + "." * 10, "50%", "step 120", "loss 0.25", '{"ods": 0.7}'))


def test_recipes_that_cannot_work_are_refused():
    with pytest.raises(ConfigError, match="k is 2"):
        replace(SKETCH, k=2.0)
    with pytest.raises(ConfigError, match="distance"):
        replace(SKETCH, distance="lpips2")
    with pytest.raises(ConfigError, match="variant"):
        PidinetTraining(variant="huge")
    with pytest.raises(ConfigError, match="device"):
        LoopConfig(device="tpu")
    if not torch.cuda.is_available():
        with pytest.raises(MissingResourceError, match="--device cpu"):
            LoopConfig(device="cuda")
