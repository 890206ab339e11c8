"""Live over UDP on the loopback: loss, copies, disorder, a late start, and nobody there."""

import queue
import random
import socket
import threading
import time
from fractions import Fraction

import numpy as np
import pytest
from typer.testing import CliRunner

from lgvsc import live
from lgvsc.coding.packets.packets import PacketConfig, packetise
from lgvsc.config import load_config
from lgvsc.core.message import Segment
from lgvsc.core.video import Video, VideoFormat, read_video, write_video
from lgvsc.errors import ConfigError
from lgvsc.link import NothingReceivedError
from lgvsc.live import Address

FRAMES, SIZE, RATE = 24, (64, 96), Fraction(24)


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Relay:
    """Forwards packets from one port to another, and does to them what networks do."""

    def __init__(self, to, seed, loss=0.0, copies=0.0, hold=1, deaf_until=0):
        self.to, self.loss, self.copies, self.hold, self.deaf_until = to, loss, copies, hold, deaf_until
        self.random, self.shuffler = random.Random(seed), random.Random(seed)
        self.incoming = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.incoming.bind(("127.0.0.1", 0))
        self.incoming.settimeout(0.05)
        self.address = Address(*self.incoming.getsockname())
        self.heard = self.kept = self.forwarded = 0
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.thread.join()
        self.incoming.close()

    def work(self):
        held = []
        while not self.stopped.is_set():
            try:
                packet = self.incoming.recv(1 << 16)
                self.heard += 1
                kept = self.heard > self.deaf_until and self.random.random() >= self.loss
                self.kept += kept
                held += [packet] * (kept + (kept and self.random.random() < self.copies))
            except OSError:
                self.forward(held)
                held = []
            if len(held) >= self.hold:
                self.forward(held)
                held = []

    def forward(self, packets):
        self.shuffler.shuffle(packets)
        for packet in packets:
            self.incoming.sendto(packet, ("127.0.0.1", self.to))
            self.forwarded += 1


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A gradient that moves, and another one after a hard cut."""
    rows, columns = np.mgrid[0 : SIZE[0], 0 : SIZE[1]]
    frames = []
    for index in range(FRAMES):
        picture = np.stack([rows * 3, (columns + 2 * index) * 2, np.full(SIZE, 90)], axis=2)
        frames.append((255 - picture[::-1] if index >= FRAMES // 2 else picture) % 256)
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_video(path, Video(np.stack(frames).astype(np.uint8), RATE))
    return path


def sent_through(clip, output, packets, **network):
    """Send and receive at once. Returns what left, what arrived, and the relay."""
    port, config, sent = free_port(), load_config(), []
    with Relay(port, **network) as relay:

        def transmit():
            time.sleep(0.3)
            sent.append(live.send(clip, config, to=relay.address, packets=packets, pace="fast"))

        thread = threading.Thread(target=transmit)
        thread.start()
        try:
            arrived = live.receive(config, listen=Address("127.0.0.1", port), output=output, timeout_s=20)
        finally:
            thread.join()
    return sent[0], arrived, relay


def test_without_faults_everything_arrives(clip, tmp_path):
    sent, arrived, relay = sent_through(clip, tmp_path / "out.mp4", PacketConfig(), seed=0)
    assert relay.forwarded == sent.packets and not arrived.lost
    rebuilt = read_video(tmp_path / "out.mp4")
    assert rebuilt.format == VideoFormat(*SIZE, RATE, FRAMES)
    assert np.abs(rebuilt.frames.astype(float) - read_video(clip).frames).mean() < 25


@pytest.mark.parametrize("mtu", [51, 400])
def test_through_loss_copies_and_disorder_the_video_is_whole(clip, tmp_path, mtu):
    packets = PacketConfig(mtu=mtu, extra=1.0)
    sent, arrived, relay = sent_through(clip, tmp_path / "out.mp4", packets, seed=mtu, loss=0.3, copies=0.3, hold=4)
    assert relay.heard == sent.packets and relay.kept < 0.9 * sent.packets and relay.forwarded > relay.kept
    assert read_video(tmp_path / "out.mp4").format == VideoFormat(*SIZE, RATE, FRAMES)
    assert arrived.frames == FRAMES


def test_a_receiver_that_starts_late_makes_the_whole_length(clip, tmp_path):
    packets = PacketConfig(mtu=51, extra=0.0)
    _, arrived, _ = sent_through(clip, tmp_path / "out.mp4", packets, seed=1, deaf_until=10)
    assert read_video(tmp_path / "out.mp4").format == VideoFormat(*SIZE, RATE, FRAMES)
    assert arrived.origins["generated"] + arrived.origins["received"] < FRAMES


def test_nobody_sends(tmp_path):
    with pytest.raises(NothingReceivedError):
        live.receive(
            load_config(), listen=Address("127.0.0.1", free_port()), output=tmp_path / "out.mp4", timeout_s=0.2
        )
    assert list(tmp_path.iterdir()) == []


def test_strangers_do_not_keep_a_receiver_waiting():
    arriving = queue.Queue()
    now = time.monotonic()
    for n in range(100):
        arriving.put((b"noise", now + 0.05 * n))
    assert list(live.assembled(arriving, timeout_s=1.0)) == []
    assert arriving.qsize() > 50


def test_segments_come_out_while_the_stream_goes_on():
    """The second segment's packets are put in only after the first one has come out."""
    video = VideoFormat(16, 16, Fraction(10), 20)
    one = list(packetise([Segment(video=video, start=0, stop=10, caption="one")]))[:-1]
    two = list(packetise([Segment(video=video, start=10, stop=20, caption="two", last=True)]))
    arriving = queue.Queue()
    for packet in one:
        arriving.put((packet, time.monotonic()))
    segments = live.assembled(arriving, timeout_s=5.0)
    assert next(segments).caption == "one"
    for packet in two:
        arriving.put((packet, time.monotonic()))
    assert [segment.caption for segment in segments] == ["two"], "and it ends with the stream, without a timeout"


