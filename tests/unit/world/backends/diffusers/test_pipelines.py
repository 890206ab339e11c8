"""The pipelines of diffusers themselves, end to end, with toy weights in folders."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tiny_pipelines import PIPELINES, save_vace

from lgvsc.core.interfaces import Conditions
from lgvsc.core.video import VideoFormat
from lgvsc.errors import ConfigError, MissingResourceError
from lgvsc.models.catalog import load
from lgvsc.world.backends.diffusers.ltx import load_distilled
from lgvsc.world.backends.diffusers.video import DiffusersConfig
from lgvsc.world.backends.opensora.opensora import AREAS

pytest.importorskip("diffusers", reason="needs the extra 'modern'")
pytest.importorskip("ftfy", reason="needs the extra 'modern'")

VIDEO = VideoFormat(height=40, width=48, fps=Fraction(24))
LATENTS = {name: 8 if name.startswith("ltx") else 4 for name in PIPELINES}  # frames that one latent stands for
TAKES_LAST = [name for name in PIPELINES if name != "wan-ti2v"]


def picture(seed):
    rng = np.random.default_rng(seed)
    return np.kron(rng.integers(0, 256, (5, 6, 3), dtype=np.uint8), np.ones((8, 8, 1), np.uint8))


def sketch(seed):
    return (np.random.default_rng(seed).random((40, 48)) < 0.2).astype(np.uint8) * 255


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    """Loads each world model once, through the catalogue's way to a folder."""
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(AREAS, "144p", 64 * 64)
        made = {}

        def world(name):
            if name not in made:
                folder = PIPELINES[name](tmp_path_factory.mktemp("pipelines") / name)
                config = DiffusersConfig(steps=2, resolution="144p", max_frames=17, device="cpu", precision="float32")
                loaded = load_distilled(folder, config) if name == "ltx-distilled" else load(str(folder), config)
                made[name] = SimpleNamespace(model=loaded, base=made_by(loaded, 6))
            return made[name]

        yield world


def made_by(world, frames, **changes):
    given = {
        "video": VIDEO, "start": 10, "stop": 10 + frames, "first": picture(1), "last": picture(2),
        "last_index": 10 + frames, "caption": "a red car", "motion": None, "cut": None,
        "latent_frames": world.latent_frames(frames), "seed": 3,
    }  # fmt: skip
    return np.stack(list(world.generate(Conditions(**(given | changes)))))


def difference(a, b):
    """Mean absolute difference, in grey levels."""
    return np.abs(a.astype(float) - b).mean()


@pytest.mark.parametrize("name", PIPELINES)
def test_every_condition_matters_and_equal_seeds_make_equal_frames(worlds, name):
    world = worlds(name)
    assert np.array_equal(made_by(world.model, 6), world.base)
    changes = [{"first": picture(3)}, {"caption": "Blue sky, two boats."}, {"seed": 4}]
    changes += [{"last": picture(4)}, {"last_index": 15}] if name in TAKES_LAST else []
    for change in changes:
        assert difference(made_by(world.model, 6, **change), world.base) > 0.2, change


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in ("wan-vace", "wan-flf2v", "ltx") else pytest.mark.slow)
        for name in PIPELINES
    ],
)
def test_exactly_as_many_frames_come_out_as_were_asked_for(worlds, name, monkeypatch):
    world = worlds(name).model
    asked = []
    pipeline = world.maker.pipeline
    step = LATENTS[name]
    call = type(pipeline).__call__
    monkeypatch.setattr(type(pipeline), "__call__", lambda self, **given: asked.append(given) or call(self, **given))
    for frames, changes in [(1, {"first": None}), (2, {}), (9, {"last_index": 18}), (30, {"last": None})]:
        assert made_by(world, frames, **changes).shape == (frames, 40, 48, 3)
    lengths = [given["num_frames"] for given in asked]
    assert all(length % step == 1 for length in lengths) and lengths[:3] == [
        step + 1,
        step + 1,
        17 if step == 8 else 13,
    ]
    assert len(lengths) > 4  # the longest one takes several rounds


@pytest.mark.parametrize("name", PIPELINES)
def test_in_bfloat16_it_runs_and_stays_near(worlds, name, tmp_path):
    """The precision that is set unless told otherwise; Wan's autoencoder stays in float32 beside it."""
    exact = worlds(name)
    config = replace(exact.model.config, precision="bfloat16")
    folder = PIPELINES[name](tmp_path / name)
    rough = load_distilled(folder, config) if name == "ltx-distilled" else load(str(folder), config)
    assert 0 < difference(made_by(rough, 6), exact.base) < 8


