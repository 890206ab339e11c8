"""Tasks over rebuilt videos: what looks, what it is compared with, what is kept, and what is absent and why."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from tiny_lookers import tiny_depth_anything, tiny_timesformer

from lgvsc.core.video import Video, VideoReader, write_video
from lgvsc.experiments.recipe import shipped_recipe
from lgvsc.experiments.reproduction import tasks
from lgvsc.experiments.reproduction.clips import Footage
from lgvsc.experiments.reproduction.tasks import task_absence, task_values


@dataclass(frozen=True)
class Rebuilt:
    label: str
    clip: Footage
    video: Path
    key: str
    snr_db: float = 10.0


@pytest.fixture
def videos(tmp_path):
    """A source, the same again, and noise."""
    rng = np.random.default_rng(0)
    true = np.repeat(rng.integers(0, 256, (1, 32, 48, 3), np.uint8), 8, 0)
    for name, frames in (("a", true), ("same", true), ("noise", rng.integers(0, 256, true.shape, np.uint8))):
        write_video(tmp_path / f"{name}.mp4", Video(frames, Fraction(8)))
    return tmp_path


class Speaker:
    """Draws another sentence each time it is asked with another generator."""

    def describe_video(self, frames, *, generator):
        seen = "noise" if np.std([frame.pixels.mean() for frame in frames]) > 0 else "a still picture"
        return f"{seen} number {int(generator.initial_seed()) % 1000}"


def table_3(**changes):
    return replace(shipped_recipe("lgvsc-table-3"), **changes)


def test_descriptions_are_compared_draw_by_draw_with_those_of_the_source(videos, monkeypatch):
    pytest.importorskip("rouge_score")
    monkeypatch.setattr(tasks.build, "language_model", lambda name, config: Speaker())
    clip = Footage(videos / "a.mp4")
    sent = [Rebuilt(name, clip, videos / f"{name}.mp4", name) for name in ("same", "noise")]
    absent = dict.fromkeys(("bleu", "bert_captions", "sentence_similarity"), "away")
    values, notes = task_values(table_3(against="source"), sent, [clip], videos, absent)
    by = {value.series: value.value for value in values}
    assert by["same"] == pytest.approx(1.0) and by["noise"] < 0.7 and "Origin" not in by
    assert "3 draws each" in notes[0]


def test_against_a_data_set_the_source_has_a_row_of_its_own_and_work_is_kept(videos, monkeypatch):
    pytest.importorskip("rouge_score")
    asked = []
    monkeypatch.setattr(tasks.build, "language_model", lambda name, config: asked.append(name) or Speaker())
    clip = Footage(videos / "a.mp4", captions=("a still picture", "a street"))
    sent = [Rebuilt("noise", clip, videos / "noise.mp4", "k")]
    absent = dict.fromkeys(("bleu", "bert_captions", "sentence_similarity"), "away")
    first, _ = task_values(table_3(), sent, [clip], videos, absent)
    by = {value.series: value.value for value in first}
    assert by["Origin"] == pytest.approx(2 * 3 / (3 + 5)) and by["noise"] == 0.0
    monkeypatch.setattr(tasks.DescribeTask, "describe", lambda *_: pytest.fail("it is known"))
    assert task_values(table_3(), sent, [clip], videos, absent)[0] == first and asked == ["compact-captioner"] * 2
    mended = Footage(clip.path, captions=("a still picture", "a road"))
    with pytest.raises(pytest.fail.Exception, match="it is known"):  # against other captions nothing is
        task_values(table_3(), [replace(sent[0], clip=mended)], [mended], videos, absent)


def test_the_compact_captioner_and_minilm_are_named_as_what_they_are():
    recipe = table_3()
    clips = [Footage(Path("a.mp4"), captions=("words",))]
    assert "lgvsc models pull roberta-large" in task_absence("bert_captions", recipe, clips)
    assert "without captions" in task_absence("rouge_l", recipe, [Footage(Path("a.mp4"))])
    assert "lgvsc models pull pllava-7b" in task_absence("rouge_l", replace(recipe, preset="paper"), clips)


def test_actions_are_hits_among_the_labels_of_any_classifier(videos, tmp_path):
    (folder := tmp_path / "timesformer").mkdir()
    tiny_timesformer(folder, labels=6)
    recipe = replace(shipped_recipe("lgvsc-table-4"), settings={"evaluation.action": str(folder)})
    clips = [Footage(videos / "a.mp4", label="action 0"), Footage(videos / "noise.mp4", label="no such label")]
    assert task_absence("top_1", recipe, clips) == "" and "labels" in task_absence("top_1", recipe, [])
    sent = [Rebuilt("same", clips[0], videos / "same.mp4", "k"), Rebuilt("same", clips[1], videos / "a.mp4", "l")]
    values, notes = task_values(recipe, sent, clips, videos, {})
    hits = {(value.series, value.metric): (value.value, value.n) for value in values}
    assert hits["Origin", "top_1"] == hits["same", "top_1"] and hits["same", "top_5"][1] == 1
    assert hits["same", "top_1"][0] in (0.0, 1.0) and any("no label 'no such label'" in note for note in notes)


def test_depth_of_the_same_video_is_the_same_and_of_noise_is_not(videos, tmp_path):
    (folder := tmp_path / "depth").mkdir()
    tiny_depth_anything(folder)
    recipe = replace(shipped_recipe("lgvsc-table-5"), settings={"evaluation.depth": str(folder)})
    clip = Footage(videos / "a.mp4")
    sent = [Rebuilt(name, clip, videos / f"{name}.mp4", name) for name in ("same", "noise")]
    values, notes = task_values(recipe, sent, [clip], videos, {})
    by = {(value.series, value.metric): value.value for value in values}
    assert by["same", "d1"] == 1.0 and by["same", "rmse"] == 0.0
    assert by["noise", "d1"] < 1.0 and by["noise", "rmse"] > 1.0 and "scaled to 0 to 255" in notes[0]


def test_depth_of_a_video_that_was_made_smaller_is_compared_with_its_source_made_as_small(videos, tmp_path):
    """As --quick does, and settings with link.max_side."""
    (folder := tmp_path / "depth").mkdir()
    tiny_depth_anything(folder)
    recipe = replace(shipped_recipe("lgvsc-table-5"), settings={"evaluation.depth": str(folder)})
    with VideoReader(videos / "a.mp4", max_side=24) as reader:
        write_video(videos / "small.mp4", Video(np.stack([frame.pixels for frame in reader]), Fraction(8)))
    clip = Footage(videos / "a.mp4")
    values, notes = task_values(recipe, [Rebuilt("small", clip, videos / "small.mp4", "k")], [clip], videos, {})
    assert len(notes) == 1 and [value.n for value in values] == [1] * 5
