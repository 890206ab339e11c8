"""A video through ZeroMQ while both ends run; between them stands what GNU Radio would be."""

import threading
from fractions import Fraction

import numpy as np
import pytest

from lgvsc import flowgraph
from lgvsc.channel.common import seeded
from lgvsc.channel.radio import RadioChannel, RadioConfig
from lgvsc.channel.zeromq import SampleSource, WaveformSink
from lgvsc.config import load_config
from lgvsc.core.video import Video, read_video, write_video
from lgvsc.link import NothingReceivedError

zmq = pytest.importorskip("zmq", reason="needs pyzmq: pip install 'lgvsc[zmq]'")
RATE = 4
CONFIG = load_config(settings={"channel.snr_db": 15.0})


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    rng = np.random.default_rng(3)
    picture = np.kron(rng.integers(40, 215, (12, 16, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    write_video(path, Video(np.stack([np.roll(picture, i, axis=1) for i in range(12)]), Fraction(24)))
    return path


class Air(threading.Thread):
    """PULL to PUSH, with radios, echoes and noise between; after the end it goes on with noise, as a radio does."""

    def __init__(self, here, there):
        super().__init__()
        self.here, self.there, self.stopped = here, there, threading.Event()

    def run(self):
        channel = RadioChannel(RadioConfig(delay_samples=777.7, frequency_offset=0.002, gain=0.2), 20.0, seeded(1))
        taps, tail = np.array([1, 0, 0, 0, 0.5j, 0.2]), np.zeros(5)
        with zmq.Context() as context, context.socket(zmq.PULL) as incoming, context.socket(zmq.PUSH) as outgoing:
            outgoing.setsockopt(zmq.LINGER, 0)
            incoming.connect(self.here)
            outgoing.bind(self.there)
            while not self.stopped.is_set():
                silent = not incoming.poll(20)
                samples = np.zeros(500, np.complex64) if silent else np.frombuffer(incoming.recv(), np.complex64)
                echoed = np.convolve(samples, taps)
                echoed[: len(tail)] += tail
                tail = echoed[len(samples) :]
                while not outgoing.poll(50, zmq.POLLOUT) and not self.stopped.is_set():
                    pass  # the receiver has what it wanted, or is not there yet
                if not self.stopped.is_set():
                    outgoing.send(channel(echoed[: len(samples)]).tobytes())


def test_a_video_through_a_flowgraph_with_radios_echoes_and_noise_that_never_ends(clip, tmp_path):
    here, there = f"ipc://{tmp_path}/a", f"ipc://{tmp_path}/b"
    air = Air(here, there)
    air.start()
    try:
        ledger = []
        with SampleSource(there, timeout_s=120.0) as source:
            sink = WaveformSink(here, samples_per_symbol=RATE)
            sender = threading.Thread(target=lambda: ledger.append(flowgraph.send(clip, CONFIG, to=sink)))
            sender.start()
            got = flowgraph.receive(CONFIG, listen=source, samples_per_symbol=RATE, output=tmp_path / "out.mp4")
            sender.join()
    finally:
        air.stopped.set()
        air.join()
    assert got.frames == 12 and not got.lost and set(got.origins) == {"received", "generated"}
    assert read_video(tmp_path / "out.mp4").format == read_video(clip).format
    assert ledger[0].labelled("radio frame") > 255
    assert sink.samples > RATE * ledger[0].symbols["total"]


def test_why_nothing_was_made_is_said(tmp_path):
    with pytest.raises(NothingReceivedError, match=r"no sample came from ipc://.* within 0\.1 s"):
        flowgraph.receive(
            CONFIG,
            listen=SampleSource(f"ipc://{tmp_path}/a", timeout_s=0.1),
            samples_per_symbol=RATE,
            output=tmp_path / "x.mp4",
        )
    with WaveformSink(f"ipc://{tmp_path}/b", samples_per_symbol=RATE) as sink:
        source = SampleSource(f"ipc://{tmp_path}/b", timeout_s=3.0)
        sink.write_samples(np.ones(20_000, np.complex64))
        with pytest.raises(NothingReceivedError, match="no burst was found in them; are there 4 of them"):
            flowgraph.receive(CONFIG, listen=source, samples_per_symbol=RATE, output=tmp_path / "x.mp4")
        sink.write_samples = lambda _: None  # nobody takes the end
