"""Strategy strings: what is left out, where latents land, with and without the release's alignment."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from lgvsc.errors import ConfigError, ShapeError
from lgvsc.nets.opensora_vae import latent_frames
from lgvsc.world.backends.opensora.strategy import Given, as_reference, read_strategy, start_of, write_given


def given(**changes):
    parts = {"loop": 0, "reference": 0, "reference_start": 0, "target_start": 0, "length": 1, "edit": 0.0}
    return Given(**(parts | changes))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ()),
        ("0", (given(),)),
        ("0;0,1,0,-1,1", (given(), given(reference=1, target_start=-1))),
        ("0,0,0,0,7", (given(length=7),)),
        ("0,0,-7,0,7", (given(reference_start=-7, length=7),)),
        ("2, 1, 3, 4, 5, 0.4", (given(loop=2, reference=1, reference_start=3, target_start=4, length=5, edit=0.4),)),
    ],
)
def test_what_a_part_leaves_out_is_filled_up(text, parts):
    assert read_strategy(text) == parts


@pytest.mark.parametrize("text", ["a", "0;", "0,0,0,0,1,0,0", "-1", "0,-1", "0,0,0,0,0", "0,0,0,0,1,1.5", "0.5"])
def test_nonsense_is_refused(text):
    with pytest.raises(ConfigError, match="no part of a strategy"):
        read_strategy(text)


@pytest.mark.parametrize(("frames", "aligned"), [(17, 0), (18, 5), (34, 5), (51, 10), (52, 15), (102, 25)])
def test_alignment_moves_the_last_picture_as_the_release_does(frames, aligned):
    latents = latent_frames(frames)
    assert start_of(-1, latents, 5) == aligned
    assert start_of(-1, latents, None) == latents - 1


@pytest.mark.parametrize(("start", "place"), [(0, 0), (2, 0), (3, 5), (7, 5), (8, 10), (12, 10), (13, 10)])
def test_a_start_goes_to_the_nearest_chunk_but_never_behind_the_last_whole_one(start, place):
    assert start_of(start, 15, 5) == place


def clips(*lengths):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(4, length, 2, 3, generator=generator) for length in lengths]


def test_first_and_last_picture_stay_and_the_rest_is_made():
    z, first, last = clips(15, 1, 1)
    made, mask = write_given(z, [first, last], read_strategy("0;0,1,0,-1,1"), align=None)
    assert torch.equal(made[:, :1], first) and torch.equal(made[:, -1:], last)
    assert torch.equal(made[:, 1:-1], z[:, 1:-1])
    assert mask is not None and mask.tolist() == [0.0] + 13 * [1.0] + [0.0]


def test_in_one_chunk_the_aligned_last_picture_overwrites_the_first():
    z, first, last = clips(5, 1, 1)
    made, mask = write_given(z, [first, last], read_strategy("0;0,1,0,-1,1"))
    assert torch.equal(made[:, :1], last) and not torch.equal(made[:, :1], first)
    assert mask is not None and mask.tolist() == [0.0, 1.0, 1.0, 1.0, 1.0]


def test_the_end_of_a_video_begins_another_and_its_length_is_bounded():
    z, video = clips(8, 6)
    made, mask = write_given(z, [video], read_strategy("0,0,-5,0,9,0.3"), align=None)
    assert torch.equal(made[:, :5], video[:, 1:])
    assert mask is not None and torch.equal(mask, torch.tensor([0.3] * 5 + [1.0] * 3))


def test_only_the_parts_of_a_round_count_and_the_noise_is_left_alone():
    z, picture = clips(5, 1)
    before = z.clone()
    made, mask = write_given(z, [picture], read_strategy("1"), loop=0)
    assert mask is None and torch.equal(made, z)
    made, mask = write_given(z, [picture], read_strategy("1"), loop=1)
    assert mask is not None and torch.equal(made[:, :1], picture)
    assert torch.equal(z, before)


@pytest.mark.parametrize("text", ["0,1", "0,0,1", "0,0,-2", "0,0,0,5", "0,0,0,-6"])
def test_what_does_not_exist_is_refused(text):
    z, picture = clips(5, 1)
    with pytest.raises(ShapeError):
        write_given(z, [picture], read_strategy(text), align=None)


def test_another_size_is_refused():
    z, _ = clips(5, 1)
    with pytest.raises(ShapeError, match="do not fit"):
        write_given(z, [torch.zeros(4, 1, 2, 2)], read_strategy("0"))


@pytest.mark.parametrize(
    ("size", "scaled", "corner"),
    [
        ((30, 40), (30, 53), (0, 6)),
        ((40, 30), (40, 71), (0, 20)),
        ((20, 64), (36, 64), (8, 0)),
        ((27, 48), (27, 48), (0, 0)),
    ],
)
def test_a_still_covers_the_size_and_its_centre_is_kept(size, scaled, corner):
    """54 x 96 pixels: the larger of both ratios scales, half the excess is cut off, rounded (13 to 6, 41 to 20)."""
    picture = np.random.default_rng(0).integers(0, 256, (54, 96, 3), dtype=np.uint8)
    expected = np.asarray(Image.fromarray(picture).resize(scaled[::-1], Image.Resampling.BICUBIC), np.float32)
    expected = expected[corner[0] : corner[0] + size[0], corner[1] : corner[1] + size[1]]
    made = as_reference([picture], *size)
    assert made.shape == (1, 3, 1, *size)
    assert np.allclose(made[0, :, 0].permute(1, 2, 0), expected / 255 * 2 - 1, atol=1e-6)


def test_a_video_is_scaled_between_the_centres_of_its_pixels():
    """Half the size, without aligned corners: the mean of two by two pixels; of 3 columns too many, one goes left."""
    video = np.random.default_rng(0).integers(0, 256, (2, 8, 22, 3), dtype=np.uint8)
    means = video.astype(np.float32).reshape(2, 4, 2, 11, 2, 3).mean(axis=(2, 4))
    made = as_reference(list(video), 4, 8)
    assert made.shape == (1, 3, 2, 4, 8)
    assert np.allclose(made[0].permute(1, 2, 3, 0), means[:, :, 1:9] / 127.5 - 1, atol=1e-5)
