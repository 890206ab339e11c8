"""SigMF recordings: round trips, atomic appearance, and input from strangers."""

import json
import math
import re

import numpy as np
import pytest
import torch

from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import seeded
from lgvsc.channel.sigmf import SigmfReader, SigmfWriter, WaveformWriter
from lgvsc.core.air import Reception
from lgvsc.errors import ConfigError, InputError, OutputExistsError


def joined(reader):
    pieces = list(reader)
    return torch.cat([p.symbols for p in pieces]), torch.cat([p.noise_variance for p in pieces])


def recording(tmp_path, *receptions):
    with SigmfWriter(tmp_path / "rx") as writer:
        for reception in receptions:
            writer.write(reception)
    return tmp_path / "rx.sigmf-meta"


def noisy(count, snr_db=5.0):
    return AwgnChannel(snr_db, seeded(count))(torch.ones(count, dtype=torch.complex64))


def test_constant_noise_makes_two_files_that_read_back(tmp_path):
    first, second = noisy(1000), noisy(77)
    path = recording(tmp_path, first, second)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["rx.sigmf-data", "rx.sigmf-meta"]
    reader = SigmfReader(path, chunk_symbols=100)
    symbols, variance = joined(reader)
    assert len(reader) == 1077
    assert torch.equal(symbols, torch.cat([first.symbols, second.symbols]))
    assert torch.equal(variance, torch.cat([first.noise_variance, second.noise_variance]))


def test_data_are_little_endian_pairs_of_floats(tmp_path):
    recording(tmp_path, Reception(torch.tensor([1 + 2j, 4 - 3j], dtype=torch.complex64), torch.zeros(2)))
    assert (tmp_path / "rx.sigmf-data").read_bytes() == np.array([1, 2, 4, -3], dtype="<f4").tobytes()
    meta = json.loads((tmp_path / "rx.sigmf-meta").read_text())
    assert meta["global"]["core:datatype"] == "cf32_le"
    assert meta["captures"] == [{"core:sample_start": 0}]


def test_varying_noise_and_erasures_read_back(tmp_path):
    steady = noisy(300)
    varying = Reception(torch.ones(3, dtype=torch.complex64), torch.tensor([0.5, math.inf, 2.0]))
    symbols, variance = joined(SigmfReader(recording(tmp_path, steady, varying, steady), chunk_symbols=128))
    assert symbols.numel() == variance.numel() == 603
    assert torch.equal(variance, torch.cat([steady.noise_variance, varying.noise_variance, steady.noise_variance]))


def test_a_replaced_recording_leaves_no_noise_file_behind(tmp_path):
    recording(tmp_path, Reception(torch.ones(2, dtype=torch.complex64), torch.tensor([0.5, 2.0])))
    with pytest.raises(OutputExistsError):
        SigmfWriter(tmp_path / "rx.sigmf-data")
    with SigmfWriter(tmp_path / "rx", force=True) as writer:
        writer.write(noisy(5))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["rx.sigmf-data", "rx.sigmf-meta"]
    assert len(SigmfReader(tmp_path / "rx")) == 5


def test_nothing_appears_when_writing_fails(tmp_path):
    with pytest.raises(RuntimeError), SigmfWriter(tmp_path / "rx") as writer:
        writer.write(Reception(torch.ones(2, dtype=torch.complex64), torch.tensor([0.5, 2.0])))
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_a_radio_s_recording_needs_the_noise_from_elsewhere(tmp_path):
    path = recording(tmp_path, noisy(4))
    path.write_text(json.dumps({"global": {"core:datatype": "cf32_le", "core:version": "1.2.0"}}))
    with pytest.raises(InputError, match="SNR"):
        SigmfReader(path)
    assert joined(SigmfReader(path, noise_variance=0.25))[1].tolist() == [0.25] * 4


@pytest.mark.parametrize(
    "meta",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"[" * 100_000,
        b'{"global": 3}',
        b'{"global": {"core:datatype": "ci16_le"}}',
        b'{"global": {"core:datatype": ["cf32_le"]}}',
        b'{"global": {"core:datatype": "cf32_le", "core:num_channels": 2, "lgvsc:noise_variance": 1}}',
        b'{"global": {"core:datatype": "cf32_le", "lgvsc:noise_variance": -1}}',
        b'{"global": {"core:datatype": "cf32_le", "lgvsc:noise_variance": NaN}}',
        b'{"global": {"core:datatype": "cf32_le", "lgvsc:noise_variance": true}}',
        b'{"global": {"core:datatype": "cf32_le", "lgvsc:noise_variance": "1"}}',
        b'{"global": {"core:datatype": "cf32_le", "lgvsc:noise_variance_file": "../../etc/passwd"}}',
        b'{"global": {"core:datatype": "cf32_le", "lgvsc:noise_variance_file": 7}}',
        b'{"global": {"core:datatype": "cf32_le", "lgvsc:noise_variance_file": "rx.lgvsc-n0"}}',  # not there
        b" " * (2 << 20),
    ],
)
def test_metadata_that_cannot_be_used_is_refused_in_one_sentence(tmp_path, meta):
    path = recording(tmp_path, noisy(10))
    path.write_bytes(meta)
    with pytest.raises(InputError) as caught:
        SigmfReader(path)
    assert "\n" not in str(caught.value)


