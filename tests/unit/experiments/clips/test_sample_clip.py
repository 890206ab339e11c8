from itertools import pairwise

import numpy as np
import pytest

from lgvsc.core.video import VideoReader
from lgvsc.errors import ConfigError, MissingResourceError
from lgvsc.experiments.clips import sample_clip
from lgvsc.experiments.clips.sample_clip import FPS, Event, make_sample_clip, repeated, sample_frames


@pytest.fixture(scope="module")
def programme():
    pytest.importorskip("skimage")
    return sample_frames()


def change(a, b):
    return float(np.abs(a.astype(np.int16) - b.astype(np.int16)).mean())


def test_cuts_are_where_the_pictures_jump(programme):
    frames, events = programme
    steps = [change(a, b) for a, b in pairwise(frames)]
    jumps = [index + 1 for index, step in enumerate(steps) if step > 45]
    assert jumps == [event.frame for event in events if event.kind == "cut"]
    assert len(jumps) == 3
    others = [step for index, step in enumerate(steps) if index + 1 not in jumps]
    assert max(others) < 30 and min(others) > 0.5  # always some motion and noise, never a jump


def test_objects_enter_after_they_were_absent_and_leave_again(programme):
    _, events = programme
    seen = [(event.kind, event.what) for event in events if event.kind != "cut"]
    assert seen == [
        ("enter", "coin"),
        ("leave", "coin"),
        ("enter", "astronaut"),
        ("leave", "astronaut"),
        ("enter", "cup of coffee"),
    ]
    assert [event.frame for event in events] == sorted(event.frame for event in events)


def test_an_object_changes_the_pictures_where_it_is(programme):
    """While the astronaut is in, orange covers part of a dusk that has none of it before and after."""
    frames, events = programme
    enter, leave = (e.frame for e in events if e.what == "astronaut")

    def orange(frame):
        red, green, blue = (frame[..., channel].astype(int) for channel in range(3))
        return float(((red > 150) & (red > 1.7 * green) & (red > 2.2 * blue)).mean())

    inside, before = orange(frames[(enter + leave) // 2]), orange(frames[enter - 5])
    assert inside > 0.03 and before < 0.005 and orange(frames[leave + 3]) < 0.005


def test_same_seed_same_pixels_other_seed_other_shake():
    pytest.importorskip("skimage")
    (one, _), (two, _), (other, _) = sample_frames(limit=2), sample_frames(limit=2), sample_frames(seed=1, limit=2)
    assert np.array_equal(one, two) and not np.array_equal(one, other)


def test_file_has_the_asked_length_and_repeats(tmp_path):
    pytest.importorskip("skimage")
    path = tmp_path / "sample.mp4"
    events = make_sample_clip(path, duration_s=0.5)
    with VideoReader(path) as reader:
        assert (reader.format.height, reader.format.width, reader.format.fps) == (256, 256, FPS)
        assert sum(1 for _ in reader) == 12
    assert events == []
    with pytest.raises(ConfigError):
        make_sample_clip(path, duration_s=0.0)


def test_repeated_programme_starts_with_a_cut():
    once = [Event(3, "cut", "a cat"), Event(7, "enter", "coin")]
    assert repeated(once, 10, 15) == [*once, Event(10, "cut", "from the beginning"), Event(13, "cut", "a cat")]


def test_without_scikit_image_it_names_the_remedy(monkeypatch, tmp_path):
    monkeypatch.setattr(sample_clip, "find_spec", lambda name: None)
    with pytest.raises(MissingResourceError, match=r"lgvsc\[demo\]"):
        make_sample_clip(tmp_path / "x.mp4")
