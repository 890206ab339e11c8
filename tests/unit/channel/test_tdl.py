"""TDL over OFDM: power, delays and Doppler of the gains, against Sionna's own generator and the standard's table."""

import math

import pytest
import torch

from lgvsc.channel.common import importing_sionna, seeded
from lgvsc.channel.fading import FadingChannel
from lgvsc.channel.rayleigh import clarke_correlation
from lgvsc.channel.tdl import TdlFading, tdl_profile
from lgvsc.errors import ConfigError

MODELS = "ABCDE"


def response(fading, moments, seed):
    """Gains as (moments, subcarriers)."""
    return fading.gains(seeded(seed)).take(moments * fading.fft_size).reshape(moments, fading.fft_size)


@pytest.mark.parametrize("model", MODELS)
def test_mean_energy_of_the_gains_is_one(model):
    """Over realisations and subcarriers; a realisation counts once, since its subcarriers fade together."""
    power = [response(TdlFading(model=model), 1, seed).abs().square().mean() for seed in range(200)]
    power = torch.stack(power)
    assert abs(float(power.mean()) - 1) < 4 * float(power.std()) / math.sqrt(200)


@pytest.mark.parametrize("model", MODELS)
def test_profiles_are_normalised_in_power_and_delay_spread(model):
    """The standard's tables have an RMS delay spread of one, scaled to the one wanted."""
    delays_s, powers, direct = tdl_profile(model, 100.0, 3.5e9)
    assert float(powers.sum()) == pytest.approx(1.0)
    mean = float((powers * delays_s).sum())
    spread = math.sqrt(float((powers * delays_s.square()).sum()) - mean**2)
    assert spread == pytest.approx(100e-9, rel=0.03)  # the tables are rounded
    assert (direct > 0.5) == (model in "DE")


def test_profile_is_the_table_of_the_standard():
    """TR 38.901, Table 7.7.2-1, first paths, and the K factor of 13.3 dB of Table 7.7.2-4."""
    delays_s, powers, _ = tdl_profile("A", 100.0, 3.5e9)
    assert delays_s[:4].tolist() == pytest.approx([0.0, 38.19e-9, 40.25e-9, 58.68e-9], rel=1e-5)
    relative_db = 10 * torch.log10(powers / powers[1])
    assert relative_db[:4].tolist() == pytest.approx([-13.4, 0.0, -2.2, -4.0], abs=1e-3)
    _, powers, direct = tdl_profile("D", 100.0, 3.5e9)
    assert 10 * math.log10(direct / (float(powers[0]) - direct)) == pytest.approx(13.3, abs=0.01)


@pytest.mark.parametrize("model", ["A", "D"])
def test_delays_are_where_the_profile_has_them(model):
    """An inverse transform over many subcarriers shows the paths of A at 38 ns and of D at 0 strongest."""
    fading = TdlFading(model=model, delay_spread_ns=1000.0, subcarrier_hz=15e3, fft_size=1024, speed_m_s=0.0)
    if model == "A":
        with pytest.raises(ConfigError, match="cyclic prefix"):
            fading.gains(seeded(0))
    fading = TdlFading(model=model, delay_spread_ns=300.0, fft_size=1024)
    delays_s, powers, _ = fading.profile()
    step_s = 1 / (fading.subcarrier_hz * fading.fft_size)
    impulse = torch.stack([torch.fft.ifft(torch.fft.ifftshift(response(fading, 1, s)[0])) for s in range(200)])
    measured = impulse.abs().square().mean(dim=0)
    late = delays_s > 10 * step_s  # power beyond the tenth sample; a path between samples leaks a little
    assert float(measured[10:200].sum()) == pytest.approx(float(powers[late].sum()), abs=0.05)
    assert int(measured.argmax()) == round(float(delays_s[powers.argmax()]) / step_s)


@pytest.mark.parametrize("model", ["A", "D"])
def test_covariance_is_that_of_the_gains(model):
    """In time and frequency, with Doppler so strong that both matter."""
    fading = TdlFading(model=model, delay_spread_ns=300.0, speed_m_s=40.0, fft_size=16, subcarrier_hz=15e3)
    count, runs = 10 * 16, 400
    gains = torch.stack([fading.gains(seeded(seed)).take(count) for seed in range(runs)])
    places = torch.tensor([0, 5, 15, 16, 47, 80, 159])
    measured = gains[:, places].T @ gains[:, places].conj() / runs
    expected = fading.covariance(places, places).to(torch.complex64)
    assert float((measured - expected).abs().max()) < 5 / math.sqrt(runs)
    assert float((expected - torch.eye(len(places))).abs().max()) > 0.5  # there is something to see
    assert torch.allclose(expected, expected.mH)


@pytest.mark.parametrize("model", ["A", "D"])
def test_statistics_agree_with_sionna_s_generator(model):
    """The same covariances from Sionna's TDL and its frequency response, over its own random draws."""
    with importing_sionna():
        from sionna.phy import config
        from sionna.phy.channel import cir_to_ofdm_channel, subcarrier_frequencies
        from sionna.phy.channel.tr38901 import TDL

        config.seed = 11
        fading = TdlFading(model=model, delay_spread_ns=300.0, speed_m_s=40.0, fft_size=16)
        line = TDL(model, 300e-9, fading.carrier_hz, min_speed=40.0, max_speed=40.0, device="cpu")
        runs = 3000
        a, tau = line(runs, 10, 1 / fading.symbol_s)
        theirs = cir_to_ofdm_channel(subcarrier_frequencies(16, 15e3), a, tau)[:, 0, 0, 0, 0].reshape(runs, -1)
    places = torch.tensor([0, 5, 15, 16, 47, 80, 159])
    measured = theirs[:, places].T @ theirs[:, places].conj() / runs
    assert float((measured - fading.covariance(places, places)).abs().max()) < 5 / math.sqrt(runs)


def test_a_path_fades_at_the_doppler_of_the_speed():
    """30 m/s at 3.5 GHz is 350 Hz."""
    fading = TdlFading(speed_m_s=30.0)
    assert fading.doppler / fading.symbol_s == pytest.approx(350.2, abs=0.1)
    lag = fading.covariance(torch.tensor([0]), torch.tensor([7 * 64]))
    assert complex(lag[0, 0]) == pytest.approx(float(clarke_correlation(torch.tensor(7 * fading.doppler))), abs=1e-9)


def test_equalised_noise_has_the_granted_variance():
    sent = torch.ones(64_000, dtype=torch.complex64)
    received = FadingChannel(TdlFading(), 5.0, seeded(1))(sent)
    ratio = (received.symbols - sent).abs().square() / received.noise_variance
    assert abs(float(ratio.mean()) - 1) < 4 / math.sqrt(64_000)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"speed_m_s": 1000.0}, "subcarriers disturb each other"),
        ({"fft_size": 0}, "at least one"),
    ],
)
def test_what_the_model_cannot_do_is_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        TdlFading(**settings)