def test_an_absurdly_large_variance_is_read_as_hopeless_noise(tmp_path):
    path = recording(tmp_path, noisy(2))
    fields = {"core:datatype": "cf32_le", "lgvsc:noise_variance": 10**400}
    path.write_text(json.dumps({"global": fields}))
    assert joined(SigmfReader(path))[1].tolist() == [pytest.approx(1e30)] * 2


def test_truncated_and_missing_data_are_refused(tmp_path):
    path = recording(tmp_path, Reception(torch.ones(9, dtype=torch.complex64), torch.arange(9.0)))
    data, variance = tmp_path / "rx.sigmf-data", tmp_path / "rx.lgvsc-n0"
    data.write_bytes(data.read_bytes()[:-3])
    assert len(SigmfReader(path)) == 8
    assert "ends inside a sample" in SigmfReader(path).notes[0]
    data.write_bytes(data.read_bytes()[:64])
    with pytest.raises(InputError, match="truncated"):  # eight symbols, nine variances
        SigmfReader(path)
    variance.unlink()
    with pytest.raises(InputError, match=r"lgvsc-n0"):
        SigmfReader(path)
    data.unlink()
    with pytest.raises(InputError, match=r"sigmf-data"):
        SigmfReader(path)
    data.mkdir()
    with pytest.raises(InputError, match="not a file"):
        SigmfReader(path)
    with pytest.raises(InputError):
        SigmfReader(tmp_path / ".sigmf-meta")


def test_what_names_the_clip_stays_with_the_transmitter(tmp_path):
    with SigmfWriter(tmp_path / "tx", clip="ab" * 32) as writer:
        writer.write(noisy(10))
    assert SigmfReader(tmp_path / "tx").clip == "ab" * 32
    with SigmfWriter(tmp_path / "rx") as writer:
        writer.write(noisy(10))
    assert SigmfReader(tmp_path / "rx").clip == ""
    assert "clip" not in (tmp_path / "rx.sigmf-meta").read_text()


def waveform_recording(tmp_path, *bursts):
    with WaveformWriter(tmp_path / "tx", samples_per_symbol=4, symbol_rate_hz=10_000) as writer:
        for burst in bursts:
            writer.write(Reception(burst, torch.zeros(len(burst))))
    return tmp_path / "tx.sigmf-meta"


def bursts():
    return [torch.polar(torch.ones(n), torch.arange(float(n)) ** 2) for n in (100, 500)]


def test_a_waveform_says_its_rate_and_grants_nothing(tmp_path):
    fields = json.loads(waveform_recording(tmp_path, *bursts()).read_text())["global"]
    assert fields["lgvsc:samples_per_symbol"] == 4 and fields["core:sample_rate"] == 40_000
    assert not [key for key in fields if "noise" in key]


def test_bursts_come_back_from_a_waveform_with_the_noise_that_the_receiver_estimates(tmp_path):
    sent = bursts()
    got = list(SigmfReader(waveform_recording(tmp_path, *sent), chunk_symbols=700))
    for reception, burst in zip(got, sent, strict=True):
        assert (reception.symbols - burst).abs().square().mean() < 0.01
        assert 0 < reception.noise_variance.max() < 0.01


@pytest.mark.parametrize(
    ("name", "kind", "unit", "middle"),
    [
        ("ci16_le", "<i2", 8000, 0),
        ("ci16_be", ">i2", 8000, 0),
        ("ci8", "i1", 50, 0),
        ("cu8", "u1", 50, 127.5),
        ("cf32_le", "<f4", 1, 0),
        ("cf32_be", ">f4", 1, 0),
    ],
)
def test_a_waveform_may_come_in_any_of_the_usual_datatypes(tmp_path, name, kind, unit, middle):
    """A radio's recording knows nothing of lgvsc: its rate is given by hand."""
    sent = bursts()
    path = waveform_recording(tmp_path, *sent)
    values = np.fromfile(tmp_path / "tx.sigmf-data", dtype="<f4") * unit + middle
    (values if kind.endswith("f4") else np.rint(values)).astype(kind).tofile(tmp_path / "tx.sigmf-data")
    path.write_text(json.dumps({"global": {"core:datatype": name, "core:version": "1.2.0"}}))
    got = list(SigmfReader(path, samples_per_symbol=4.0))
    for reception, burst in zip(got, sent, strict=True):
        assert (reception.symbols - burst).abs().square().mean() < 0.01


@pytest.mark.parametrize("rate", [0, -4, 1e300, 10**400, math.nan, math.inf, True, "4", [4], {}])
def test_a_rate_that_no_waveform_has_is_refused(tmp_path, rate):
    path = waveform_recording(tmp_path, *bursts())
    path.write_text(json.dumps({"global": {"core:datatype": "cf32_le", "lgvsc:samples_per_symbol": rate}}))
    with pytest.raises(InputError, match="samples for each symbol"):
        SigmfReader(path)


