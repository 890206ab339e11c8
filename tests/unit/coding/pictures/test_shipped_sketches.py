"""The shipped extractor and codecs on pictures made here: what arrives still looks like what was sent."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import pytest

from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import seeded
from lgvsc.coding.pictures.deepjscc import DeepJsccPictureCodec, DeepJsccSketchCodec
from lgvsc.metrics.edges import EdgeTruth, edge_counts, thin, thinned_maxima
from lgvsc.metrics.quality import psnr_db
from lgvsc.models.catalog import load

SIDE = 256


@cache
def scene() -> np.ndarray:
    """A lit disk and a box before a soft gradient, with a little grain."""
    rows, columns = np.indices((SIDE, SIDE)) / SIDE
    picture = np.stack([90 + 60 * rows, 80 + 50 * columns, 120 - 40 * rows], -1)
    cv2.circle(picture, (90, 110), 52, (220, 190, 150), -1, cv2.LINE_AA)
    cv2.rectangle(picture, (160, 130), (230, 220), (30, 40, 60), -1)
    picture = cv2.GaussianBlur(picture, (0, 0), 0.8) + np.random.default_rng(0).normal(0, 3, picture.shape)
    return picture.clip(0, 255).astype(np.uint8)


@cache
def outlines() -> np.ndarray:
    drawn = np.zeros((SIDE, SIDE), np.uint8)
    cv2.circle(drawn, (90, 110), 52, 255, 1)
    cv2.rectangle(drawn, (160, 130), (230, 220), 255, 1)
    return drawn > 0


@cache
def sketch() -> np.ndarray:
    return load("compact-pidinet").extract(scene())


def contours(drawing: np.ndarray) -> np.ndarray:
    return thin(thinned_maxima(drawing.astype(np.float32) / 255) >= 0.5)


def test_the_extractor_draws_the_outlines_of_things():
    assert edge_counts(contours(sketch()), EdgeTruth(outlines().astype(np.int32), 1)).f_measure > 0.85


def test_sketches_arrive_and_get_worse_with_the_channel_softly():
    codec: DeepJsccSketchCodec = load("compact-deepjscc-sketch")
    truth = EdgeTruth(contours(sketch()).astype(np.int32), 1)
    symbols = codec.encode(sketch(), 5.0)
    found = []
    for snr_db in (15.0, 5.0, 0.0, -15.0):
        received = codec.decode(AwgnChannel(snr_db, seeded(0))(symbols))
        found.append(edge_counts(contours(received), truth).f_measure)
    assert found[0] > 0.8 and found[1] > 0.75 and found[2] > 0.6
    assert found[3] < 0.5  # only noise is left, and the sketch is lost with it


@pytest.mark.parametrize(("symbols", "expected_db"), [(1536, 21.0), (8192, 24.0)])
def test_pictures_arrive_better_with_more_symbols_and_less_noise(symbols, expected_db):
    codec: DeepJsccPictureCodec = load("compact-deepjscc-rgb")
    coded = codec.encode(scene(), max_symbols=symbols, snr_db=10.0)
    assert coded.symbols.numel() == symbols
    quality = []
    for snr_db in (10.0, 0.0, -15.0):
        received = AwgnChannel(snr_db, seeded(0))(coded.symbols)
        quality.append(psnr_db(scene(), codec.decode(received, coded.length, coded.mode, SIDE, SIDE)))
    assert quality[0] > expected_db and quality[0] > quality[1] > quality[2]