def test_vace_follows_a_sketch_in_its_own_frame(worlds):
    world = worlds("wan-vace")
    drawn = made_by(world.model, 6, sketches=((13, sketch(1)),))
    assert difference(drawn, world.base) > 0.2
    assert difference(drawn, made_by(world.model, 6, sketches=((13, sketch(2)),))) > 0.2
    assert difference(drawn, made_by(world.model, 6, sketches=((14, sketch(1)),))) > 0.02
    for name in ("wan-flf2v", "ltx"):
        with pytest.raises(ConfigError, match="takes no sketches"):
            made_by(worlds(name).model, 6, sketches=((13, sketch(1)),))


@pytest.mark.parametrize("name", ["wan-vace", "ltx"])
def test_small_frames_are_followed_in_their_places(worlds, name):
    world = worlds(name)
    led = made_by(world.model, 6, small_frames=((12, picture(5)), (14, picture(6))))
    assert difference(led, world.base) > 0.2
    assert difference(led, made_by(world.model, 6, small_frames=((12, picture(5)), (14, picture(7))))) > 0.2
    assert difference(led, made_by(world.model, 6, small_frames=((12, picture(6)), (14, picture(5))))) > 0.2
    with pytest.raises(ConfigError, match="takes no small frames"):
        made_by(worlds("wan-flf2v").model, 6, small_frames=((12, picture(5)),))


def test_nothing_but_words_is_enough(worlds):
    for name in PIPELINES:
        assert made_by(worlds(name).model, 3, first=None, last=None).shape == (3, 40, 48, 3)


def test_guidance_of_one_leaves_the_negative_prompt_out(worlds, monkeypatch):
    world = worlds("wan-vace").model
    made = []
    for scale, text in [(1.0, "rain"), (1.0, "sun"), (3.0, "rain"), (3.0, "sun")]:
        settings = replace(world.maker.config, guidance_scale=scale, negative_prompt=text)
        monkeypatch.setattr(world.maker, "config", settings)
        made.append(made_by(world, 3))
    assert np.array_equal(made[0], made[1]) and difference(made[2], made[3]) > 0.05


def test_a_pipeline_that_lacks_a_tensor_is_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    folder = save_vace(tmp_path / "vace")
    file = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    weights = load_file(file)
    del weights["blocks.1.ffn.net.2.weight"]
    save_file(weights, file)
    world = load(str(folder), DiffusersConfig(device="cpu"))
    with pytest.raises(MissingResourceError, match=r"lacks|cannot be read"):
        _ = world.maker


def test_a_folder_of_another_kind_is_refused_by_name(tmp_path):
    from lgvsc.world.backends.diffusers.wan import load_images

    (tmp_path / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    with pytest.raises(MissingResourceError, match="FluxPipeline"):
        load_images(tmp_path, DiffusersConfig())
    (tmp_path / "model_index.json").write_text('{"_class_name": "WanPipeline"}')
    with pytest.raises(MissingResourceError, match="words alone"):
        load_images(tmp_path, DiffusersConfig())
    (tmp_path / "model_index.json").write_text("[[[")
    with pytest.raises(MissingResourceError, match="cannot be read"):
        load_images(tmp_path, DiffusersConfig())


def test_weights_that_are_not_here_are_named_with_size_licence_and_command(monkeypatch):
    monkeypatch.setattr("lgvsc.models.hub.hub_cache", lambda: None)
    with pytest.raises(
        MissingResourceError, match=r"16\.0 GB \(licence: Apache-2\.0\).*lgvsc models pull wan2\.1-vace-1\.3b"
    ):
        load("wan2.1-vace-1.3b", DiffusersConfig())


def test_the_preset_modern_uses_vace_with_its_settings_and_doctor_says_so(tmp_path, monkeypatch):
    from lgvsc import build
    from lgvsc.cli.doctor import check_large_preset
    from lgvsc.config import load_config

    monkeypatch.setattr("lgvsc.models.hub.hub_cache", lambda: None)
    config = load_config("modern")
    assert config.models.world_model == "wan2.1-vace-1.3b"
    check = check_large_preset("modern", config)
    assert check.status == "warn" and "lgvsc models pull wan2.1-vace-1.3b" in check.detail
    (tmp_path / "model_index.json").write_text('{"_class_name": "WanVACEPipeline"}')
    given = {"models.world_model": str(tmp_path), "diffusers.steps": 4}
    world = build.world_model(load_config("modern", settings=given))
    assert world.name == "wan-vace" and world.config.steps == 4 and world.config.offload == "model"
    with pytest.raises(ConfigError, match=r"diffusers\.stepps"):
        load_config("modern", settings={"diffusers.stepps": 4})
