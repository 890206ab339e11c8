"""Side information: 32 bits, saturating, and stable once it has been quantised."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lgvsc.coding.words.colours import COLOUR_BITS
from lgvsc.coding.words.side import (
    MOTION_BITS,
    SCORE,
    SHIFT,
    ZOOM,
    decode_motion,
    decode_side,
    encode_motion,
    encode_side,
    side_bits,
    side_kinds,
)
from lgvsc.core.message import CAMERAS, Motion
from lgvsc.errors import ShapeError

motions = st.builds(
    Motion,
    score=st.floats(0, 300),
    camera=st.sampled_from(CAMERAS),
    pan=st.floats(-8, 8),
    tilt=st.floats(-8, 8),
    zoom=st.floats(-4, 4),
)


@given(motions)
def test_what_has_been_quantised_comes_back_exactly(motion):
    bits = encode_motion(motion)
    assert bits.shape == (MOTION_BITS,) and bits.dtype == np.uint8 and set(bits.tolist()) <= {0, 1}
    once = decode_motion(bits)
    assert decode_motion(encode_motion(once)) == once
    assert once.camera == motion.camera


@pytest.mark.parametrize(("scale", "top", "worst"), [(SCORE, 100.0, 0.042), (SHIFT, 5.0, 0.02), (ZOOM, 2.5, 0.033)])
def test_the_error_is_half_a_step_fine_at_zero_and_relative_above(scale, top, worst):
    """Half of the first step near zero; far from it, half of the relative step that the table states."""
    for value in np.linspace(-top if scale.signed else 0, top, 501):
        back = scale.value(scale.quantise(float(value)))
        assert abs(back - value) <= 0.5 * scale.step * (1 + scale.growth) + worst * abs(value)


def test_signs_survive():
    sent = Motion(score=3.0, camera="pan right", pan=-0.25, tilt=0.5, zoom=-0.1)
    back = decode_motion(encode_motion(sent))
    assert back.camera == "pan right"
    for name, scale in (("score", SCORE), ("pan", SHIFT), ("tilt", SHIFT), ("zoom", ZOOM)):
        value = getattr(sent, name)
        half_a_step = 0.5 * (scale.step + scale.growth * abs(value)) * (1 + scale.growth)
        assert getattr(back, name) == pytest.approx(value, abs=half_a_step)


def test_values_beyond_the_scale_saturate():
    back = decode_motion(encode_motion(Motion(score=math.inf, pan=-1e300, tilt=math.inf, zoom=99.0)))
    assert back.score == SCORE.value(SCORE.largest)
    assert back.pan == -SHIFT.value(SHIFT.largest)
    assert back.tilt == SHIFT.value(SHIFT.largest)
    assert back.zoom == ZOOM.value(ZOOM.largest)
    assert decode_motion(encode_motion(Motion(score=math.nan, pan=math.nan))) == Motion()
    assert decode_motion(encode_motion(Motion(score=-3.0))).score == 0.0


def test_no_bits_that_could_arrive_are_an_error():
    """Every pattern means something finite, the unused camera word and the code without a positive twin too."""
    rng = np.random.default_rng(0)
    patterns = [
        np.ones(MOTION_BITS, np.uint8),
        np.zeros(MOTION_BITS, np.uint8),
        *rng.integers(0, 2, (200, MOTION_BITS)),
    ]
    patterns += [np.eye(MOTION_BITS, dtype=np.uint8)[i] for i in range(MOTION_BITS)]
    for bits in patterns:
        motion = decode_motion(bits.astype(np.uint8))
        assert all(math.isfinite(v) for v in (motion.score, motion.pan, motion.tilt, motion.zoom))
        assert decode_motion(encode_motion(motion)) == motion


@pytest.mark.parametrize("motion", [None, Motion(score=2.0, camera="zoom in", zoom=0.2)], ids=["no motion", "motion"])
@pytest.mark.parametrize("colours", [None, np.full((8, 8, 3), 90, np.uint8)], ids=["no colours", "colours"])
def test_a_block_holds_motion_colours_either_or_neither(motion, colours):
    kinds = side_kinds(motion, colours)
    bits = encode_side(motion, colours)
    assert len(bits) == side_bits(kinds) == MOTION_BITS * (motion is not None) + COLOUR_BITS * (colours is not None)
    moved, coloured = decode_side(bits, kinds)
    assert (moved is None) == (motion is None) and (moved is None or moved.camera == "zoom in")
    assert (coloured is None) == (colours is None) and (coloured is None or abs(int(coloured.mean()) - 90) < 4)


def test_motion_is_at_most_five_bytes_and_of_no_other_length():
    assert MOTION_BITS <= 40
    with pytest.raises(ShapeError, match=str(MOTION_BITS)):
        decode_motion(np.zeros(MOTION_BITS - 1, np.uint8))
