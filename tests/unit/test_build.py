"""What a configuration is made into: keyframes at the look that both ends agree on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from lgvsc import build
from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import seeded
from lgvsc.coding.pictures.ntscc import NtsccPictureCodec
from lgvsc.config import Config, load_config


def at_look(look: float) -> Config:
    """A configuration of a transmitter that advises a look, by the learned code alone."""
    config = load_config(preset="compact", settings={"models.picture_codecs": ["compact-ntscc"]})
    return config.model_copy(update={"coding": replace(config.coding, look=look)})


def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)


def test_what_is_sent_follows_the_look_that_is_advised_and_what_is_shown_follows_the_receiver():
    faithful, vivid = (build.picture_roads(at_look(look)) for look in (0.0, 1.0))
    sent = [roads.encode(picture(), max_symbols=400, snr_db=10.0) for roads in (faithful, vivid)]
    assert not torch.equal(sent[0].symbols, sent[1].symbols)
    heard = AwgnChannel(10.0, seeded(0))(sent[1].symbols)
    shown = {
        (roads, look): roads.decode(heard, sent[1].header, 64, 64, look)
        for roads in (faithful, vivid)
        for look in (None, 0.0, 1.0)
    }
    for look in (None, 0.0, 1.0):  # what a receiver was configured to send does not change what it shows
        assert np.array_equal(shown[faithful, look], shown[vivid, look])
    assert np.array_equal(shown[faithful, None], shown[faithful, 0.0])
    assert not np.array_equal(shown[faithful, 0.0], shown[faithful, 1.0])


@pytest.mark.parametrize("own", [0.0, 1.0])
def test_a_receiver_with_a_look_of_its_own_heeds_no_advice(own):
    roads = build.picture_roads(at_look(1.0 - own), own)
    coded = roads.encode(picture(), max_symbols=400, snr_db=10.0)
    heard = AwgnChannel(10.0, seeded(0))(coded.symbols)
    expected = build.looks(own)[NtsccPictureCodec.codec].decode(heard, coded.length, coded.mode, 64, 64)
    for advised in (None, 0.0, 1.0):
        assert np.array_equal(roads.decode(heard, coded.header, 64, 64, advised), expected)
