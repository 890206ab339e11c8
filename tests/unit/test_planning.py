"""What is looked at beforehand, and how often."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest

import lgvsc
from lgvsc import kinds, link, planning
from lgvsc.cli.tables import run_table
from lgvsc.config import load_config
from lgvsc.core.video import Video, VideoFormat, VideoReader, write_video
from lgvsc.errors import ConfigError


def test_the_curve_of_a_clip_is_made_once_for_all_budgets_and_channels(tmp_path, monkeypatch):
    looked = []
    real = planning.clip_curve

    def counted(frames, video, config, score):
        looked.append(video)
        return real(frames, video, config, score)

    monkeypatch.setattr(planning, "clip_curve", counted)
    for name, level in (("a", 60), ("b", 200)):
        write_video(tmp_path / f"{name}.mp4", Video(np.full((6, 64, 64, 3), level, np.uint8), Fraction(25)))

    def plan(name, **settings):
        with VideoReader(tmp_path / f"{name}.mp4") as reader:
            return kinds.fit_to_budget(reader, load_config(scheme="text-only", settings=settings))

    plan("a", **{"coding.budget": "1e-3cbr"})
    plan("a", **{"coding.budget": "5e-2cbr", "channel.snr_db": 0.0})
    assert len(looked) == 1
    plan("a", **{"coding.budget": "1e-3cbr", "keyframes.sample_fps": 9.0})
    plan("b", **{"coding.budget": "1e-3cbr"})
    assert len(looked) == 3


class Source:
    """A video of which nothing but its format is looked at."""

    format = VideoFormat(96, 128, Fraction(25), 50)


def test_equal_segments_beyond_the_budget_are_told():
    def choices(segments):
        settings = {"coding.budget": "2e-3cbr", "keyframes.segments": segments}
        return kinds.fit_to_budget(Source(), load_config(scheme="skim-dsa", settings=settings))[1]

    assert not any("be kept" in choice for choice in choices(2))
    assert choices(25)[0].startswith("the budget cannot be kept: 25 segments")


@pytest.mark.parametrize(
    ("given", "look"),
    [({}, 1.0), ({"objective": "structure"}, 0.0), ({"world.look": 0.5}, 0.5), ({"coding.budget": ""}, 0.0)],
)
def test_a_look_follows_the_objective_of_a_budget_unless_it_is_set(given, look):
    settings = {"coding.budget": "2e-3cbr", **given}
    config, choices = kinds.fit_to_budget(Source(), load_config(scheme="skim-dsa", settings=settings))
    assert config.keyframe_look == look
    assert config.world.look == given.get("world.look")  # a receiver's own; what is advised crosses the air
    assert any("coding.look" in choice for choice in choices) == (given.keys() <= {"objective"})


@pytest.mark.parametrize("scheme", ["skem-dsa", "skim-dsa", "text-only"])
def test_a_budget_below_one_segment_is_told_first(tmp_path, scheme):
    path = tmp_path / "a.mp4"
    write_video(path, Video(np.full((4, 96, 128, 3), 80, np.uint8), Fraction(25)))
    settings = {"coding.budget": "1symbols", "keyframes.segments": 1}
    report = lgvsc.run(path, scheme=scheme, output=tmp_path / "b.mp4", settings=settings).report()
    assert report["choices"][0].startswith("the budget cannot be kept: one segment")


def test_a_codec_that_cannot_keep_a_budget_is_told_on_first(tmp_path):
    path = tmp_path / "a.mp4"
    write_video(path, Video(np.full((4, 96, 128, 3), 80, np.uint8), Fraction(25)))
    run = lgvsc.run(path, scheme="h264-ldpc", output=tmp_path / "b.mp4", settings={"coding.budget": "1symbols"})
    assert run.report()["choices"][0].startswith("the budget was passed: ")
    assert run_table([run.report()]).startswith("at 10 dB the budget was passed: ")


def test_a_budget_of_the_scheme_s_own_is_told_of_as_well(tmp_path):
    path = tmp_path / "a.mp4"
    write_video(path, Video(strobe((32, 32), 12), Fraction(24)))
    report = lgvsc.run(path, scheme="layered-dsa", output=tmp_path / "b.mp4").report()
    assert report["cbr"] > 6e-4 and report["choices"][0].startswith("the budget was passed: ")
    fixed = load_config(scheme="h264-ldpc", settings={"conventional.mode": "paper"})
    assert kinds.allowed_cbr(Source.format, fixed) is None  # its rate is what it is
    assert kinds.allowed_cbr(Source.format, load_config(scheme="h264-ldpc")) == pytest.approx(6e-4)


def test_who_asks_for_a_large_world_model_is_told_what_small_frames_do():
    def choices(**settings):
        return kinds.fit_to_budget(Source(), load_config(scheme="layered-dsa", settings=settings))[1]

    assert not any("skem-dsa" in choice for choice in choices())
    assert "unless opensora-1.2 takes small frames" in choices(**{"models.world_model": "opensora-1.2"})[1]


def test_send_says_first_too_that_a_budget_was_passed(tmp_path):
    path, told = tmp_path / "a.mp4", []
    write_video(path, Video(np.full((4, 96, 128, 3), 80, np.uint8), Fraction(25)))
    config = load_config(scheme="av1-ldpc", settings={"coding.budget": "1symbols"})
    link.send(path, config, message=tmp_path / "tx.lgvsc", symbols=tmp_path / "tx", on_choices=told.extend)
    assert told[0].startswith("the budget was passed: ")


def strobe(size, frames=96):
    """A picture and darkness by turns, as the costliest of small clips: every few symbols more than it is allowed."""
    random = np.random.default_rng(0)
    picture = cv2.resize(random.integers(0, 256, (4, 5, 3), np.uint8), size, interpolation=cv2.INTER_CUBIC)
    return np.stack([picture if i // 3 % 2 else np.zeros_like(picture) for i in range(frames)])


@pytest.mark.parametrize("size", [(64, 64), (96, 64)])
def test_without_a_budget_a_small_video_stays_below_the_ceiling(tmp_path, size):
    path = tmp_path / "a.mp4"
    write_video(path, Video(strobe(size), Fraction(24)))
    assert lgvsc.send(path, tmp_path / "tx", scheme="skem-dsa").cbr <= 1e-3


def test_a_video_too_small_for_the_ceiling_is_told_first(tmp_path):
    path = tmp_path / "a.mp4"
    write_video(path, Video(strobe((32, 32)), Fraction(24)))
    with VideoReader(path) as reader:
        config, choices = kinds.fit_to_budget(reader, load_config(scheme="skem-dsa"))
    assert choices[0].startswith("a CBR of 0.001 cannot be kept")
    assert config.keyframes.marked == (0,)


@pytest.mark.parametrize("objective", ["look", "structure"])
def test_a_plan_is_sent_as_it_was_made_and_within_the_budget(tmp_path, objective):
    random = np.random.default_rng(0)
    scenes = [cv2.resize(random.integers(0, 256, (4, 5, 3), np.uint8), (128, 96)) for _ in range(2)]
    pictures = [np.roll(scenes[i // 20], 3 * i, axis=1) for i in range(40)]
    path = tmp_path / "a.mp4"
    write_video(path, Video(np.stack(pictures), Fraction(25)))
    settings = {"coding.budget": "8e-3cbr", "objective": objective}
    report = lgvsc.run(path, scheme="skem-dsa", output=tmp_path / "b.mp4", settings=settings).report()
    planned = [start for piece in report["config"]["keyframes"]["planned"] for start in piece]
    assert report["look"] == {"look": 1.0, "structure": 0.0}[objective]
    assert report["objective"] == objective and any(objective in choice for choice in report["choices"])
    assert [segment["start"] for segment in report["segments"]] == planned
    assert 20 in planned  # the new scene
    assert 0.9 * 8e-3 < report["cbr"] <= 8e-3 and "be kept" not in report["choices"][0]


def test_an_unknown_objective_is_refused():
    with pytest.raises(ConfigError, match="objective"):
        load_config(settings={"objective": "speed"})


def test_keyframes_that_show_frames_by_themselves_are_as_many_as_the_frames_need(monkeypatch):
    """In a few frames of a longer video, by the code and the world model that will be used."""
    rng = np.random.default_rng(2)
    scenes = [cv2.resize(rng.integers(0, 256, (9, 12, 3), np.uint8), (256, 192)) for _ in range(2)]
    config = load_config(scheme="layered-dsa", settings={"coding.budget": "2e-3cbr", "objective": "look"})
    video = VideoFormat(192, 256, Fraction(24), 500)
    assert planning.keyframe_places([scenes[0]] * 60, video, 8_000, lambda: True, config) == [0]
    changing = [scenes[index // 15 % 2] for index in range(60)]
    to_and_fro = planning.keyframe_places(changing, video, 8_000, lambda: True, config)
    assert len(to_and_fro) > 1 and to_and_fro == sorted(set(to_and_fro)) and to_and_fro[0] == 0 < 60 - to_and_fro[-1]

    def code_of(_):
        return lambda *_: pytest.fail("nobody wants to know")

    monkeypatch.setattr(planning, "coding_of", code_of)
    planning.keyframe_places(changing, video, 8_000, lambda: False, config)
