"""The compact world model behind the protocol of all world models, with a small untrained network."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from safetensors.torch import save

from lgvsc.core.interfaces import Conditions
from lgvsc.core.message import Motion
from lgvsc.core.video import VideoFormat
from lgvsc.errors import InputError
from lgvsc.nets.compact_world import WORDS, CompactWorld
from lgvsc.world.backends.compact.compact_world import (
    SHARPENING,
    CompactWorldModel,
    between,
    hashed_words,
    latent_place,
    load,
    scene_of,
    sharpened,
    sharpening,
    sketches_of,
)
from lgvsc.world.backends.compact.interpolation import views


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    net = CompactWorld.tiny()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape))
    return net


def noise_picture(seed, height=40, width=56):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def conditions(net_frames=2, stop=8, **changes):
    given = {
        "video": VideoFormat(40, 56, Fraction(24)),
        "start": 0,
        "stop": stop,
        "first": noise_picture(1),
        "last": noise_picture(2),
        "last_index": stop,
        "caption": "green field, then a red car",
        "motion": Motion(score=2.0, pan=0.1),
        "cut": None,
        "latent_frames": net_frames,
        "seed": 5,
    }
    return Conditions(**(given | changes))


def made(net, temperature=1.0, **changes):
    return np.stack(list(CompactWorldModel(net, temperature).generate(conditions(**changes))))


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5, 9, 16, 17])
def test_every_length_is_made_exactly(net, frames):
    model = CompactWorldModel(net)
    latent_frames = model.latent_frames(frames)
    assert latent_frames == -(-frames // 4)
    video = made(net, net_frames=latent_frames, stop=frames, last_index=frames)
    assert video.shape == (frames, 40, 56, 3) and video.dtype == np.uint8


def test_half_precision_stays_near_and_leaves_keyframes_alone(net):
    videos = [
        np.stack(list(CompactWorldModel(net, 0.5, precision).generate(conditions())))
        for precision in ("float32", "bfloat16")
    ]
    difference = np.abs(videos[0].astype(int) - videos[1])
    assert difference.max() <= 8 and difference.mean() < 0.6
    assert not difference[0].any()


def test_the_keyframe_is_shown_where_it_stands(net):
    assert np.array_equal(made(net)[0], noise_picture(1))
    assert np.array_equal(made(net, last_index=7)[7], noise_picture(2))


def test_equal_seeds_make_equal_videos_and_others_do_not(net):
    assert np.array_equal(made(net), made(net))
    assert not np.array_equal(made(net), made(net, seed=6))
    assert np.array_equal(made(net, temperature=0.0), made(net, temperature=0.0, seed=6))


@pytest.mark.parametrize(
    "change",
    [
        {"first": noise_picture(3)},
        {"last": noise_picture(3)},
        {"first": None},
        {"last": None},
        {"motion": Motion(score=9.0, pan=-0.3)},
        {"net_frames": 4},
    ],
    ids=["first", "last", "no first", "no last", "motion", "latent size"],
)
def test_what_is_received_matters(net, change):
    assert not np.array_equal(made(net)[4], made(net, **change)[4])


def drawing(seed, height=40, width=56):
    return np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)


def test_sketches_stand_at_their_frames_and_each_frame_takes_the_nearest():
    c = conditions(motion=None, stop=12, sketches=((2, drawing(1)), (6, drawing(2)), (9, drawing(3))))
    drawn, near = sketches_of(c, 6)
    assert near == [1.0, 1.0]
    assert np.array_equal(drawn[..., 0], drawing(2)) and np.array_equal(drawn[..., 1], drawing(2))
    drawn, near = sketches_of(c, 8)
    assert np.array_equal(drawn[..., 0], drawing(2)) and np.array_equal(drawn[..., 1], drawing(3))
    assert 0 < near[0] < near[1] < 1
    drawn, near = sketches_of(c, 0)
    assert near[0] == 0.0 and not drawn[..., 0].any() and np.array_equal(drawn[..., 1], drawing(1))
    assert sketches_of(conditions(), 3)[1] == [0.0, 0.0]


def test_a_sketch_is_moved_as_the_camera_moved():
    edge = np.zeros((40, 56), np.uint8)
    edge[:, 20] = 255
    c = conditions(motion=Motion(pan=0.25), stop=8, sketches=((0, edge),))
    columns = [int(sketches_of(c, index)[0][20, :, 0].argmax()) for index in range(8)]
    assert columns[0] == 20 and columns == sorted(columns) and columns[-1] > 26


@pytest.mark.parametrize("first", [None, noise_picture(1)], ids=["no keyframe", "keyframe"])
def test_sketches_change_the_frames_that_they_are_near_to(net, first):
    assert CompactWorldModel(net).takes_sketches
    without = made(net, first=first, last=None)
    drawn = made(net, first=first, last=None, sketches=((4, drawing(1)),))
    other = made(net, first=first, last=None, sketches=((4, drawing(2)),))
    assert not np.array_equal(without[4], drawn[4]) and not np.array_equal(drawn[4], other[4])


def test_a_colour_layout_stands_in_for_the_keyframes_that_are_missing():
    colours = np.full((8, 8, 3), (200, 30, 30), np.uint8)
    c = conditions(first=noise_picture(1), last=None, colours=colours)
    pictures = scene_of(c, [views(c)(3)], [3]).candidates[0].unflatten(0, (5, 3))[:, :, :40, :56]
    red = pictures.mean((2, 3))
    for place in (1, 3):  # the last keyframe, moved and unmoved
        assert red[place].tolist() == pytest.approx([200 / 255, 30 / 255, 30 / 255], abs=0.01)
    assert torch.equal(pictures[0], pictures[4]) and red[0].std() < 0.1  # the first one, as ever
    both = conditions(colours=colours)
    assert torch.equal(
        scene_of(both, [views(both)(3)], [3]).candidates, scene_of(conditions(), [views(both)(3)], [3]).candidates
    )


def test_words_matter_even_beside_pictures(net):
    with torch.no_grad():
        net.dreamer.words.weight[:WORDS].normal_(0, 3)
    assert not np.array_equal(made(net)[4], made(net, caption="night street")[4])


def test_words_alone_make_a_video(net):
    video = made(net, first=None, last=None, caption="blue sky above a green field")
    assert video.shape == (8, 40, 56, 3)
    assert video.std() > 2


def test_frames_far_from_keyframes_are_sharpened_and_keyframes_are_not():
    amounts = [sharpening(conditions(stop=32), index) for index in range(32)]
    assert amounts[0] == 0 and max(amounts) == amounts[16] == SHARPENING
    assert sharpening(conditions(stop=16), 8) < SHARPENING and sharpening(conditions(stop=4), 2) == 0
    assert sharpening(conditions(stop=32, first=None, last=None), 16) == 0
    assert sharpening(conditions(stop=32, last=None, last_index=31), 31) > 0.9 * SHARPENING
    step = np.zeros((8, 8, 3), np.float32)
    step[:, 4:] = 0.5
    assert np.abs(np.diff(sharpened(step, 0.2), axis=1)).max() > 0.5 and sharpened(step, 0.0) is step


def test_nothing_is_dreamt_across_a_cut(net):
    video = made(net, cut=3)
    assert all(np.array_equal(frame, noise_picture(1)) for frame in video[:3])
    assert all(np.array_equal(frame, noise_picture(2)) for frame in video[3:])


@pytest.mark.parametrize("cut", [1, 4, 7, 8])
def test_either_side_of_a_cut_is_made_from_its_own_sketches(net, cut):
    both = ((0, drawing(1)), (6, drawing(2)))
    given = {"first": None, "last": None, "cut": cut, "colours": np.full((8, 8, 3), 90, np.uint8)}
    video, other = (made(net, sketches=s, **given) for s in (both, (both[0], (6, drawing(3)))))
    assert video.shape == (8, 40, 56, 3)
    assert np.array_equal(video[:cut], other[:cut]) == (cut <= 6)  # nothing of the other shot shows
    assert not np.array_equal(video[6], other[6])
    assert not np.array_equal(video[0], made(net, **given)[0])


def test_latents_are_interpolated_between_their_places():
    latents = torch.tensor([0.0, 1.0, 2.0]).view(3, 1, 1, 1)
    c = conditions(stop=12)
    places = [latent_place(c, index, 3) for index in range(12)]
    values = [float(between(latents, place)) for place in places]
    assert values == sorted(values) and values[0] == 0.0 and values[-1] == 2.0
    assert float(between(latents[:1], 0.7)) == 0.0


def test_words_have_numbers_of_their_own_on_every_machine():
    words = hashed_words("A red car; a RED car!")
    assert words.tolist()[:6] == [words[0], words[1], words[2]] * 2
    assert words[1] == 3983 and words[6] == WORDS
    assert (hashed_words(None) == WORDS).all()


def test_weights_survive_the_file(net):
    again = load(save(net.state_dict(), {"config": net.config.to_json()}))
    given = conditions(first=None)
    one, other = (next(model.generate(given)) for model in (again, CompactWorldModel(net, again.temperature)))
    assert np.array_equal(one, other)


def test_other_weights_are_refused(net):
    with pytest.raises(InputError, match="compact world model"):
        load(save({"painter.x": torch.zeros(1)}, {"config": net.config.to_json()}))
    with pytest.raises(InputError):
        load(b"no weights")
