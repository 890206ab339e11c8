"""Recipes: what ships can be read, what a user writes is checked, and clips are cut to a paper's setting."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from lgvsc.config import SCHEMES
from lgvsc.core.video import Video, read_video, write_video
from lgvsc.errors import ConfigError, InputError
from lgvsc.experiments.clips.excerpts import sampled
from lgvsc.experiments.recipe import ClipPlan, listed_recipes, read_recipe, recipes, shipped_recipe
from lgvsc.experiments.reproduction.clips import Footage, chosen, found
from lgvsc.experiments.reproduction.grid import cells_of
from lgvsc.experiments.reproduction.needs import line_config
from lgvsc.training.pictures import held_out


def test_every_figure_of_gvsc_has_a_recipe_and_they_share_their_transmissions():
    assert {"gvsc-rates", *(f"gvsc-fig-{figure}" for figure in (3, 4, 5, 6, 7))} <= set(recipes())
    figures = [shipped_recipe(f"gvsc-fig-{figure}") for figure in (3, 4, 5, 6)]
    assert all((f.lines, f.clips, f.snr_db) == (figures[0].lines, figures[0].clips, figures[0].snr_db) for f in figures)
    assert [f.metric for f in figures] == ["clip_score", "bert_captions", "psnr_db", "ssim"]
    assert all(f.snr_db == (0, 2, 4, 6, 8, 10) for f in figures)  # section IV-A2


def test_every_listed_recipe_says_what_differs_and_what_it_shows():
    listed = listed_recipes()
    assert all((recipe.differs.endswith(".") and recipe.wanted) or recipe.kind in KINDS_WITH_OWN for recipe in listed)
    assert [recipe.name for recipe in listed][:2] == ["lgvsc-fig-1", "lgvsc-fig-3"]
    assert not {"gvsc-grid", "lgvsc-grid"} & {recipe.name for recipe in listed}


@pytest.mark.parametrize("name", recipes())
def test_what_a_shipped_recipe_sends_is_known(name):
    recipe = shipped_recipe(name)
    assert recipe.source and recipe.title
    assert all(line.scheme in SCHEMES or line.scheme == "dvst" for line in recipe.lines)


KINDS_WITH_OWN = ("pairs", "keyframe-counts", "complexity")  # what they show is their own


def test_settings_of_lgvsc_are_as_published():
    lines = {line.label: line for line in shipped_recipe("lgvsc-fig-3").lines}
    assert lines["SKIM+SFA"].keyframes == (3, 4) and lines["SKIM+SFA"].matched_to == "SKEM+DSA"
    assert lines["DVST"].settings["dvst.eta"] == 0.2 and lines["DVST"].ends == 100
    sends = line_config(shipped_recipe("lgvsc-fig-3"), lines["Text-Only"], 10).message
    assert sends.send_captions and not (sends.send_keyframes or sends.send_motion or sends.send_colours)
    readings = {line.settings.get("channel.snr_def", "esn0") for line in shipped_recipe("lgvsc-table-1").lines}
    assert readings == {"esn0", "ebn0"}


def write(path, text):
    path.write_text(text)
    return path


PLAIN = 'title = "mine"\nmetric = "ssim"\nsnr_db = [0]\n[[line]]\nlabel = "a"\nscheme = "text-only"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PLAIN.replace("metric", "metrc"), "did you mean metric"),
        (PLAIN.replace('"ssim"', '"fvd"'), "metric is 'fvd'"),
        (PLAIN.replace("[0]", "[]"), "no SNR"),
        (PLAIN + "mod = 3\n", "did you mean mode"),
        (PLAIN.replace('[[line]]\nlabel = "a"\nscheme = "text-only"\n', ""), "no line"),
        (PLAIN.replace("title", 'base = "nothing"\ntitle'), "based on 'nothing'"),
        (PLAIN.replace("title", 'order = ["b"]\ntitle'), "order"),
        ("title = [", "not valid TOML"),
        ("line = 3\n" + PLAIN.split("[[")[0], "line is a table"),
        ("clips = 3\n" + PLAIN, "clips is a table"),
        (PLAIN.replace("[0]", '"x"'), "mine, snr_db"),
        (PLAIN.replace("title", 'trials = "many"\ntitle'), "mine, trials"),
        (PLAIN.replace('"a"', "[1]"), "mine, line.0.label"),
        ('kind = "curve"\n' + PLAIN, "kind: input should be 'quality'"),
        ('tasks = ["look"]\n' + PLAIN, "tasks.0: input should be 'description'"),
        (PLAIN + 'mode = "free"\n', "line.0.mode: input should be '', 'paper' or 'gvsc'"),
        (PLAIN.replace("text-only", "text-alone"), "scheme 'text-alone'"),
        ("snr_db = [0]\nmetric = 'ssim'\n", "title"),
    ],
)
def test_mistakes_in_a_recipe_are_named(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        read_recipe(write(tmp_path / "mine.toml", text))
    with pytest.raises(ConfigError, match="gvsc-fig-5"):
        shipped_recipe("gvsc-fig-55")


def test_a_line_changes_what_all_lines_share(tmp_path):
    text = PLAIN.replace("[[line]]", '[settings]\n"message.send_motion" = false\n"seed" = 3\n[[line]]')
    text += 'settings = { "message.send_motion" = true }\n'
    text += '[[line]]\nlabel = "b"\nscheme = "h264-ldpc"\nmode = "gvsc"\ncbr = 0.008\n'
    recipe = read_recipe(write(tmp_path / "mine.toml", text))
    clip = tmp_path / "c.mp4"
    clip.write_bytes(b"c")
    first, second = (cells_of(recipe, line, Footage(clip), tmp_path)[0] for line in recipe.lines)
    assert first.config.message.send_motion and not second.config.message.send_motion
    assert (first.mode, first.cbr_target) == ("free", None) and first.config.channel.snr_db == 0
    assert (second.mode, second.cbr_target) == ("gvsc", 0.008)
    assert second.config.conventional.mode == "gvsc" and second.config.coding.budget == "0.008cbr"


def test_clips_are_cut_to_frames_rate_and_a_square(tmp_path):
    frames = np.full((30, 40, 60, 3), 7, np.uint8) * np.arange(1, 31, dtype=np.uint8)[:, None, None, None]
    write_video(tmp_path / "long.mp4", Video(frames, Fraction(12)))
    made = sampled(tmp_path / "long.mp4", tmp_path / "clips", frames=8, fps=4, side=32)
    got = read_video(made)
    assert got.frames.shape == (8, 32, 32, 3) and got.fps == 4
    levels = got.frames.mean(axis=(1, 2, 3)) / 7
    assert np.allclose(levels, [1, 4, 7, 10, 13, 16, 19, 22], atol=0.8)  # every third frame
    assert sampled(tmp_path / "long.mp4", tmp_path / "clips", frames=8, fps=4, side=32) == made
    other = tmp_path / "elsewhere" / "long.mp4"
    other.parent.mkdir()
    write_video(other, Video(read_video(tmp_path / "long.mp4").frames[::-1].copy(), Fraction(12)))
    before = made.read_bytes()
    sampled(other, tmp_path / "clips", frames=8, fps=4, side=32)
    assert made.read_bytes() != before  # of another source with the same name
    with pytest.raises(InputError, match="has 6 of 8 frames"):
        sampled(tmp_path / "long.mp4", tmp_path / "clips", frames=8, fps=4, side=32, start_s=1.0)


def test_of_a_folder_only_held_out_clips_are_taken_and_spread_evenly(tmp_path):
    for index in range(40):
        (tmp_path / f"{index:02}.mp4").write_bytes(b"")
    every = list(found([tmp_path], False))
    kept = list(found([tmp_path], True))
    assert len(every) == 40 and 0 < len(kept) < 20 and all(held_out(source.path) for source in kept)
    assert chosen(range(10), 3) == [1, 5, 8] and chosen(range(3), 0) == [0, 1, 2] and chosen([1], 5) == [1]


def test_the_plan_of_gvsc_is_its_own():
    assert shipped_recipe("gvsc-grid").clips == ClipPlan(count=4, frames=8, fps=4, side=256, held_out=True)
