"""Open-Sora as a world model, tiny: exact lengths, what each condition does, SFA and DSA, seeds, folders."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from tiny_opensora import networks, save_text_encoder, save_transformer, save_vae, tiny_world
from world_pieces import joined

from lgvsc.core.interfaces import Conditions
from lgvsc.core.message import Motion, Segment
from lgvsc.core.video import Pixels, VideoFormat
from lgvsc.errors import ConfigError, MissingResourceError, ShapeError
from lgvsc.world.adapters import check_combination
from lgvsc.world.backends.opensora.opensora import OpenSora, OpenSoraConfig, internal_size, to_pixels, to_tensor
from lgvsc.world.backends.opensora.plan import END_ANCHORS
from lgvsc.world.backends.opensora.weights import load
from lgvsc.world.decoder import DecoderConfig, SemanticDecoder

VIDEO = VideoFormat(32, 48, Fraction(24))


@pytest.fixture(autouse=True)
def small_pictures(monkeypatch):
    """Pictures of about 32x48 pixels inside too: the smallest released size would take minutes."""
    monkeypatch.setattr("lgvsc.world.backends.opensora.opensora.AREAS", {"144p": 32 * 48, "240p": 60 * 107})
    torch.set_num_threads(1)


def picture(seed: int) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (32, 48, 3), dtype=np.uint8)


def made(world: OpenSora, frames: int, **changes: object) -> np.ndarray:
    given = {
        "video": VIDEO, "start": 5, "stop": 5 + frames, "first": picture(1), "last": picture(2),
        "last_index": 5 + frames, "caption": "a dog runs", "motion": Motion(score=4.2, camera="pan left"), "cut": None,
        "latent_frames": world.latent_frames(frames), "seed": 7,
    }  # fmt: skip
    return np.stack(list(world.generate(Conditions(**(given | changes)))))


def apart(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(float) - b).mean())


@pytest.mark.parametrize("shortest", [1, 31, 61, 91])
def test_every_length_from_1_to_120_comes_out_exactly(shortest, monkeypatch):
    monkeypatch.setattr("lgvsc.world.backends.opensora.opensora.AREAS", {"144p": 16 * 16, "240p": 16 * 16})
    world = tiny_world(steps=1)
    video = VideoFormat(16, 16, Fraction(24))
    ends = {"first": picture(1)[:16, :16], "last": picture(2)[:16, :16]}
    for frames in range(shortest, shortest + 30):
        out = made(world, frames, video=video, **ends)
        assert out.shape == (frames, 16, 16, 3)
        assert out.dtype == np.uint8


@pytest.mark.parametrize("anchor", END_ANCHORS)
@pytest.mark.parametrize("frames", [1, 2, 4, 5, 16, 18])
@pytest.mark.parametrize("ends", [True, False])
def test_every_anchor_makes_exact_lengths(anchor, frames, ends):
    world = tiny_world(steps=1, end_anchor=anchor)
    assert len(made(world, frames, last_index=5 + frames - ends)) == frames


def test_everything_that_was_received_changes_the_frames_between():
    world = tiny_world(steps=3)
    plain = made(world, 17)
    changes: list[dict[str, object]] = [
        {"first": picture(3)}, {"last": picture(3)}, {"first": None}, {"last": None}, {"caption": "a cat sleeps"},
        {"caption": None}, {"motion": Motion(score=60.0, camera="pan left")}, {"motion": None},
        {"motion": Motion(score=4.2, camera="zoom in")}, {"seed": 8}, {"video": VideoFormat(32, 48, Fraction(60))},
    ]  # fmt: skip
    for change in changes:
        assert apart(made(world, 17, **change)[3:14], plain[3:14]) > 0.05, change
    assert np.array_equal(made(world, 17), plain)


def test_without_words_and_motion_the_null_caption_is_used_and_nothing_is_encoded():
    world = tiny_world()
    made(world, 5, caption=None, motion=None)
    assert world.networks.text.prompts == []
    made(world, 5, caption=None)
    made(world, 5)
    assert world.networks.text.prompts == [
        "aesthetic score: 6.5. motion score: 4.2. camera motion: pan left.",
        "a dog runs aesthetic score: 6.5. motion score: 4.2. camera motion: pan left.",
    ]


def test_both_keyframes_lost_is_made_from_text():
    world = tiny_world()
    out = made(world, 9, first=None, last=None)
    assert len(out) == 9
    assert apart(out, made(world, 9, first=None, last=None, caption="the sea at night")) > 0.05


def test_the_first_frame_is_the_keyframe_through_the_autoencoder():
    world = tiny_world()
    vae = world.networks.vae
    through = vae.decode(vae.encode(to_tensor(picture(1), (32, 48))), 1)[0, :, 0]
    expected = to_pixels(through, VIDEO)
    assert np.array_equal(made(world, 1)[0], expected)
    ending = made(world, 18, last_index=22)[-1]
    last = vae.decode(vae.encode(to_tensor(picture(2), (32, 48))), 1)[0, :, 0]
    assert np.array_equal(ending, to_pixels(last, VIDEO))


@pytest.mark.parametrize("anchor", ["last_latent", "static_tail"])
@pytest.mark.parametrize(("frames", "ending"), [(2, False), (4, False), (2, True), (3, True), (5, True)])
def test_where_no_latent_is_free_the_keyframes_are_blended(anchor, frames, ending):
    """Two latents, both given: decoded as they are, all frames after the first would show the last keyframe."""
    world = tiny_world(end_anchor=anchor)
    out = made(world, frames, last_index=5 + frames - ending).astype(float)
    ends = [
        world.networks.vae.decode(world.networks.vae.encode(to_tensor(picture(seed), (32, 48))), 1) for seed in (1, 2)
    ]
    a, b = (to_pixels(end[0, :, 0], VIDEO).astype(float) for end in ends)
    for index, shown in enumerate(out):
        share = index / (frames - ending)
        assert np.abs(shown - ((1 - share) * a + share * b)).max() <= 1  # both were rounded
        assert np.array_equal(shown, a) == (share == 0) and np.array_equal(shown, b) == (share == 1)


def test_nothing_crosses_a_hard_cut():
    world = tiny_world()
    whole = made(world, 20, cut=12)
    assert len(whole) == 20
    assert np.array_equal(whole[:7], made(world, 20, cut=12, last=picture(9))[:7])
    assert apart(whole[7:], made(world, 20, cut=12, last=picture(9))[7:]) > 0.05
    assert np.array_equal(whole[7:], made(world, 20, cut=12, first=picture(9))[7:])
    assert np.array_equal(made(world, 20, cut=25), made(world, 20, cut=25, last=picture(9)))


def test_long_segments_go_on_from_what_was_made():
    world = tiny_world(max_frames=34, steps=1)
    out = made(world, 60)
    assert len(out) == 60
    other = made(world, 60, first=picture(9))
    assert apart(out[40:], other[40:]) > 0.05, "the last round forgot how the first one began"
    assert np.array_equal(out[:26], made(world, 60, last=picture(9))[:26])
    assert apart(out[45:], made(world, 60, last=picture(9))[45:]) > 0.05


def test_frames_stream_out_chunk_by_chunk():
    """The first frame of a clip leaves before the second chunk is decoded."""
    world = tiny_world(steps=1)
    decoded: list[int] = []
    world.networks.vae.temporal_vae.decoder.register_forward_hook(lambda *_: decoded.append(1))
    conditions = {"latent_frames": world.latent_frames(40)}
    stream = world.generate(
        Conditions(
            video=VIDEO, start=0, stop=40, first=picture(1), last=None, last_index=40, caption=None, motion=None,
            cut=None, seed=0, **conditions,
        )
    )  # fmt: skip
    next(stream)
    assert len(decoded) == 1
    assert not torch.is_inference_mode_enabled()
    assert len(list(stream)) == 39


@pytest.mark.parametrize("frames", [17, 20])
def test_dsa_equals_sfa_bit_for_bit(frames):
    """Appendix E, Table VII: equal segments, equal seeds; the last one is shorter."""
    total = 2 * frames + 7
    video = VideoFormat(32, 48, Fraction(24), total)
    segments = [
        Segment(
            video=video, start=start, stop=min(start + frames, total), caption=f"part {start}", keyframe=picture(start),
            motion=Motion(score=1.0 + start), last=start == 2 * frames,
            closing_keyframe=picture(99) if start == 2 * frames else None,
        )
        for start in range(0, total, frames)
    ]  # fmt: skip
    world = tiny_world()
    out = {}
    for adapter in ("sfa", "dsa"):
        decoder = SemanticDecoder(world, DecoderConfig(adapter=adapter, show_keyframes=False), seed=3)
        out[adapter] = joined(list(decoder.videos(segments)))[0]
    assert len(out["sfa"]) == total
    assert np.array_equal(out["sfa"], out["dsa"])


def test_skem_with_sfa_is_refused_with_the_papers_reason():
    with pytest.raises(ConfigError, match="unequal length"):
        check_combination("skem", "sfa")


def test_a_latent_of_another_length_is_refused():
    world = tiny_world()
    assert [world.latent_frames(n) for n in (1, 2, 5, 16, 17, 18, 34, 51)] == [1, 2, 2, 5, 5, 6, 10, 15]
    with pytest.raises(ShapeError, match="17 frames have 5 latents"):
        made(world, 17, latent_frames=4)


def test_the_network_is_told_rate_size_and_one_frames_rate():
    world = tiny_world(steps=1)
    asked: list[dict] = []
    world.networks.transformer.register_forward_pre_hook(lambda _, __, given: asked.append(given), with_kwargs=True)
    made(world, 17, video=VideoFormat(32, 48, Fraction(30000, 1001)))
    made(world, 1, first=None, last=None)
    assert asked[0]["fps"].item() == pytest.approx(29.97, abs=0.01)
    assert (asked[0]["height"].item(), asked[0]["width"].item()) == (32, 48)
    assert asked[0]["x_mask"].tolist() == [[False, True, True, True, True, False]] * 2
    assert asked[1]["fps"].item() == 120
    assert asked[1]["x_mask"] is None


def test_in_bfloat16_it_runs_and_stays_near():
    exact = made(tiny_world(), 9)
    half = networks()
    rough = OpenSora(
        lambda: type(half)(
            half.transformer.bfloat16(), half.vae.bfloat16(), half.text, half.device, torch.bfloat16
        ),
        OpenSoraConfig(steps=2, resolution="144p"),
    )  # fmt: skip
    assert apart(made(rough, 9), exact) < 16


def test_halves_apart_make_the_same_video():
    assert apart(made(tiny_world(halves_apart=True), 9), made(tiny_world(), 9)) < 0.05


@pytest.mark.parametrize(
    ("height", "width", "expected"), [(240, 426, (64, 112)), (1080, 1920, (64, 112)), (256, 256, (80, 80))]
)
def test_the_size_inside_keeps_the_shape_in_steps_of_sixteen(height, width, expected):
    assert internal_size(VideoFormat(height, width, Fraction(24)), "240p") == expected


def test_the_final_rounding_truncates_after_adding_a_half():
    levels = torch.tensor([-1.0, 1.0, 0.0, 2.0, 2 * 100.49 / 255 - 1, 2 * 100.51 / 255 - 1])
    out = to_pixels(levels.expand(3, 1, 6), VideoFormat(1, 6, Fraction(24)))
    assert out[0, :, 0].tolist() == [0, 255, 128, 255, 100, 101]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"resolution": "1080p"}, "resolution"),
        ({"end_anchor": "align"}, "appended, last_latent, static_tail"),
        ({"precision": "float16"}, "precision"),
        ({"text_placement": "disk"}, "cpu, device, offload"),
        ({"steps": 0}, "steps"),
        ({"max_frames": 20}, "at least 34"),
        ({"aesthetic_score": 11.0}, "between 0 and 10"),
    ],
)
def test_settings_out_of_range_are_refused(setting, message):
    with pytest.raises(ConfigError, match=message):
        OpenSoraConfig(**setting)


def folders(root) -> dict[str, object]:
    return {
        "transformer": str(save_transformer(root / "dit")),
        "vae": str(save_vae(root / "vae")),
        "text_encoder": str(save_text_encoder(root / "t5")),
    }


def test_local_folders_are_loaded_strictly_and_run(tmp_path):
    pytest.importorskip("transformers", reason="needs the extra 'paper'")
    pytest.importorskip("ftfy", reason="needs the extra 'paper'")
    found = folders(tmp_path)
    world = load(OpenSoraConfig(**found, steps=1, resolution="144p", precision="float32", device="cpu"))
    assert world._loaded is None, "weights are read when they are needed"
    out = made(world, 5)
    assert out.shape == (5, 32, 48, 3)
    assert apart(out, made(world, 5, caption="a cat sleeps")) > 0
    in_half = load(OpenSoraConfig(**found, steps=1, resolution="144p", device="cpu", text_placement="offload"))
    assert in_half.networks.transformer.x_embedder.proj.weight.dtype == torch.bfloat16
    assert apart(made(in_half, 5), out) < 16


def test_the_transformers_size_is_read_from_its_weights(tmp_path):
    from lgvsc.world.backends.opensora.weights import load_transformer

    changes = {"depth": 1, "hidden_size": 48, "num_heads": 4, "qk_norm": False, "pred_sigma": False, "mlp_ratio": 2.0}
    model = load_transformer(save_transformer(tmp_path / "dit", **changes))
    assert (len(model.spatial_blocks), model.hidden_size, model.out_channels) == (1, 48, 4)
    assert model.rope.freqs.shape == (6,)


def test_weights_that_do_not_fit_are_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    from lgvsc.world.backends.opensora.weights import load_transformer, load_vae

    folder = save_transformer(tmp_path / "dit")
    weights = load_file(folder / "model.safetensors")
    lacking = {key: value for key, value in weights.items() if key != "temporal_blocks.1.mlp.fc2.bias"}
    save_file(lacking, folder / "model.safetensors")
    with pytest.raises(MissingResourceError, match=r"not those of Open-Sora.*temporal_blocks\.1\.mlp\.fc2\.bias"):
        load_transformer(folder)
    with pytest.raises(MissingResourceError, match="not those of Open-Sora"):
        load_vae(folder)
    (folder / "model.safetensors").write_bytes(b"no weights at all")
    with pytest.raises(MissingResourceError, match="cannot be read"):
        load_transformer(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(MissingResourceError, match="no safetensors file"):
        load_transformer(folder)


def test_parts_that_are_not_here_are_named_with_a_remedy(tmp_path):
    with pytest.raises(MissingResourceError, match=r"'no/such' is no folder.*lgvsc models pull"):
        load(OpenSoraConfig(transformer="no/such"))


def test_a_device_that_is_not_here_is_refused():
    from lgvsc.world.backends.opensora.weights import find_device

    assert find_device("cpu").type == "cpu"
    with pytest.raises(ConfigError, match="nonsense"):
        find_device("nonsense")
