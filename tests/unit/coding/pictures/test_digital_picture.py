"""The digital road of keyframes: budgets, sizes, what is stripped, hostile bytes."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lgvsc.coding.pictures import intra
from lgvsc.coding.pictures.digital_picture import MEAN_COLOUR_BYTES, DigitalPictureCodec, decode_picture, encode_picture
from lgvsc.coding.pictures.intra import decode_intra, encode_intra
from lgvsc.core.air import Reception
from lgvsc.core.video import Pixels
from lgvsc.errors import ConfigError, ShapeError


def scene(height: int, width: int, seed: int = 0) -> Pixels:
    """Soft gradients, an edge and some texture: the statistics of a photograph, roughly."""
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    phase = np.random.default_rng(seed).uniform(0, 6, 6)
    waves = sum(
        np.sin(2 ** (k + 1) * (x * math.cos(p) + y * math.sin(p)) * 3 + p) / (k + 1) for k, p in enumerate(phase)
    )
    edge = (x + 0.3 * y > 0.5) * 60
    return np.stack([np.clip(128 + 30 * waves + edge - 20 * c, 0, 255) for c in range(3)], axis=2).astype(np.uint8)


def psnr_db(a: Pixels, b: Pixels) -> float:
    return 10 * math.log10(255**2 / np.mean((a.astype(float) - b) ** 2))


@settings(max_examples=12, deadline=None)
@given(
    height=st.integers(1, 150),
    width=st.integers(1, 150),
    max_bytes=st.integers(MEAN_COLOUR_BYTES, 3000),
    seed=st.integers(0, 99),
)
def test_any_size_and_budget_yields_a_picture_within_the_budget(
    height: int, width: int, max_bytes: int, seed: int
) -> None:
    picture = scene(height, width, seed)
    data = encode_picture(picture, max_bytes)
    assert MEAN_COLOUR_BYTES <= len(data) <= max_bytes
    shown = decode_picture(data, height, width)
    assert shown is not None
    assert shown.shape == picture.shape
    mean_colour = np.broadcast_to(np.rint(picture.mean(axis=(0, 1))).astype(np.uint8), picture.shape)
    assert np.mean((shown.astype(float) - picture) ** 2) <= np.mean((mean_colour.astype(float) - picture) ** 2) + 1e-3


@pytest.mark.parametrize(("height", "width"), [(24, 24), (31, 33), (48, 200), (256, 256), (257, 101)])
@pytest.mark.parametrize("qp", [12, 40])
def test_stripped_data_decode_to_the_very_pixels_of_the_full_stream(height: int, width: int, qp: int) -> None:
    picture = scene(height, width)
    stream = intra._encode_stream(picture, qp)
    data = encode_intra(picture, qp)
    whole = intra._decode_stream(stream, height, width)
    rebuilt = decode_intra(data, height, width, qp)
    assert whole is not None
    assert rebuilt is not None
    np.testing.assert_array_equal(rebuilt, whole)
    assert len(stream) - len(data) >= 75  # parameter sets, start codes, headers


def test_more_bytes_give_a_better_picture() -> None:
    picture = scene(128, 160)
    scores = []
    for max_bytes in (4, 16, 60, 250, 1000, 4000, 16000):
        shown = decode_picture(encode_picture(picture, max_bytes), 128, 160)
        assert shown is not None
        scores.append(psnr_db(picture, shown))
    assert all(later > earlier + 0.5 for earlier, later in pairwise(scores))
    assert scores[-1] > 40


def test_large_portrait_pictures_fit_too() -> None:
    picture = np.repeat(np.repeat(scene(512, 8), 9, axis=0), 9, axis=1)  # 4608x72
    data = encode_picture(picture, 500)
    shown = decode_picture(data, *picture.shape[:2])
    assert len(data) <= 500
    assert shown is not None
    assert shown.shape == picture.shape


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=300), height=st.integers(-1, 80), width=st.integers(-1, 80))
def test_any_bytes_give_a_picture_of_the_size_asked_for_or_none(data: bytes, height: int, width: int) -> None:
    shown = decode_picture(data, height, width)
    assert shown is None or (shown.shape == (height, width, 3) and shown.dtype == np.uint8)


def test_damaged_pictures_keep_their_size() -> None:
    data = encode_picture(scene(96, 80), 400)
    rng = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(data)
        for at in rng.integers(0, len(data), 3):
            damaged[at] = rng.integers(256)
        shown = decode_picture(bytes(damaged[: rng.integers(0, len(data) + 1)]), 96, 80)
        assert shown is None or shown.shape == (96, 80, 3)


def test_sixteen_megapixels_are_the_limit_at_both_ends() -> None:
    assert decode_picture(b"\xff\x01\x02\x03", 4001, 4001) is None
    with pytest.raises(ShapeError, match="megapixels"):
        encode_picture(np.zeros((4001, 4001, 3), dtype=np.uint8), 100)


def test_misuse_is_named() -> None:
    with pytest.raises(ConfigError, match="3 bytes"):
        encode_picture(scene(8, 8), 3)
    with pytest.raises(ShapeError, match="RGB"):
        encode_picture(np.zeros((8, 8), dtype=np.uint8), 100)


@pytest.mark.parametrize("snr_db", [-10.0, 0.0, 10.0, 25.0])
@pytest.mark.parametrize("max_symbols", [0, 60, 333, 2000])
def test_the_road_obeys_its_symbol_budget_and_needs_what_it_announces(snr_db: float, max_symbols: int) -> None:
    picture = scene(64, 96)
    road = DigitalPictureCodec()
    coded = road.encode(picture, max_symbols=max_symbols, snr_db=snr_db)
    n = coded.symbols.numel()
    assert n <= max_symbols
    assert n == road.symbol_count(coded.length, coded.mode, 64, 96)
    assert coded.payload_bits == 8 * coded.length
    shown = road.decode(Reception(coded.symbols, torch.full((n,), 1e-3)), coded.length, coded.mode, 64, 96)
    if max_symbols == 0:
        assert shown is None
    else:
        assert shown is not None
        assert psnr_db(picture, shown) > 11


def test_noise_in_place_of_the_symbols_loses_the_picture() -> None:
    road = DigitalPictureCodec()
    coded = road.encode(scene(64, 64), max_symbols=600, snr_db=10.0)
    noise = torch.randn(coded.symbols.shape, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))
    received = Reception(noise, torch.full(noise.shape, 0.1))
    assert road.decode(received, coded.length, coded.mode, 64, 64) is None
