"""The formats in which a group of pictures can be coded."""

import numpy as np
import pytest

from lgvsc.coding.frames.formats import (
    EIGHTHS,
    JUDGED_EVERY,
    STEPS,
    Format,
    Gop,
    beside,
    likely_format,
    middle_of_step,
    picture_at,
    picture_count,
    sharper,
)


def gop_of(length: int, height: int = 64, width: int = 96) -> Gop:
    gop = Gop(0, height, width)
    for level in range(length):
        gop.add(np.full((height, width, 3), level, np.uint8))
    return gop


@pytest.mark.parametrize("length", [1, 2, 5, 6, 7, 24])
@pytest.mark.parametrize("step", [1, 2, 3, 6])
def test_each_coded_picture_stands_for_the_frames_around_it(length, step):
    coded_frames = list(range(middle_of_step(step, length), length, step))
    assert picture_count(length, step) == len(coded_frames)
    for frame in range(length):
        shown = coded_frames[picture_at(frame, step, len(coded_frames))]
        whole_group = frame - frame % step + step <= length
        assert abs(shown - frame) <= (max(step // 2, step - 1 - step // 2) if whole_group else step - 1)


@pytest.mark.parametrize("step", STEPS)
def test_one_frame_stands_for_every_step_and_all_for_the_whole_group(step):
    for length in (1, 2, 7, 25, 240, 1023):
        pictures = picture_count(length, step)
        assert pictures >= 1 and middle_of_step(step, length) < length
        shown = [picture_at(frame, step, pictures) for frame in range(length)]
        assert shown == sorted(shown) and set(shown) == set(range(pictures))
        assert step < length or pictures == 1


def test_what_is_coded_has_the_formats_size_and_one_picture_for_each_step():
    gop = gop_of(20)
    for format in (Format(8, 1), Format(4, 3), Format(1, 1023)):
        pictures = gop.pictures(format)
        assert len(pictures) == picture_count(20, format.step)
        assert {(picture.height, picture.width) for picture in pictures} == {gop.size(format)}
    luma = [round(float(np.mean(picture.to_ndarray()[:64]))) for picture in gop.pictures(Format(8, 6))]
    assert luma == sorted(luma) and len(set(luma)) == 3  # the third frame, the ninth and the fifteenth


def test_frames_to_judge_by_miss_no_phase_of_a_step():
    gop = gop_of(100)
    assert sorted(gop.judged) == list(range(0, 100, JUDGED_EVERY))
    for step in (step for step in STEPS if step < JUDGED_EVERY):
        assert {frame % step for frame in gop.judged} == set(range(step))


def test_the_next_format_has_fewer_pixels_or_more_until_there_is_none():
    assert beside(Format(5, 4), False, 1) == Format(4, 4) and beside(Format(5, 4), False, -1) == Format(6, 4)
    assert beside(Format(5, 4), True, 1) == Format(5, 6) and beside(Format(5, 4), True, -1) == Format(5, 3)
    assert beside(Format(EIGHTHS[-1], 1), False, 1) is None and beside(Format(EIGHTHS[0], 1), False, -1) is None
    assert beside(Format(8, STEPS[-1]), True, 1) is None and beside(Format(8, STEPS[0]), True, -1) is None
    assert sharper(Format(4, 6)) == Format(5, 8)
    assert sharper(Format(8, 1)) is None and sharper(Format(4, 1023)) is None


def test_the_fewer_bytes_the_fewer_pixels_are_likely():
    gop = gop_of(24)
    formats = [likely_format(gop, room) for room in (2, 6, 20, 50, 100, 250, 10_000)]
    pixels = [(format.eighths / 8) ** 2 / format.step for format in formats]
    assert pixels == sorted(pixels) and len(set(formats)) == len(formats)
