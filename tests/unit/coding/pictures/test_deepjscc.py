"""Pictures and sketches as analogue symbols, with an untrained network: counts, power, losses, sizes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import seeded
from lgvsc.coding.pictures.deepjscc import (
    DeepJsccPictureCodec,
    DeepJsccSketchCodec,
    load_net,
    to_reals,
    to_symbols,
)
from lgvsc.core.air import Reception
from lgvsc.errors import ConfigError, InputError, ShapeError
from lgvsc.nets.deepjscc import DeepJscc


def net(colours: int = 3, reals: int = 4) -> DeepJscc:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return DeepJscc.tiny(colours, reals)


PICTURES = DeepJsccPictureCodec(net(3, 16))
SKETCHES = DeepJsccSketchCodec(net(1, 2))


def picture(height: int, width: int) -> np.ndarray:
    rows, columns = np.indices((height, width))
    return np.stack([rows * 3 % 256, columns * 2 % 256, (rows + columns) % 256], -1).astype(np.uint8)


def arrived(symbols: torch.Tensor, snr_db: float = 10.0) -> Reception:
    return AwgnChannel(snr_db, seeded(0))(symbols)


@given(st.integers(16, 90), st.integers(16, 90), st.integers(30, 4000))
@settings(max_examples=25, deadline=None)
def test_any_size_is_sent_within_the_symbols_and_comes_back(height, width, room):
    if room < PICTURES.min_symbols(height, width):
        with pytest.raises(ConfigError, match=str(PICTURES.min_symbols(height, width))):
            PICTURES.encode(picture(height, width), max_symbols=room, snr_db=5.0)
        return
    coded = PICTURES.encode(picture(height, width), max_symbols=room, snr_db=5.0)
    count = PICTURES.symbol_count(coded.length, coded.mode, height, width)
    assert count == coded.symbols.numel() <= room
    more = PICTURES.symbol_count(coded.length + 1, 0, height, width)
    assert more == 0 or more > room  # the highest rate that fits
    assert coded.symbols.abs().square().mean().item() == pytest.approx(1.0, abs=1e-4)
    assert 0 < coded.length < 2**17 and coded.mode < 16 and coded.codec == 2
    back = PICTURES.decode(arrived(coded.symbols), coded.length, coded.mode, height, width)
    assert back.shape == (height, width, 3) and back.dtype == np.uint8


def test_the_receiver_hears_what_was_sent_and_the_noise_it_is_granted():
    """Weights and SNR of the decoder follow from the reception alone, and a worse channel changes the picture."""
    coded = PICTURES.encode(picture(48, 64), max_symbols=400, snr_db=10.0)
    clean = Reception(coded.symbols, torch.full((len(coded.symbols),), 1e-3))
    believed = Reception(coded.symbols, torch.full((len(coded.symbols),), 1.0))
    first, second = (PICTURES.decode(r, coded.length, 0, 48, 64) for r in (clean, believed))
    assert not np.array_equal(first, second)
    shorter = PICTURES.decode(clean[:100], coded.length, 0, 48, 64)
    assert shorter is not None and not np.array_equal(shorter, first)


def test_symbols_that_mean_nothing_are_erasures_and_none_at_all_is_no_picture():
    coded = PICTURES.encode(picture(32, 32), max_symbols=200, snr_db=10.0)
    count = len(coded.symbols)
    spoiled = arrived(coded.symbols)
    spoiled.symbols[:10] = torch.tensor([float("nan"), float("inf"), 0, 1e9, 0, 0, 0, 0, 0, 0]).to(torch.complex64)
    assert PICTURES.decode(spoiled, coded.length, 0, 32, 32) is not None
    for lost in (
        Reception(torch.zeros(count, dtype=torch.complex64), torch.ones(count)),
        Reception(coded.symbols, torch.full((count,), float("inf"))),
        Reception(coded.symbols[:0], torch.ones(0)),
    ):
        assert PICTURES.decode(lost, coded.length, 0, 32, 32) is None


@pytest.mark.parametrize(("length", "mode", "size"), [(0, 0, 32), (1, 0, 32), (17, 0, 32), (4, 1, 32), (4, 0, 15)])
def test_announcements_that_cannot_be_are_no_picture(length, mode, size):
    assert PICTURES.symbol_count(length, mode, size, size) == 0
    assert PICTURES.decode(arrived(torch.ones(500, dtype=torch.complex64)), length, mode, size, size) is None


def test_symbols_and_reals_are_inverse_and_go_place_by_place():
    reals = torch.arange(24.0).view(1, 3, 2, 4)
    symbols = to_symbols(reals)
    assert symbols.shape == (1, 12)
    assert symbols[0, 0] == complex(reals[0, 0, 0, 0], reals[0, 1, 0, 0])
    torch.testing.assert_close(to_reals(symbols, 3, 2, 4), reals)


@pytest.mark.parametrize("size", [(256, 256), (120, 200), (480, 640), (17, 300)])
def test_every_sketch_takes_1024_symbols(size):
    sketch = (np.indices(size).sum(0) % 32 == 0).astype(np.uint8) * 255
    symbols = SKETCHES.encode(sketch, 5.0)
    assert symbols.shape == (1024,) and symbols.dtype == torch.complex64 and SKETCHES.symbol_count == 1024
    assert symbols.abs().square().mean().item() == pytest.approx(1.0, abs=1e-4)
    back = SKETCHES.decode(arrived(symbols))
    assert back.shape == (256, 256) and back.dtype == np.uint8
    assert SKETCHES.decode(arrived(symbols), *size).shape == size
    assert SKETCHES.decode(Reception(symbols, torch.full((1024,), float("inf")))) is None


def test_a_sketch_has_one_colour_and_a_picture_three():
    with pytest.raises(ShapeError, match="uint8"):
        SKETCHES.encode(picture(32, 32), 5.0)
    with pytest.raises(ConfigError, match="one colour"):
        DeepJsccSketchCodec(net(3))
    with pytest.raises(ConfigError, match="three colours"):
        DeepJsccPictureCodec(net(1))
    with pytest.raises(ConfigError, match="16 pixels"):
        PICTURES.encode(picture(15, 40), max_symbols=1000, snr_db=5.0)


def test_weights_of_another_network_are_refused():
    from safetensors.torch import save

    right = net()
    config = right.config.to_json()
    tensors = {name: value.half().contiguous() for name, value in right.state_dict().items()}
    loaded = load_net(save(tensors, {"config": config}))
    assert loaded.config == right.config
    tensors.pop("encoder.0.conv.bias")
    for data in (save(tensors, {"config": config}), save(tensors, {"config": "{}"}), save(tensors), b"rubbish"):
        with pytest.raises(InputError, match="DeepJSCC"):
            load_net(data)