def test_real_time_means_no_segment_before_its_frames(clip):
    started = time.monotonic()
    live.send(clip, load_config(scheme="text-only"), to=Address("127.0.0.1", free_port()), pace="real-time")
    assert time.monotonic() - started >= FRAMES / RATE


def test_a_port_in_use_is_said():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(ConfigError, match="in use"), live.listening(Address(*taken.getsockname())):
            pass


def test_addresses():
    assert Address.parse("5004") == Address.parse("localhost:5004") == Address("127.0.0.1", 5004)
    assert str(Address.parse(" 192.168.0.7:65535 ")) == "192.168.0.7:65535"


BAD_ADDRESSES = ["", ":", "host", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "example.org:5004", "[::1]:5004"]
BAD_ADDRESSES += ["127.0.0:5004", "127.0.0.1:-5", "127.0.0.1:5004:7", "127.0.0.1:5e3", "127.0.0.1:٥٠٠٤", "a" * 10_000]


@pytest.mark.parametrize("text", BAD_ADDRESSES, ids=lambda text: text[:20])
def test_malformed_addresses_are_refused(text):
    with pytest.raises(ConfigError, match="HOST:PORT"):
        Address.parse(text)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["send", "clip.mp4", "--to", "nowhere"], "HOST:PORT"),
        (["send", "clip.mp4"], "either --output TX"),
        (["send", "clip.mp4", "-o", "tx", "--to", "127.0.0.1:5004"], "either --output TX"),
        (["send", "clip.mp4", "--to", "127.0.0.1:5004", "--mtu", "50"], "mtu is 50"),
        (["send", "clip.mp4", "--to", "127.0.0.1:5004", "--pace", "slow"], "--pace"),
        (["send", "clip.mp4", "--to", "127.0.0.1:5004", "-s", "h265-ldpc"], "no pilots"),
        (["receive", "-o", "out.mp4"], "either the name"),
        (["receive", "--listen", "0", "-o", "out.mp4"], "HOST:PORT"),
        (["receive", "--listen", "5004", "-o", "out.mp4", "--timeout-s", "-1"], "timeout"),
    ],
    ids=" ".join,
)
def test_the_command_line_says_what_is_wrong(arguments, says, tmp_path, monkeypatch):
    from lgvsc.cli.main import app

    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, ConfigError) and result.exception.exit_status == 2
    assert says in str(result.exception)


def test_sketches_are_refused_as_packets_do_not_carry_them():
    with pytest.raises(ConfigError, match="sketches"):
        live._generative(load_config(scheme="gvsc-sketch"))
