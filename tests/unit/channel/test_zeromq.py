"""Samples over ZeroMQ: what GNU Radio's blocks would send and take, and what is said when they do not."""

import struct
import threading
import time

import numpy as np
import pytest
import torch

from lgvsc.channel.pulse import PulseShaper
from lgvsc.channel.waveform import frame
from lgvsc.channel.zeromq import (
    TRAILING_SYMBOLS,
    SampleSource,
    WaveformSink,
    read_samples,
)
from lgvsc.core.air import Reception
from lgvsc.errors import ConfigError, InputError, LgvscError

zmq = pytest.importorskip("zmq", reason="needs pyzmq: pip install 'lgvsc[zmq]'")
RATE = 4


@pytest.fixture
def address(tmp_path):
    return f"ipc://{tmp_path}/air"


def burst(count=3000):
    values = np.exp(1j * np.arange(count)).astype(np.complex64)
    return Reception(torch.from_numpy(values), torch.zeros(count))


def waveform(received):
    shaper = PulseShaper(RATE)
    silence = np.zeros(TRAILING_SYMBOLS * RATE, np.complex64)
    return np.concatenate([shaper.shape(frame(received.symbols.numpy())), shaper.finish(), silence])


@pytest.mark.parametrize(("pattern", "theirs"), [("push-pull", "PULL"), ("pub-sub", "SUB")])
def test_what_leaves_is_the_waveform_as_raw_complex64(address, pattern, theirs):
    """The other end is pyzmq alone, which reads as a GNU Radio source does: whole items, nothing before them."""
    expected = waveform(burst())
    heard = bytearray()

    def peer():
        with zmq.Context() as context, context.socket(getattr(zmq, theirs)) as socket:
            if theirs == "SUB":
                socket.setsockopt(zmq.SUBSCRIBE, b"")
            socket.connect(address)
            while len(heard) < expected.nbytes and socket.poll(10_000):
                heard.extend(socket.recv())

    thread = threading.Thread(target=peer)
    thread.start()
    with WaveformSink(address, samples_per_symbol=RATE, pattern=pattern) as sink:
        sink.write(burst())
    thread.join()
    assert sink.samples == len(expected)
    assert bytes(heard) == expected.tobytes()


@pytest.mark.parametrize(("pattern", "theirs"), [("push-pull", "PUSH"), ("pub-sub", "PUB")])
def test_samples_come_as_they_are_sent_however_they_are_cut(address, pattern, theirs):
    sent = waveform(burst(500))
    with zmq.Context() as context, context.socket(getattr(zmq, theirs)) as socket:
        socket.bind(address)
        with SampleSource(address, pattern=pattern, timeout_s=0.5) as source:
            if theirs == "PUB":
                time.sleep(0.3)  # until the subscription has arrived
            for piece in np.array_split(sent, 7):
                socket.send(piece.tobytes())
            heard = list(source)
    assert np.array_equal(np.concatenate(heard), sent) and source.samples == len(sent)


def test_endless_noise_ends_the_source_when_nothing_in_it_is_of_use(address):
    stopped = threading.Event()

    def noise():
        with zmq.Context() as context, context.socket(zmq.PUSH) as socket:
            socket.setsockopt(zmq.LINGER, 0)
            socket.bind(address)
            while not stopped.wait(0.01):
                if socket.poll(10, zmq.POLLOUT):
                    socket.send(np.ones(100, np.complex64).tobytes())

    thread = threading.Thread(target=noise)
    thread.start()
    try:
        with SampleSource(address, timeout_s=0.5) as source:
            started = time.monotonic()
            assert sum(map(len, source)) > 100
            assert time.monotonic() - started >= 0.5
            source.renew()
            for chunks, _ in enumerate(source):
                if chunks == 3:
                    source.stop()
            assert chunks == 3
    finally:
        stopped.set()
        thread.join()


@pytest.mark.parametrize("pattern", ["push-pull", "pub-sub"])
def test_nobody_there_is_said_after_the_timeout(address, pattern):
    sink = WaveformSink(address, samples_per_symbol=RATE, pattern=pattern, timeout_s=0.2)
    with pytest.raises(LgvscError, match=r"nobody took samples from ipc://.* for 0\.2 s, after 0"), sink:
        sink.write(burst())
    with SampleSource(address, pattern=pattern, timeout_s=0.2) as source:
        assert list(source) == []


def test_other_things_than_samples_are_refused(address):
    assert len(read_samples(bytes(24), address)) == 3
    with pytest.raises(InputError, match="13 bytes, which is no whole number"):
        read_samples(bytes(13), address)
    tagged = struct.pack("<HBQQ", 0x5FF0, 1, 0, 0) + bytes(80)
    with pytest.raises(InputError, match="Pass Tags to No"):
        read_samples(tagged, address)


@pytest.mark.parametrize(
    "wrong", ["", "127.0.0.1:5555", "tcp://127.0.0.1", "tcp://127.0.0.1:0", "tcp://127.0.0.1:70000", "udp://1.2.3.4:5"]
)
def test_what_is_no_address_is_said(wrong):
    for make in (lambda: WaveformSink(wrong, samples_per_symbol=RATE), lambda: SampleSource(wrong)):
        with pytest.raises(ConfigError, match=r"tcp://127\.0\.0\.1:5555"):
            make()


def test_other_wrong_arguments_are_said(address):
    with pytest.raises(ConfigError, match="push-pull and pub-sub"):
        SampleSource(address, pattern="req-rep")
    with pytest.raises(ConfigError, match="above 0"):
        SampleSource(address, timeout_s=0)
    with WaveformSink(address, samples_per_symbol=RATE, timeout_s=0.2) as sink, pytest.raises(ConfigError, match="use"):
        try:
            WaveformSink("tcp://192.0.2.1:5555", samples_per_symbol=RATE)  # an address of documentation, nobody's
        finally:
            sink.write_samples = lambda _: None
