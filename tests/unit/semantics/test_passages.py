"""Flashes, bare frames, fades and dissolves: what part each frame plays, and where keyframes come of it."""

from fractions import Fraction

import cv2
import numpy as np
import pytest
from skimage import data

from lgvsc.core.bare import is_bare
from lgvsc.core.video import Frame, VideoFormat
from lgvsc.semantics.keyframes import KeyframeConfig, choose_keyframes
from lgvsc.semantics.passages import sightings

HEIGHT, WIDTH, COUNT = 90, 160, 60
VIDEO = VideoFormat(HEIGHT, WIDTH, Fraction(25), COUNT)
BARE = {"black": (0, 0, 0), "white": (255, 255, 255), "grey": (128, 128, 128), "red": (200, 30, 30)}


def pan(name, count=COUNT, step=1):
    """A camera that moves over a photograph."""
    picture = getattr(data, name)()
    return [
        cv2.resize(picture[40:265, 10 + step * i : 410 + step * i], (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        for i in range(count)
    ]


COFFEE, CAT = pan("coffee"), pan("chelsea", step=0)


def bare(name):
    return np.full((HEIGHT, WIDTH, 3), BARE[name], np.uint8)


def mixed(one, other, share):
    return np.rint((1 - share) * one + share * np.asarray(other, np.float64)).astype(np.uint8)


def parts(pictures):
    frames = [Frame(i, picture) for i, picture in enumerate(pictures)]
    seen = list(sightings(frames, VIDEO, lambda frame: False))
    assert [one.frame.index for one in seen] == list(range(len(pictures)))
    return seen


def roles(pictures):
    """Every frame that plays a part, by what it plays."""
    found = {}
    for one in parts(pictures):
        if one.role:
            found.setdefault(one.role, []).append(one.frame.index)
    return found


def keyframes(pictures, divergence=-1.0, fps=25, **settings):
    frames = [Frame(i, picture) for i, picture in enumerate(pictures)]
    video = VideoFormat(HEIGHT, WIDTH, Fraction(fps), len(pictures))
    choices = choose_keyframes(
        frames, video, KeyframeConfig(**settings), lambda key, candidates: [divergence] * len(candidates)
    )
    return [choice.frame.index for choice in choices if choice.keyframe]


def wrong(pictures, found):
    """Frames whose light an even fade between keyframes misses by more than 20 levels."""
    light = np.array([picture.mean(axis=(0, 1)) for picture in pictures])
    at = [*found, len(pictures) - 1]
    made = np.stack([np.interp(range(len(pictures)), at, light[at, colour]) for colour in range(3)], axis=1)
    return int((np.abs(made - light).max(axis=1) > 20).sum())


def with_stretch(pictures, at, length, made):
    return [*pictures[:at], *[made(i) for i in range(length)], *pictures[at + length :]]


@pytest.mark.parametrize("colour", BARE)
@pytest.mark.parametrize("length", [1, 2])
def test_one_or_two_bare_frames_in_the_middle_pass(colour, length):
    clip = with_stretch(COFFEE, 30, length, lambda i: bare(colour))
    assert roles(clip) == {"passing": list(range(30, 30 + length))}
    assert keyframes(clip) == [0]


@pytest.mark.parametrize("colour", BARE)
@pytest.mark.parametrize("length", [3, 12])
def test_a_longer_bare_stretch_has_keyframes_before_it_in_it_and_where_the_picture_is_back(colour, length):
    clip = with_stretch(COFFEE, 30, length, lambda i: bare(colour))
    assert keyframes(clip) == [0, 29, 30, 30 + length]


@pytest.mark.parametrize("colour", BARE)
@pytest.mark.parametrize("length", [1, 3])
def test_a_picture_that_comes_after_a_bare_beginning_is_a_keyframe(colour, length):
    assert keyframes(with_stretch(COFFEE, 0, length, lambda i: bare(colour))) == [0, length]


@pytest.mark.parametrize("colour", BARE)
@pytest.mark.parametrize("length", [1, 3])
def test_the_last_picture_before_a_bare_end_is_a_keyframe(colour, length):
    found = keyframes(with_stretch(COFFEE, COUNT - length, length, lambda i: bare(colour)))
    assert COUNT - length - 1 in found
    assert found[0] == 0 and set(found) <= {0, COUNT - length - 1, COUNT - length}


def test_noise_on_the_black_and_letterbox_bars_change_nothing():
    rng = np.random.default_rng(3)

    def noisy(i):
        return np.clip(rng.normal(0, 8, (HEIGHT, WIDTH, 3)), 0, 255).astype(np.uint8)

    boxed = [cv2.copyMakeBorder(p[12:-12], 12, 12, 0, 0, cv2.BORDER_CONSTANT) for p in COFFEE]
    assert is_bare(noisy(0))
    for pictures in (COFFEE, boxed):
        assert keyframes(with_stretch(pictures, 30, 8, noisy)) == [0, 29, 30, 38]


@pytest.mark.parametrize("colour", ["black", "white"])
@pytest.mark.parametrize(("length", "pace"), [(5, 1.0), (15, 1.0), (30, 1.0), (15, 1.8), (30, 1.8)])
def test_a_fade_in_has_its_keyframe_where_the_picture_stands_in_full_light(colour, length, pace):
    clip = [mixed(bare(colour), p, min(1, i / length) ** pace) for i, p in enumerate(COFFEE)]
    found = keyframes(clip)
    seen = [index for index in found if not is_bare(clip[index])]
    assert length - 1 <= seen[-1] <= length + 2 and len(seen) <= (1 if pace == 1 else 2)
    assert wrong(clip, found) <= 2


@pytest.mark.parametrize("colour", ["black", "white"])
@pytest.mark.parametrize("length", [5, 15, 30])
def test_a_fade_out_has_its_keyframe_before_it_begins(colour, length):
    clip = [mixed(bare(colour), p, min(1, (COUNT - 1 - i) / length)) for i, p in enumerate(COFFEE)]
    found = [index for index in keyframes(clip) if 0 < index < COUNT - 1]
    assert len(found) == 1 and COUNT - 1 - length - 2 <= found[0] <= COUNT - 1 - length + 2
    assert wrong(clip, [0, *found]) == 0


@pytest.mark.parametrize("length", [5, 12])
def test_a_fade_through_black_has_keyframes_at_both_ends_and_at_its_darkest(length):
    def dipped(i):
        return mixed(bare("black"), COFFEE[i] if i < 30 else CAT[i], min(1, abs(i - 30) / length))

    first, before, black, after = keyframes([dipped(i) for i in range(COUNT)])
    assert first == 0 and abs(black - 30) <= 1
    assert abs(before - (30 - length)) <= 2 and -1 <= after - (30 + length) <= 2


@pytest.mark.parametrize("length", [5, 10, 20])
def test_a_dissolve_has_keyframes_where_it_begins_and_where_the_other_picture_stands(length):
    still = [COFFEE[0]] * COUNT
    clip = [mixed(a, b, min(1, max(0, (i - 20) / length))) for i, (a, b) in enumerate(zip(still, CAT, strict=True))]
    first, before, after = keyframes(clip)
    assert first == 0 and abs(before - 20) <= 3 and -2 <= after - (20 + length) <= 2


def flash(picture):
    return np.clip(2.2 * picture.astype(np.float64) + 60, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("length", [1, 2])
def test_a_flash_of_one_or_two_frames_passes(length):
    clip = with_stretch(COFFEE, 30, length, lambda i: flash(COFFEE[30 + i]))
    assert keyframes(clip) == [0]


def test_a_flash_that_fades_away_passes_where_little_of_it_is_bright():
    tail = [1.0, 0.9, 0.1, 0.05]
    clip = with_stretch(COFFEE, 30, 4, lambda i: mixed(COFFEE[30 + i], flash(COFFEE[30 + i]), tail[i]))
    assert keyframes(clip) == [0]


@pytest.mark.parametrize("length", [3, 6])
def test_a_longer_flash_has_keyframes_around_it(length):
    clip = with_stretch(COFFEE, 30, length, lambda i: flash(COFFEE[30 + i]))
    assert keyframes(clip) == [0, 29, 30, 30 + length]


@pytest.mark.parametrize("length", [3, 5])
def test_a_longer_flash_is_over_though_the_picture_has_moved_fast_meanwhile(length):
    fast = pan("coffee", step=3)
    clip = with_stretch(fast, 30, length, lambda i: flash(fast[30 + i]))
    assert {30, 30 + length} <= set(keyframes(clip))


@pytest.mark.parametrize("length", [1, 2])
def test_flashes_near_each_other_pass_one_by_one(length):
    clip = COFFEE
    for at in (20, 26, 32):
        clip = with_stretch(clip, at, length, lambda i, at=at: flash(COFFEE[at + i]))
    assert keyframes(clip) == [0]
    assert roles(clip) == {"passing": [at + i for at in (20, 26, 32) for i in range(length)]}


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_flash_at_either_end_leaves_the_scene_its_keyframe(length):
    clip = with_stretch(COFFEE, 0, length, lambda i: flash(COFFEE[i]))
    assert keyframes(clip) == [0, length]
    clip = with_stretch(COFFEE, COUNT - length, length, lambda i: flash(COFFEE[COUNT - length + i]))
    assert COUNT - length - 1 in keyframes(clip)


def test_another_scene_behind_one_black_frame_is_a_keyframe_and_the_black_one_passes():
    clip = [*COFFEE[:30], bare("black"), *CAT[31:]]
    assert keyframes(clip) == [0, 29, 31]
    assert roles(clip)["passing"] == [30]


@pytest.mark.parametrize("colour", BARE)
def test_a_clip_of_one_colour_has_one_keyframe(colour):
    assert keyframes([bare(colour)] * COUNT) == [0]


@pytest.mark.parametrize("pictures", [COFFEE, CAT, pan("coffee", step=3)])
def test_a_camera_that_moves_is_no_passage(pictures):
    assert roles(pictures) == {}


@pytest.mark.parametrize("pictures", [COFFEE, CAT])
@pytest.mark.parametrize("seed", range(4))
def test_light_that_flickers_all_the_time_neither_comes_nor_goes(pictures, seed):
    gains = np.random.default_rng(seed).uniform(0.8, 1.2, COUNT)
    lit = [np.clip(np.rint(p * gain), 0, 255).astype(np.uint8) for p, gain in zip(pictures, gains, strict=True)]
    assert keyframes(lit) == [0]


def test_a_fast_fade_that_another_scene_breaks_off_is_no_flicker():
    dark = [mixed(COFFEE[20 + i], bare("black"), i / 10) for i in range(9)]
    clip = [*COFFEE[:20], *dark, *CAT[29:]]
    assert keyframes(clip) == [0, 20, 28, 29]


def test_a_frame_leaves_when_the_next_one_is_there():
    read = []

    def source():
        for index, picture in enumerate(CAT):
            read.append(index)
            yield Frame(index, picture)

    for one in sightings(source(), VIDEO, lambda frame: False):
        assert read[-1] == min(one.frame.index + 1, COUNT - 1)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_clips_of_a_few_frames_come_through(count):
    for pictures in (COFFEE[:count], [bare("black"), *COFFEE[: count - 1]], [*COFFEE[: count - 1], bare("white")]):
        assert len(parts(pictures)) == count


def test_keyframes_by_meaning_come_due_one_by_one_and_events_may_come_early():
    busy = keyframes(COFFEE, divergence=1.0, sample_fps=0, mean_spacing_frames=15)
    assert busy == [0, 9, 25] and len(keyframes(COFFEE, divergence=1.0, sample_fps=0)) == COUNT
    clip = with_stretch(COFFEE, 6, 5, lambda i: bare("black"))
    assert keyframes(clip, mean_spacing_frames=15) == [0, 6, 11]


@pytest.mark.parametrize("fps", [24, 25, 30])
@pytest.mark.parametrize("length", [3, 6])
def test_a_flash_has_its_keyframes_and_the_scene_behind_it_too_within_the_mean_spacing(fps, length):
    clip = with_stretch(COFFEE, 30, length, lambda i: flash(COFFEE[30 + i]))
    assert keyframes(clip, fps=fps, mean_spacing_frames=15) == [0, 29, 30, 30 + length]


def test_where_there_is_not_room_for_all_of_a_flash_the_picture_before_it_gives_way():
    clip = with_stretch(COFFEE, 30, 3, lambda i: flash(COFFEE[30 + i]))
    assert keyframes(clip, mean_spacing_frames=20) == [0, 30, 33]
