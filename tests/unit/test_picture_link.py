"""One picture over the air: what it costs, what arrives, and what is refused."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from lgvsc.errors import ConfigError
from lgvsc.picture_link import further, load_codec, picture_codecs, send_picture


@pytest.fixture(scope="module")
def photograph():
    from skimage.data import astronaut

    return np.ascontiguousarray(astronaut()[:256, 100:356])


@pytest.mark.parametrize("name", ["digital", "ntscc"])
def test_a_picture_stays_within_its_symbols_and_is_told_apart_from_noise(photograph, name):
    sent = send_picture(photograph, load_codec(name), cbr=0.02, snr_db=10.0, name="a")
    assert 0.95 * 0.02 * 0.9 < sent.cbr <= 0.02
    assert sent.symbols == round(sent.cbr * photograph.size)
    assert sent.psnr_db > 22
    assert sent.ms_ssim > 0.85
    assert sent.received.shape == photograph.shape


def test_the_noise_depends_on_seed_name_and_snr_alone(photograph):
    codec = load_codec("ntscc")
    first, again, other = (
        send_picture(photograph, codec, cbr=0.01, snr_db=0.0, name="a", seed=seed).received for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_learned_code_has_no_cliff_where_the_transmitter_does_not_know_of_the_drop(photograph):
    codec = load_codec("ntscc")
    quality = [
        send_picture(photograph, codec, cbr=0.02, snr_db=snr_db, believed_snr_db=10.0).psnr_db
        for snr_db in (10, 8, 6, 4, 2, 0)
    ]
    steps = -np.diff(quality)
    assert (steps > -0.1).all()
    assert steps.max() < 2.5  # the digital road loses everything in one of these steps of 2 dB


def test_the_digital_road_has_one(photograph):
    lost = send_picture(photograph, load_codec("digital"), cbr=0.02, snr_db=2.0, believed_snr_db=10.0)
    assert lost.received is None
    assert lost.as_json()["lost"]


def test_codecs_have_short_names():
    assert picture_codecs()["ntscc"] == "compact-ntscc"
    with pytest.raises(ConfigError, match="no picture codec is called 'nts'"):
        load_codec("nts")


@pytest.mark.parametrize("name", sorted(picture_codecs()))
def test_every_codec_that_is_offered_sends_a_picture(photograph, name):
    sent = send_picture(photograph, load_codec(name), cbr=0.03, snr_db=10.0)
    assert sent.received is not None and sent.received.shape == photograph.shape and 0 < sent.cbr <= 0.03


def test_a_look_takes_as_many_symbols_and_looks_more_like_the_picture(photograph):
    faithful, vivid = (
        send_picture(photograph, load_codec("ntscc", look=look), cbr=0.02, snr_db=10.0, metrics=["dists"])
        for look in (0.0, 1.0)
    )
    assert vivid.symbols == faithful.symbols and vivid.looks["dists"] < 0.9 * faithful.looks["dists"]
    with pytest.raises(ConfigError, match=r"look is 1\.5"):
        load_codec("ntscc", look=1.5)


@pytest.mark.parametrize("cbr", [0.0, -1.0, float("nan"), 1.5])
def test_a_cbr_outside_its_range_is_refused(photograph, cbr):
    with pytest.raises(ConfigError, match="CBR"):
        send_picture(photograph, load_codec("digital"), cbr=cbr, snr_db=10.0)


def test_further_metrics_stand_beside_the_usual_ones_and_those_of_videos_are_refused():
    rng = np.random.Generator(np.random.PCG64(4))
    picture = np.kron(rng.integers(40, 200, (4, 4, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    picture.flags.writeable = False  # as Pillow gives it
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = further(["psnr", "lpips", "sharpness"], picture, 255 - picture)
    assert set(found) == {"lpips", "sharpness"} and found["lpips"] > 0.05
    assert further(["dists"], picture, None) == {"dists": None} and further([], picture, picture) == {}
    with pytest.raises(ConfigError, match="metric of videos"):
        further(["flicker"], picture, picture)
