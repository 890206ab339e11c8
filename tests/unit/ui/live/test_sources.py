"""Live pictures come in their own time, from a file over and over or from what OpenCV opens."""

import threading
from fractions import Fraction
from itertools import islice

import numpy as np
import pytest

from lgvsc.core.video import Video, write_video
from lgvsc.errors import InputError, MissingResourceError
from lgvsc.ui.live import sources
from lgvsc.ui.live.sources import CameraSource, FileSource


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Half a second of red at 30 frames a second, ever darker."""
    frames = np.zeros((15, 96, 160, 3), np.uint8)
    frames[..., 0] = (250 - 12 * np.arange(15))[:, None, None]
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_video(path, Video(frames, Fraction(30)))
    return path


def test_a_file_is_thinned_to_twelve_pictures_a_second_at_most_and_begins_anew(clip):
    source, stopped = FileSource(clip, max_side=64), threading.Event()
    assert (source.format.width, source.format.height, source.format.fps) == (64, 38, Fraction(10))
    assert source.format.frames is None
    shown = [int(picture[..., 0].mean()) for picture in islice(source.pictures(stopped), 7)]
    assert shown[0] > shown[4] + 100 and abs(shown[5] - shown[0]) < 8


def test_a_file_that_is_read_too_slowly_says_so_and_goes_on(clip, monkeypatch):
    monkeypatch.setattr(sources, "LATE_S", -1.0)  # whatever comes is late
    source = FileSource(clip, max_side=64)
    assert len(list(islice(source.pictures(threading.Event()), 3))) == 3 and source.late_s > 0


def test_it_ends_when_told_so(clip):
    stopped = threading.Event()
    pictures = FileSource(clip, max_side=64).pictures(stopped)
    next(pictures)
    stopped.set()
    assert next(pictures, None) is None


def test_a_file_that_is_no_video_is_refused(tmp_path):
    (tmp_path / "clip").write_text("#EXTM3U\nhttp://example.com/a.ts\n")
    with pytest.raises(InputError):
        FileSource(tmp_path / "clip", max_side=64)


def test_a_camera_gives_upright_rgb_of_an_even_size_until_it_falls_silent(clip, monkeypatch):
    """OpenCV reads a file as it reads a camera."""
    monkeypatch.setattr(sources, "SILENT_READS", 2)
    source = CameraSource(max_side=70, device=str(clip))
    assert (source.format.width, source.format.height) == (70, 42)
    pictures, shown = source.pictures(threading.Event()), []
    with pytest.raises(MissingResourceError, match="gives no pictures any more"):
        for picture in pictures:
            shown.append(picture)
    assert shown and shown[0].shape == (42, 70, 3)
    red, green, blue = shown[0].reshape(-1, 3).mean(axis=0)
    assert red > 150 > 60 > max(green, blue)


def test_where_there_is_no_camera_one_sentence_says_so(tmp_path):
    with pytest.raises(MissingResourceError, match="camera 7 of this computer gives no picture") as error:
        CameraSource(7, max_side=64, device=str(tmp_path / "none"))
    assert "\n" not in str(error.value)
