from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lgvsc.core.video import VideoFormat
from lgvsc.world.backends.diffusers.plan import internal_size, latent_length, rounds, stretched, whole_length

KINDS = [(4, 5, 81), (4, 1, 81), (8, 9, 161), (4, 5, 17), (8, 9, 17), (4, 1, 17)]  # step, overlap, longest clip


@pytest.mark.parametrize(
    ("frames", "by_four", "by_eight"), [(1, 1, 1), (2, 5, 9), (5, 5, 9), (10, 13, 17), (81, 81, 81)]
)
def test_lengths_are_those_that_the_pipelines_make(frames, by_four, by_eight):
    """From the pipelines' own documentation: 4k+1 and 8k+1 frames, and (n - 1) / step + 1 latents."""
    assert (whole_length(frames, 4), whole_length(frames, 8)) == (by_four, by_eight)
    assert latent_length(by_four, 4) == (by_four + 3) // 4


@given(frames=st.integers(1, 700), kind=st.sampled_from(KINDS))
def test_rounds_cover_every_place_once_and_end_on_the_keyframe(frames, kind):
    step, overlap, longest = kind
    plan = rounds(frames, step, overlap, longest)
    new = [place for part in plan for place in range(part.start + part.context, part.stop)]
    assert new == list(range(frames + 1))
    assert plan[0].context == 0 and all(part.context == overlap for part in plan[1:])
    for part in plan:
        assert part.made % step == 1 and part.places <= part.made <= longest and part.made - part.places < step
        assert part.places > part.context + (frames > longest)  # the last round also has a frame of the segment itself
    assert (len(plan) == 1) == (frames < longest)


def test_a_stretched_clip_keeps_both_ends():
    assert stretched(2, 5) == [0, 4] and stretched(4, 5) == [0, 1, 3, 4] and stretched(5, 5) == [0, 1, 2, 3, 4]
    assert stretched(1, 1) == [0]


@given(height=st.integers(2, 1200), width=st.integers(2, 1200), multiple=st.sampled_from([16, 32]))
def test_sizes_are_multiples_near_the_area(height, width, multiple):
    if not 1 / 4 < height / width < 4:
        return
    rows, columns = internal_size(VideoFormat(height=height, width=width, fps=Fraction(24)), 480 * 854, multiple)
    assert rows % multiple == columns % multiple == 0
    assert abs(rows * columns / (480 * 854) - 1) < 0.15


def test_a_wide_video_is_made_in_the_size_that_wan_was_trained_on():
    wide = VideoFormat(height=1080, width=1920, fps=Fraction(24))
    assert internal_size(wide, 480 * 832, 16) == (480, 848) or internal_size(wide, 480 * 832, 16) == (480, 832)
