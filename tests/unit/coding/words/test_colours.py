"""Colour layouts: what 107 bits keep of a picture's colours."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lgvsc.coding.words.colours import COLOUR_BITS, decode_colours, encode_colours
from lgvsc.errors import ShapeError


def flat(colour):
    return np.full((8, 8, 3), colour, np.uint8)


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (128, 128, 128), (200, 40, 30), (20, 60, 160)])
def test_a_flat_colour_comes_back_to_within_its_steps(colour):
    """Half a step: 2 levels of luma (steps of 32 over 8), 1 to 2.6 of each chroma, which weigh up to 1.8 in blue."""
    back = decode_colours(encode_colours(flat(colour)))
    assert np.ptp(back.reshape(-1, 3), axis=0).max() == 0
    assert np.abs(back[0, 0].astype(int) - colour).max() <= 8


def test_top_and_bottom_left_and_right_keep_their_places():
    sky_over_grass = flat((120, 170, 230))
    sky_over_grass[4:] = (60, 110, 40)
    red_on_the_right = flat((90, 90, 90))
    red_on_the_right[:, 5:] = (190, 40, 40)
    back = decode_colours(encode_colours(sky_over_grass)).astype(int)
    assert back[0, :, 2].min() > back[7, :, 2].max() + 80  # blue above
    back = decode_colours(encode_colours(red_on_the_right)).astype(int)
    red = back[..., 0] - back[..., 1]
    assert red[:, 7].min() > red[:, 0].max() + 60


def test_natural_layouts_come_back_nearly():
    """Smooth layouts lose less than six levels, or a quarter of their own deviation."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        coarse = rng.integers(40, 216, (2, 2, 1)) + rng.uniform(-25, 25, (2, 2, 3))  # light varies most
        weight = np.linspace(0, 1, 8)
        rows = coarse[0] + weight[:, None, None] * (coarse[1] - coarse[0])
        layout = rows[:, 0][:, None] + weight[None, :, None] * (rows[:, 1] - rows[:, 0])[:, None]
        back = decode_colours(encode_colours(np.rint(layout).astype(np.uint8)))
        assert np.sqrt(np.mean((back - layout) ** 2)) < max(6.0, 0.25 * layout.std())


@given(st.lists(st.integers(0, 1), min_size=COLOUR_BITS, max_size=COLOUR_BITS))
def test_any_bits_are_colours(bits):
    back = decode_colours(np.array(bits, np.uint8))
    assert back.shape == (8, 8, 3) and back.dtype == np.uint8


@given(st.integers(0, 2**32 - 1))
def test_any_picture_has_its_bits(seed):
    bits = encode_colours(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8))
    assert bits.shape == (COLOUR_BITS,) and set(bits.tolist()) <= {0, 1}


def test_other_shapes_are_refused():
    with pytest.raises(ShapeError, match="8x8"):
        encode_colours(np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(ShapeError, match="107 bits"):
        decode_colours(np.zeros(106, np.uint8))
