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
from lgvsc.coding.packets.packets import Assembler, PacketConfig, depacketise, packetise
from lgvsc.coding.packets.sealing import Sealer
from lgvsc.config import load_config
from lgvsc.core.message import Segment
from lgvsc.core.video import Video, VideoFormat, VideoReader, read_video, write_video
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


def sent_through(clip, output, packets, config=None, **network):
    """Send and receive at once. Returns what left, what arrived, and the relay."""
    port, config, sent = free_port(), config or load_config(scheme="skem-dsa"), []
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


def test_small_frames_travel_in_packets_and_show_what_moves(clip, tmp_path):
    config = load_config(scheme="layered-dsa", settings={"structure.effort": "live", "structure.budget": "1e-1cbr"})
    with VideoReader(clip) as reader:
        assert all(segment.structure for segment in live._of_messages(config).segments(reader, reader.format))
    _, arrived, _ = sent_through(clip, tmp_path / "out.mp4", PacketConfig(), config, seed=3)
    rebuilt = read_video(tmp_path / "out.mp4")
    assert rebuilt.format == VideoFormat(*SIZE, RATE, FRAMES) and not arrived.lost
    assert np.abs(rebuilt.frames.astype(float) - read_video(clip).frames).mean() < 15


def test_a_receiver_that_starts_late_makes_the_whole_length(clip, tmp_path):
    packets = PacketConfig(mtu=51, extra=0.0)
    _, arrived, _ = sent_through(clip, tmp_path / "out.mp4", packets, seed=1, deaf_until=10)
    assert read_video(tmp_path / "out.mp4").format == VideoFormat(*SIZE, RATE, FRAMES)
    assert arrived.origins["generated"] + arrived.origins["received"] < FRAMES


def test_nobody_sends(tmp_path):
    address, news = Address("127.0.0.1", free_port()), []
    with pytest.raises(NothingReceivedError, match=f"no packet arrived at {address} within 0.2 s"):
        live.receive(
            load_config(scheme="skem-dsa"),
            listen=address,
            output=tmp_path / "out.mp4",
            timeout_s=0.2,
            on_news=news.append,
        )
    assert list(tmp_path.iterdir()) == []
    assert news == [f"listening on {address} for packets, until 0.2 s pass without one"]


def stream_of(clip, captions):
    """Packets of a stream, each caption a segment of a second."""
    video = VideoFormat(16, 16, Fraction(10), 10 * len(captions))
    return list(
        packetise(
            [
                Segment(video=video, start=10 * n, stop=10 * n + 10, caption=caption, last=n == len(captions) - 1)
                for n, caption in enumerate(captions)
            ],
            stream=clip,
        )
    )


class TestTheSenderIsStartedAnew:
    def received(self, *arriving):
        """Captions of each stream, from packets that arrive at their times, in seconds."""
        assembler = Assembler(0.5)
        streams, waiting = [], sorted(arriving, key=lambda one: one[1])
        goes_on, now_s = True, 0.0
        while goes_on:
            streams.append([])
            while not (assembler.over(now_s) or assembler.replaced(now_s) or now_s > 60):
                while waiting and waiting[0][1] <= now_s:
                    assembler.add(*waiting.pop(0))
                streams[-1] += [segment.caption for segment in assembler.due(now_s)]
                now_s += 0.05
            streams[-1] += [segment.caption for segment in assembler.finish()]
            goes_on = not assembler.ended and assembler.proceed()
        return streams

    def test_both_streams_are_received(self):
        first = [(packet, 0.1) for packet in stream_of(1, ["one", "two", "three"])[:4]]
        second = [(packet, 3.0) for packet in stream_of(2, ["four", "five"])]
        assert self.received(*first, *second) == [["one", "two"], ["four", "five"]]

    def test_three_runs(self):
        runs = [[(packet, 4.0 * run) for packet in stream_of(run, [f"run {run}", "cut off"])[:2]] for run in range(3)]
        assert self.received(*(one for run in runs for one in run)) == [["run 0"], ["run 1"], ["run 2"]]

    def test_a_pause_between_segments_is_no_restart_though_a_stranger_speaks(self):
        mine = stream_of(1, ["one", "two"])
        spread = [(packet, 0.1 if n < 2 else 1.5) for n, packet in enumerate(mine)]
        strange = [(packet, 0.7) for packet in stream_of(2, ["strange"])]
        assert self.received(*spread, *strange) == [["one", "two"]]

    def test_over_the_network_it_is_said_and_makes_two_files(self, clip, tmp_path):
        config, port, news = load_config(scheme="text-only"), free_port(), []
        address = Address("127.0.0.1", port)

        def transmit():
            time.sleep(0.3)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outgoing:
                for packet in stream_of(1, ["a plain grey field", "a plain red field"])[:2]:
                    outgoing.sendto(packet, address)
            time.sleep(0.3)
            live.send(clip, config, to=address, pace="fast")

        thread = threading.Thread(target=transmit)
        thread.start()
        output = tmp_path / "out.mp4"
        heard = live.receive(config, listen=address, output=output, timeout_s=20, on_news=news.append)
        thread.join()
        assert heard.outputs == [output, tmp_path / "out.2.mp4"]
        assert read_video(output).format.height == 16
        assert read_video(tmp_path / "out.2.mp4").format == VideoFormat(*SIZE, RATE, FRAMES)
        assert len(news) == 2 and "started anew" in news[1] and "out.2.mp4" in news[1]


