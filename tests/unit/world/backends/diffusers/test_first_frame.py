"""A first frame made of a sketch, in front of a world model that knows none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from world_pieces import Notebook, picture

from lgvsc.core.interfaces import Conditions
from lgvsc.core.video import VideoFormat
from lgvsc.world.backends.diffusers.first_frame import FirstFrameWorld
from lgvsc.world.decoder import takes_sketches

CONDITIONS = Conditions(
    video=VideoFormat(6, 8, 4, 8), start=8, stop=16, first=None, last=None, last_index=16, caption="a boat",
    motion=None, cut=None, latent_frames=2, seed=5,
    sketches=((8, np.full((6, 8), 9, np.uint8)), (9, np.zeros((6, 8), np.uint8))),
)  # fmt: skip


class Colours:
    def __init__(self):
        self.asked = []

    def make(self, sketch, caption, video, seed):
        self.asked.append((int(sketch[0, 0]), caption, (video.height, video.width), seed))
        return picture(77)


def made(conditions):
    world, colours, loaded = Notebook(), Colours(), []
    wrapped = FirstFrameWorld(world, "colours", lambda: loaded.append(1) or colours)
    assert takes_sketches(wrapped) and wrapped.latent_frames(8) == world.latent_frames(8)
    assert len(list(wrapped.generate(conditions))) == 8
    return world.asked[0], colours.asked, loaded


def test_the_first_sketch_becomes_the_first_picture():
    asked, coloured, _ = made(CONDITIONS)
    assert coloured == [(9, "a boat", (6, 8), 5)]
    assert asked.first[0, 0, 0] == 77 and asked.sketches == ()


def test_nothing_is_loaded_where_the_picture_itself_arrived_or_the_first_frame_has_no_sketch():
    received, coloured, loaded = made(replace(CONDITIONS, first=picture(3)))
    assert received.first[0, 0, 0] == 3 and not coloured and not loaded
    asked, coloured, loaded = made(replace(CONDITIONS, sketches=CONDITIONS.sketches[1:]))
    assert asked.first is None and not coloured and not loaded
