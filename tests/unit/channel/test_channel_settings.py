"""Settings of the channel: what they build, and that senseless ones are refused in one sentence."""

import pytest
import torch

from lgvsc import build
from lgvsc.channel.rayleigh import BlockFading, ClarkeFading
from lgvsc.channel.tdl import TdlFading
from lgvsc.config import load_config
from lgvsc.errors import ConfigError

SENT = torch.ones(3000, dtype=torch.complex64)


def channel(**settings):
    return build.channel(load_config(settings={f"channel.{k}": v for k, v in settings.items()}), clip="clip")


@pytest.mark.parametrize(
    ("settings", "fading"),
    [
        ({"kind": "rayleigh", "block_symbols": 20}, BlockFading(20)),
        ({"kind": "rayleigh", "fading": "fast"}, BlockFading(1)),
        ({"kind": "rayleigh", "fading": "doppler", "doppler": 0.003}, ClarkeFading(0.003)),
        ({"kind": "tdl", "tdl_model": "C", "speed_m_s": 9.0}, TdlFading(model="C", speed_m_s=9.0)),
        ({"kind": "awgn"}, None),
    ],
)
def test_settings_name_a_fading_process(settings, fading):
    config = load_config(settings={f"channel.{k}": v for k, v in settings.items()}).channel
    assert config.gains() == fading
    assert config.pilots() is None


@pytest.mark.parametrize("kind", ["awgn", "rayleigh", "tdl"])
@pytest.mark.parametrize("erasures", ["none", "iid", "gilbert-elliott"])
def test_every_combination_is_a_channel(kind, erasures):
    made = channel(kind=kind, erasures=erasures, packet_symbols=10, snr_db=4.0)
    received = made(SENT)
    assert (made.kind, made.snr_db, len(received)) == (kind, 4.0, 3000)
    assert bool(torch.isinf(received.noise_variance).any()) == (erasures != "none")
    again = channel(kind=kind, erasures=erasures, packet_symbols=10, snr_db=4.0)(SENT)
    assert torch.equal(again.symbols, received.symbols)


def test_losses_and_noise_do_not_shift_each_other():
    plain, lossy = channel(kind="tdl")(SENT), channel(kind="tdl", erasures="iid")(SENT)
    heard = torch.isfinite(lossy.noise_variance)
    assert torch.equal(plain.symbols[heard], lossy.symbols[heard])
    other = channel(kind="awgn", erasures="iid", snr_db=-3.0)(SENT)
    assert torch.equal(torch.isfinite(other.noise_variance), heard)  # the same packets at another SNR


def test_eb_n0_is_turned_into_es_n0_where_there_is_one_code_rate():
    """Table I at 8 dB: 16-QAM of rate 1/2, 2 information bits per symbol, so 3.01 dB more."""
    settings = {"conventional.mode": "paper", "channel.snr_def": "ebn0", "channel.snr_db": 8.0}
    config = load_config(scheme="h265-ldpc", settings=settings)
    assert config.esn0_db == pytest.approx(11.0103, abs=1e-4)
    assert build.channel(config, "clip").snr_db == config.esn0_db
    assert load_config(scheme="h265-ldpc", settings={"conventional.mode": "paper"}).esn0_db == 10.0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "rice"}, "'awgn', 'rayleigh' or 'tdl'"),
        ({"snr_db": 300}, "-40 to 100"),
        ({"snr_def": "ebn0"}, "conventional.mode = 'paper'"),
        ({"csi": "estimated"}, "awgn has none"),
        ({"csi": "none"}, "awgn has none"),
        ({"kind": "rayleigh", "csi": "guessed"}, "csi"),
        ({"kind": "rayleigh", "block_symbols": 0}, "at least one"),
        ({"kind": "rayleigh", "fading": "fast", "csi": "estimated"}, "pilot"),
        ({"kind": "rayleigh", "csi": "estimated", "pilot_spacing": 1}, "pilot_spacing is 1"),
        ({"kind": "rayleigh", "fading": "doppler", "doppler": 2}, "0.5"),
        ({"kind": "tdl", "tdl_model": "F"}, "tdl_model"),
        ({"kind": "tdl", "speed_m_s": -1}, "a walk is"),
        ({"kind": "tdl", "speed_m_s": 900}, "larger channel.subcarrier_hz"),
        ({"kind": "tdl", "carrier_hz": 0}, "carrier_hz"),
        ({"kind": "tdl", "delay_spread_ns": 0}, "delay_spread_ns"),
        ({"erasures": "iid", "loss_rate": 1.0}, "loss_rate"),
        ({"erasures": "gilbert-elliott", "loss_rate": 0.9, "mean_burst": 2}, "or more"),
        ({"erasures": "iid", "packet_symbols": 0}, "packet_symbols"),
        ({"erasures": "some"}, "erasures"),
        ({"dopler": 0.1}, "channel.doppler"),
    ],
)
def test_senseless_settings_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        load_config(settings={f"channel.{k}": v for k, v in settings.items()})


def test_a_delay_line_longer_than_the_prefix_is_refused_when_it_is_built():
    with pytest.raises(ConfigError, match="cyclic prefix"):
        channel(kind="tdl", tdl_model="E", delay_spread_ns=1000.0)