class TestUnderAKey:
    KEY = bytes(range(32))

    def flooded(self, stop, address, recorded):
        """Strangers of every kind, as fast as they can: noise, plain packets, another key's, and what was recorded."""
        rng = random.Random(1)
        plain = stream_of(9, ["FORGED"] * 3)
        other = Sealer(bytes(32))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outgoing:
            while not stop.is_set():
                kinds = [rng.randbytes(rng.randrange(200)), rng.choice(plain), other.seal(rng.choice(plain))]
                for packet in [*kinds, *recorded[:1]]:
                    outgoing.sendto(packet, address)
                time.sleep(0.0005)

    def test_nothing_is_shown_that_was_not_sent(self, tmp_path):
        """Loss, bit errors, and a flood of strangers: each shown part is a sent one, or is reported lost."""
        port, stop, recorded, got = free_port(), threading.Event(), [], []
        address, gate = Address("127.0.0.1", port), live.Gate(self.KEY)
        video = VideoFormat(32, 48, Fraction(10), 60)
        rng = np.random.default_rng(0)
        pictures = [np.kron(rng.integers(40, 215, (4, 6, 3)), np.ones((8, 8, 1))).astype(np.uint8) for _ in range(6)]
        message = [
            Segment(video=video, start=10 * n, stop=10 * n + 10, caption=f"part {n}", keyframe=picture, last=n == 5)
            for n, picture in enumerate(pictures)
        ]
        packets = list(packetise(message, PacketConfig(mtu=120, extra=0.5, keyframe_bits_per_pixel=2.0), stream=5))
        faithful = {segment.start: segment for segment in depacketise(packets)}

        def transmit():
            time.sleep(0.2)
            sealer, errors = Sealer(self.KEY), random.Random(2)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outgoing:
                for packet in [*packets, *packets[-1:] * 4]:
                    sealed = bytearray(sealer.seal(packet))
                    if errors.random() < 0.15:
                        continue
                    if errors.random() < 0.15:
                        sealed[errors.randrange(len(sealed))] ^= 1 << errors.randrange(8)
                    else:
                        recorded.append(bytes(sealed))
                    outgoing.sendto(sealed, address)
                    time.sleep(0.002)

        threads = [
            threading.Thread(target=transmit),
            threading.Thread(target=self.flooded, args=(stop, address, recorded), daemon=True),
        ]
        with live.listening(address, gate) as arriving:
            for thread in threads:
                thread.start()
            try:
                got = list(live.assembled(arriving, timeout_s=3.0))
            finally:
                stop.set()
        for thread in threads:
            thread.join()
        assert len(got) >= 3 and gate.counts["stranger"] > 300 and gate.counts["replay"] > 50
        for segment in got:
            true = faithful.get(segment.start)
            assert segment.caption in (None, true and true.caption)
            assert segment.keyframe is None or np.array_equal(segment.keyframe, true.keyframe)
            assert (segment.keyframe is None) == (segment.status.get("keyframe") != "ok")
        assert sum(segment.keyframe is not None for segment in got) >= 3

    def test_the_seal_is_charged_and_fits_the_mtu(self, clip):
        lengths = []
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taker:
            taker.bind(("127.0.0.1", 0))
            taker.settimeout(0.2)
            taker.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
            to = Address(*taker.getsockname())
            config = load_config(scheme="text-only")
            sent = live.send(clip, config, to=to, packets=PacketConfig(mtu=78), pace="fast", key=self.KEY)
            with pytest.raises(OSError):
                while True:
                    lengths.append(len(taker.recv(1 << 16)))
        assert len(lengths) == sent.packets and sum(lengths) == sent.bytes and max(lengths) <= 78
        assert sent.seal_bytes == 27 * sent.packets
        with pytest.raises(ConfigError, match="78 bytes at least"):
            live.send(clip, config, to=to, packets=PacketConfig(mtu=77), key=self.KEY)

    def test_packets_under_a_key_are_named_to_who_gives_none(self):
        gate = live.Gate()
        assert gate.admit(Sealer(self.KEY).seal(stream_of(1, ["one"])[0])) is None
        assert gate.lines() == ["1 packets refused: they are sealed with a key; give it with --key"]


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
        (["send", "clip.mp4"], "give one of --output TX"),
        (["send", "clip.mp4", "-o", "tx", "--to", "127.0.0.1:5004"], "give one of --output TX"),
        (["send", "clip.mp4", "--to", "127.0.0.1:5004", "--mtu", "50"], "mtu is 50"),
        (["send", "clip.mp4", "--to", "127.0.0.1:5004", "--pace", "slow"], "--pace"),
        (["send", "clip.mp4", "--to", "127.0.0.1:5004", "-s", "h265-ldpc"], "no pilots"),
        (["send", "clip.mp4", "--to", "127.0.0.1:5004", "--budget", "5kbps"], "packets have none"),
        (["receive", "-o", "out.mp4"], "give one of the name"),
        (["send", "clip.mp4", "-o", "tx", "--key", "k"], "--key"),
        (["receive", "rx", "-o", "out.mp4", "--key", "k"], "--key"),
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
        live._of_messages(load_config(scheme="gvsc-sketch"))
