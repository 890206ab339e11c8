"""Rayleigh fading: gains, noise, that the granted state is true, and error rates against closed forms."""

import math

import pytest
import torch

from lgvsc.channel.common import seeded
from lgvsc.channel.fading import FadingChannel
from lgvsc.channel.rayleigh import BlockFading, ClarkeFading, Waves
from lgvsc.errors import ConfigError, ShapeError

FADINGS = [BlockFading(16), BlockFading(1), ClarkeFading(0.01)]


def qpsk(count, seed=0):
    bits = torch.randint(0, 2, (2, count), generator=seeded(seed)).float()
    return torch.complex(1 - 2 * bits[0], 1 - 2 * bits[1]) / math.sqrt(2)


@pytest.mark.parametrize("fading", FADINGS, ids=str)
def test_equalised_noise_has_the_granted_variance(fading):
    sent = torch.ones(64_000, dtype=torch.complex64)
    received = FadingChannel(fading, 5.0, seeded(1))(sent)
    ratio = (received.symbols - sent).abs().square() / received.noise_variance  # exponential, mean 1
    assert abs(float(ratio.mean()) - 1) < 4 / math.sqrt(64_000)


def test_gain_is_constant_over_a_block_and_of_mean_power_one():
    received = FadingChannel(BlockFading(8), 0.0, seeded(2))(torch.ones(80_000, dtype=torch.complex64))
    power = (1.0 / received.noise_variance).reshape(-1, 8)
    assert torch.allclose(power, power[:, :1].expand(-1, 8))
    assert power[:, 0].unique().numel() > 9_900  # floats may meet by chance
    assert abs(float(power[:, 0].mean()) - 1) < 4 / math.sqrt(10_000)


@pytest.mark.parametrize("snr_db", [0.0, 10.0, 20.0])
@pytest.mark.parametrize("fading", [BlockFading(1), BlockFading(4), ClarkeFading(0.2)], ids=str)
def test_uncoded_qpsk_has_the_bit_error_rate_of_the_closed_form(fading, snr_db):
    """Half of 1 - sqrt(g / (1 + g)) at Eb/N0 = g: Proakis, Digital Communications, 5th ed., Eq. (13.3-7)."""
    sent = qpsk(200_000)
    received = FadingChannel(fading, snr_db, seeded(3))(sent).symbols
    wrong = ((received.real * sent.real < 0).double() + (received.imag * sent.imag < 0).double()) / 2
    ebn0 = 10 ** (snr_db / 10) / 2
    expected = (1 - math.sqrt(ebn0 / (1 + ebn0))) / 2
    # Errors come in blocks of about the coherence time, so deviation is measured over long independent stretches.
    stretches = wrong.reshape(500, -1).mean(dim=1)
    assert abs(float(wrong.mean()) - expected) < 4 * float(stretches.std()) / math.sqrt(500)


@pytest.mark.parametrize("doppler", [0.01, 0.05])
def test_doppler_gains_correlate_like_j0(doppler):
    """Over many realisations; the stored values of J0 are SciPy's."""
    j0 = {0.0: 1.0, 0.2: 0.6425118, 0.4: -0.0549604, 0.6: -0.4019865, 1.0: 0.2202769}  # cycles: J0(2 pi cycles)
    lags = [round(cycles / doppler) for cycles in j0]
    runs = Waves(1500, doppler, seeded(7)).next(max(lags) + 1)[lags]
    measured = (runs[0].conj() * runs).mean(dim=1).tolist()
    model = ClarkeFading(doppler).covariance(torch.tensor(lags), torch.zeros(1, dtype=torch.int64))[:, 0].tolist()
    for found, known, exact in zip(measured, model, j0.values(), strict=True):
        assert abs(found - exact) < 4 / math.sqrt(1500)
        assert known == pytest.approx(exact, abs=1e-6)


def test_doppler_gains_are_nearly_gaussian_and_hold_their_power_in_one_realisation():
    gains = ClarkeFading(0.05).gains(seeded(9)).take(400_000)
    power = gains.abs().square()
    assert abs(float(power.mean()) - 1) < 0.03  # 20 000 cycles of Doppler
    assert abs(float(power.square().mean()) - (2 - 1 / 64)) < 0.1  # E|h|^4; 1 would be no fading at all
    assert abs(float((power < 0.1).double().mean()) - (1 - math.exp(-0.1))) < 0.01  # deep fades are as frequent


@pytest.mark.parametrize("fading", FADINGS, ids=str)
def test_infinite_snr_returns_what_was_sent(fading):
    sent = torch.randn(1000, dtype=torch.complex64, generator=seeded(0))
    received = FadingChannel(fading, math.inf, seeded(4))(sent)
    assert torch.allclose(received.symbols, sent, rtol=1e-5)
    assert not received.noise_variance.any()


def test_without_csi_symbols_stay_turned_and_only_the_mean_snr_is_granted():
    sent = torch.ones(50_000, dtype=torch.complex64)
    received = FadingChannel(BlockFading(1), 20.0, seeded(5), csi="none")(sent)
    assert torch.equal(received.noise_variance, torch.full((50_000,), 0.01))
    assert abs(complex(received.symbols.mean())) < 4 * math.sqrt(1.01 / 50_000)  # no phase is likelier than another
    known = FadingChannel(BlockFading(1), 20.0, seeded(5))(sent)
    gain = received.symbols / known.symbols
    assert torch.allclose(gain.abs().square(), 0.01 / known.noise_variance, rtol=1e-3)


def test_fading_of_one_generator_shares_its_noise():
    sent = torch.zeros(5000, dtype=torch.complex64)
    noise = [FadingChannel(fading, 3.0, seeded(6), csi="none")(sent).symbols for fading in FADINGS]
    assert torch.equal(noise[0], noise[1])
    assert torch.equal(noise[0], noise[2])


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ConfigError, match="at least one"):
        BlockFading(0)
    with pytest.raises(ConfigError, match=r"0\.5"):
        ClarkeFading(0.7)
    with pytest.raises(ConfigError, match="doppler"):
        ClarkeFading(math.nan)
    with pytest.raises(ShapeError):
        FadingChannel(BlockFading(1), 5.0, seeded(0))(torch.ones(4))
