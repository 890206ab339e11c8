"""The live tab's process: what it lays down, what it looks at, and one sentence where there is nothing to show."""

import json
import time
from fractions import Fraction

import cv2
import numpy as np
import pytest

from lgvsc.core.video import Video, write_video
from lgvsc.errors import InputError, MissingResourceError
from lgvsc.ui.live.engine import ShownFrame
from lgvsc.ui.live.job import KNOBS, NUMBERS, RECEIVED, SOURCE, Turned, live, open_source, said_of
from lgvsc.ui.live.knobs import Knobs
from lgvsc.ui.page.work import Task


def never():
    raise AssertionError("the sample was not asked for")


@pytest.mark.slow
def test_pictures_and_numbers_are_laid_down_and_knobs_are_looked_at(tmp_path):
    frames = np.random.default_rng(1).integers(0, 255, (1, 48, 64, 3), np.uint8).repeat(12, axis=0)
    write_video(tmp_path / "clip.mp4", Video(frames, Fraction(12)))
    Knobs(snr_db=20.0).write(tmp_path / KNOBS)
    news, turned = [], []

    def tell(**what):
        news.append(what)
        if what.get("made") and not turned and json.loads((tmp_path / NUMBERS).read_text())["origin"]:
            turned.append(Knobs(snr_db=20.0, loss=0.5).write(tmp_path / KNOBS))

    started = time.monotonic()
    live(Task(kind="live", source="clip.mp4", scheme="skem-dsa", seconds=30.0), tmp_path, tell, never)
    assert time.monotonic() - started > 25 and turned and news[-1]["made"] == NUMBERS
    numbers = json.loads((tmp_path / NUMBERS).read_text())
    assert numbers["loss"] == 0.5 and numbers["origin"] and numbers["delay_s"] > 0 and numbers["sent"] > 0
    for name in (SOURCE, RECEIVED):
        assert cv2.imread(str(tmp_path / name)).shape == (48, 64, 3)
    assert {path.name for path in tmp_path.iterdir()} == {"clip.mp4", KNOBS, NUMBERS, SOURCE, RECEIVED}


def test_knobs_are_taken_over_once_they_are_turned(tmp_path):
    Knobs(snr_db=3.0).write(tmp_path / KNOBS)
    turned = Turned(tmp_path / KNOBS)
    turned.look()
    assert turned.panel.now == Knobs(snr_db=3.0)
    time.sleep(0.02)  # of a clock of files that is coarse
    Knobs(snr_db=-3.0, loss=0.1).write(tmp_path / KNOBS)
    turned.look()
    assert turned.panel.now == Knobs(snr_db=-3.0, loss=0.1)


def test_what_is_no_video_and_a_camera_that_is_not_there_get_one_sentence(tmp_path):
    (tmp_path / "clip").write_text("ffconcat version 1.0\nfile /etc/passwd\n")
    with pytest.raises(InputError) as error:
        open_source(Task(kind="live", source="clip"), tmp_path, never)
    assert "\n" not in str(error.value) and "passwd" not in str(error.value)
    with pytest.raises(MissingResourceError, match="camera 63 of this computer") as error:
        open_source(Task(kind="live", source="camera:63"), tmp_path, never)
    assert "\n" not in str(error.value)


def test_a_frame_says_how_old_it_was_when_it_came_and_for_how_long_it_stands():
    shown = ShownFrame(np.zeros((2, 2, 3), np.uint8), "generated", "A wall.", taken_s=10.0)
    said = said_of(shown, 14.0, 20.0)
    assert said == {"origin": "generated", "caption": "A wall.", "delay_s": 4.0, "stands_s": 6.0}
    assert said_of(shown._replace(taken_s=float("nan")), 14.0, 20.0)["delay_s"] is None
    assert said_of(None, 14.0, 20.0)["origin"] == ""
