"""The transmitter sends a keyframe by the road that looks best at the far end."""

import numpy as np
import pytest
import torch

from lgvsc.coding.pictures.roads import PictureRoads, structurally_alike, visibly_alike
from lgvsc.core.air import Reception
from lgvsc.core.interfaces import CodedPicture, PictureHeader
from lgvsc.errors import ConfigError


class Analogue:
    """Sends grey levels of a picture's rows as they are: good on a clean channel, bad on a noisy one."""

    name, codec = "analogue", 1

    def encode(self, picture, *, max_symbols, snr_db):
        if max_symbols < len(picture):
            raise ConfigError("too few symbols")
        rows = torch.from_numpy(picture[:, 0, 0].astype(np.float32) / 127.5 - 1)
        return CodedPicture(torch.complex(rows, torch.zeros_like(rows)), self.codec, len(rows), 0)

    def symbol_count(self, length, mode, height, width):
        return length

    def decode(self, received, length, mode, height, width):
        rows = ((received.symbols.real.numpy() + 1) * 127.5).clip(0, 255)
        return np.broadcast_to(rows[:, None, None], (height, width, 3)).astype(np.uint8)


class Digital:
    """Sends every picture with an error of 6 grey levels, whatever the channel."""

    name, codec = "digital", 0

    def encode(self, picture, *, max_symbols, snr_db):
        expected = (picture.astype(int) + 6 * np.sign(np.indices(picture.shape[:2]).sum(0) % 2 - 0.5)[..., None]).clip(
            0, 255
        )
        return CodedPicture(torch.ones(4, dtype=torch.complex64), 0, 4, 0, 32, expected.astype(np.uint8))

    def symbol_count(self, length, mode, height, width):
        return length

    def decode(self, received, length, mode, height, width):
        return None


def ramp():
    return np.broadcast_to(np.linspace(20, 230, 64).astype(np.uint8)[:, None, None], (64, 48, 3)).copy()


def test_the_better_road_at_the_believed_snr_is_taken():
    roads = PictureRoads([Digital(), Analogue()])
    assert roads.encode(ramp(), max_symbols=100, snr_db=60.0).codec == 1
    assert roads.encode(ramp(), max_symbols=100, snr_db=0.0).codec == 0


def test_what_is_alike_can_be_said_by_another():
    roads = PictureRoads([Digital(), Analogue()], alike=lambda picture, seen: float((seen != picture).mean()))
    assert roads.encode(ramp(), max_symbols=100, snr_db=60.0).codec == 0  # the most unlike


def test_grain_is_visibly_more_alike_than_none_and_structurally_less():
    noise = np.random.default_rng(0)
    base = np.kron(noise.integers(60, 200, (24, 24, 3)), np.ones((8, 8, 1))).astype(int)
    grainy, other = (np.clip(base + noise.normal(0, 14, base.shape), 0, 255).astype(np.uint8) for _ in range(2))
    smooth = base.astype(np.uint8)
    assert visibly_alike(grainy, other) > visibly_alike(grainy, smooth)
    assert structurally_alike(grainy, other) < structurally_alike(grainy, smooth)
    assert visibly_alike(grainy[:20, :20], smooth[:20, :20]) == structurally_alike(grainy[:20, :20], smooth[:20, :20])


def test_for_a_channel_that_may_be_worse_the_road_is_taken_that_ends_in_no_cliff():
    roads = PictureRoads([Digital(), Analogue()])
    assert roads.encode(ramp(), max_symbols=100, snr_db=0.0, lasting=True).codec == 1
    assert roads.encode(ramp(), max_symbols=10, snr_db=0.0, lasting=True).codec == 0
    assert PictureRoads([Digital()]).encode(ramp(), max_symbols=100, snr_db=0.0, lasting=True).codec == 0
    assert roads.analogue and not PictureRoads([Digital()]).analogue


def test_a_road_that_cannot_is_passed_over():
    roads = PictureRoads([Digital(), Analogue()])
    assert roads.encode(ramp(), max_symbols=10, snr_db=60.0).codec == 0
    with pytest.raises(ConfigError, match="too few"):
        PictureRoads([Analogue()]).encode(ramp(), max_symbols=10, snr_db=60.0)


def test_the_receiver_reads_by_the_number_on_the_air():
    roads = PictureRoads([Digital(), Analogue()])
    sent = roads.encode(ramp(), max_symbols=100, snr_db=60.0)
    received = Reception(sent.symbols, torch.zeros(64))
    assert np.abs(roads.decode(received, PictureHeader(1, 64, 0), 64, 48).astype(int) - ramp()).max() <= 1
    assert roads.decode(received, PictureHeader(3, 64, 0), 64, 48) is None, "a road that this receiver does not have"
    assert roads.symbol_count(PictureHeader(3, 64, 0), 64, 48) == 0
    assert roads.symbol_count(PictureHeader(1, 0, 0), 64, 48) == 0


def test_two_roads_with_one_number_are_refused():
    with pytest.raises(ConfigError):
        PictureRoads([Digital(), Digital()])
    with pytest.raises(ConfigError):
        PictureRoads([])


def test_a_picture_by_a_road_that_is_not_sent_with_is_read_all_the_same():
    wanted = []
    roads = PictureRoads([Digital()], lambda number: wanted.append(number) or (Analogue() if number == 1 else None))
    sent = Analogue().encode(ramp(), max_symbols=100, snr_db=60.0)
    received = Reception(sent.symbols, torch.zeros(len(sent.symbols)))
    assert roads.symbol_count(PictureHeader(1, 64, 0), 64, 48) == 64
    assert np.abs(roads.decode(received, PictureHeader(1, 64, 0), 64, 48).astype(int) - ramp()).max() <= 1
    assert (
        roads.symbol_count(PictureHeader(3, 64, 0), 64, 48) == 0
        and roads.decode(received, PictureHeader(3, 64, 0), 64, 48) is None
    )
    assert set(wanted) == {1, 3}
    wanted.clear()
    assert roads.symbol_count(PictureHeader(1, 0, 0), 64, 48) == 0 and not wanted  # nothing was sent, nothing is loaded