@pytest.mark.parametrize("rate", [0, 1, 33, -4, math.nan, math.inf])
def test_a_rate_that_is_given_and_no_waveform_has_is_no_fault_of_the_recording(tmp_path, rate):
    with pytest.raises(ConfigError, match=f"{rate} samples for each symbol"):
        SigmfReader(waveform_recording(tmp_path, *bursts()), samples_per_symbol=rate)


@pytest.mark.parametrize(
    ("as_waveform", "rate", "words"),
    [
        (True, 8.0, "8 of them for each symbol.*metadata say 4"),
        (True, 4.0, ""),
        (False, 4.0, "it holds symbols.*without --samples-per-symbol"),
        (False, None, ""),
    ],
)
def test_why_no_burst_was_found(tmp_path, as_waveform, rate, words):
    path = waveform_recording(tmp_path, *bursts()) if as_waveform else recording(tmp_path, noisy(600))
    reader = SigmfReader(path, samples_per_symbol=rate)
    list(reader)
    assert re.search(words, reader.no_burst) and bool(words) == bool(reader.no_burst)


def test_a_waveform_of_an_unknown_datatype_is_refused(tmp_path):
    path = waveform_recording(tmp_path, *bursts())
    for name in ("rf32_le", "cf64_be", None, ["ci8"]):
        path.write_text(json.dumps({"global": {"core:datatype": name, "lgvsc:samples_per_symbol": 4}}))
        with pytest.raises(InputError, match="datatype"):
            SigmfReader(path)


def test_headers_and_trailers_inside_the_data_are_passed_over(tmp_path):
    """SigMF's non-conforming datasets: bytes before captures and at the end that are no samples."""
    samples = np.arange(20, dtype="<f4").view("<c8")
    path = recording(tmp_path, Reception(torch.from_numpy(samples.astype(np.complex64)), torch.zeros(10)))
    raw = samples.tobytes()
    (tmp_path / "rx.sigmf-data").write_bytes(b"h" * 1026 + raw[: 4 * 8] + b"again" + raw[4 * 8 :] + b"end")
    meta = json.loads(path.read_text())
    meta["global"]["core:trailing_bytes"] = 3
    meta["captures"] = [
        {"core:sample_start": 0, "core:header_bytes": 1026},
        {"core:sample_start": 4, "core:header_bytes": 5},
    ]
    path.write_text(json.dumps(meta))
    reader = SigmfReader(path, chunk_symbols=3)
    assert joined(reader)[0].tolist() == samples.tolist()
    assert reader.notes == [f"1034 bytes of headers and trailers in {tmp_path / 'rx.sigmf-data'} are passed over"]
    meta["captures"][0]["core:header_bytes"] = -1
    path.write_text(json.dumps(meta))
    with pytest.raises(InputError, match="header_bytes is -1"):
        SigmfReader(path)


def test_an_empty_recording_holds_no_samples(tmp_path):
    path = recording(tmp_path, Reception(torch.ones(1, dtype=torch.complex64), torch.zeros(1)))
    (tmp_path / "rx.sigmf-data").write_bytes(b"1234567")
    with pytest.raises(InputError, match="holds no samples"):
        SigmfReader(path)


@pytest.mark.parametrize(("offset", "reached"), [(0, 2), (500, 2), (0, 1)])
def test_headers_are_counted_from_the_first_sample_of_the_file_as_far_as_it_reaches(tmp_path, offset, reached):
    """SigMF: indices are absolute, ``core:offset`` is that of the file's first sample."""
    samples = np.arange(40, dtype="<f4").view("<c8")
    path = recording(tmp_path, Reception(torch.from_numpy(samples.astype(np.complex64)), torch.zeros(20)))
    raw, header = samples.tobytes(), b"H" * 24
    (tmp_path / "rx.sigmf-data").write_bytes(header + raw[:64] + (header if reached == 2 else b"") + raw[64:])
    meta = json.loads(path.read_text())
    meta["global"]["core:offset"] = offset
    starts = (offset, offset + (8 if reached == 2 else 10**9))
    meta["captures"] = [{"core:sample_start": start, "core:header_bytes": 24} for start in starts]
    path.write_text(json.dumps(meta))
    symbols, _ = joined(SigmfReader(path))
    assert np.array_equal(symbols.numpy(), samples)


@pytest.mark.parametrize(("start", "words"), [(-5, "whole number"), (3, "before the first sample")])
def test_a_capture_that_begins_nowhere_is_refused(tmp_path, start, words):
    path = recording(tmp_path, noisy(20))
    meta = json.loads(path.read_text())
    meta["global"]["core:offset"] = 10
    meta["captures"] = [{"core:sample_start": start, "core:header_bytes": 24}]
    path.write_text(json.dumps(meta))
    with pytest.raises(InputError, match=words):
        SigmfReader(path)
