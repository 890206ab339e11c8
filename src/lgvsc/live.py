"""A video over UDP while it is made: segments leave as packets as soon as they end, and come out as soon as they can.

Nothing is acknowledged or sent again. A receiver may start late, and lose, get twice, or get in any order whatever the
network likes; see ``coding/packets/packets.py``. Sockets are opened here, and only for an address that the user gave.
"""

from __future__ import annotations

import queue
import secrets
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from lgvsc import build
from lgvsc.coding.packets.packets import Assembler, PacketConfig, packetise
from lgvsc.config import Config
from lgvsc.core.clock import Stopwatch
from lgvsc.core.message import Segment
from lgvsc.core.video import VideoReader
from lgvsc.errors import ConfigError, LgvscError
from lgvsc.link import Arrived, Progress, write_pieces
from lgvsc.schemes.generative import GenerativeScheme

Pace: TypeAlias = Literal["real-time", "fast"]

PACES: tuple[Pace, ...] = ("real-time", "fast")
LOOPBACK = "127.0.0.1"
END_REPEATS = 5  # of the packet that ends the stream: all of them are lost once in 400 times at 30 % loss
END_SPACING_S = 0.03
PACKET_SPACING_S = 0.0005  # a burst of packets would overflow small buffers on the way
PATIENCE_S = 0.5  # how much later a packet may arrive than one of a later segment
BUFFER_BYTES = 1 << 22
MAX_QUEUED_PACKETS = 1 << 16
MAX_PACKET_BYTES = 1 << 16
POLL_S = 0.05


class Address(NamedTuple):
    """An IPv4 address and a UDP port."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """From ``HOST:PORT`` or ``PORT``, which is on the loopback. HOST is four numbers, or ``localhost``.

        Raises:
            ConfigError: The text is no such address.
        """
        host, colon, port = text.strip().rpartition(":")
        host = LOOPBACK if not colon or host == "localhost" else host
        try:
            IPv4Address(host)
        except AddressValueError as error:
            raise ConfigError(f"{text!r} is no address; give HOST:PORT with an IPv4 host, as 127.0.0.1:5004") from error
        if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 1 << 16):
            raise ConfigError(f"{text!r} has no port from 1 to 65535; give HOST:PORT, as 127.0.0.1:5004")
        return cls(host, int(port))

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass
class Sent:
    """What left."""

    segments: int = 0
    packets: int = 0
    bytes: int = 0


def send(
    source: Path,
    config: Config,
    *,
    to: Address,
    packets: PacketConfig | None = None,
    pace: Pace = "real-time",
    on_progress: Progress | None = None,
) -> Sent:
    """Send a video as packets, segment by segment.

    Args:
        to: Where a receiver listens, or will.
        packets: Size and redundancy.
        pace: ``"real-time"``: no segment leaves before its last frame would have been shown.

    Raises:
        ConfigError: The scheme has no message to put into packets. LgvscError: The network refuses.
    """
    encoder = _generative(config).encoder
    sent = Sent()
    with VideoReader(source, max_side=config.link.max_side) as reader, udp_socket(to) as outgoing:
        video = reader.format

        def leaving() -> Iterator[Segment]:
            started = time.monotonic()
            for segment in encoder.segments(reader, video):
                if pace == "real-time":
                    time.sleep(max(0.0, started + float(segment.stop / video.fps) - time.monotonic()))
                sent.segments += 1
                yield segment
                if on_progress:
                    on_progress(segment.stop, video.frames)

        packet = b""
        for packet in packetise(leaving(), packets, stream=secrets.randbelow(1 << 16)):
            _transmit(outgoing, packet, to, sent)
            time.sleep(PACKET_SPACING_S)
        for _ in range(END_REPEATS - 1):
            time.sleep(END_SPACING_S)
            _transmit(outgoing, packet, to, sent)
    return sent


def receive(
    config: Config,
    *,
    listen: Address,
    output: Path,
    timeout_s: float = 30.0,
    on_progress: Progress | None = None,
) -> Arrived:
    """Receive packets and make a video of them, until the stream ends or nothing comes any more.

    Args:
        listen: Where to listen. The loopback hears this computer only.
        timeout_s: Seconds without a packet after which the stream is taken to have ended, before the first one too.

    Raises:
        ConfigError: The address cannot be listened on.
        NothingReceivedError: Not one packet arrived.
    """
    if not 0 < timeout_s < 1e6:
        raise ConfigError(f"the timeout is {timeout_s} s; give a number of seconds above 0")
    arrived = Arrived()
    with listening(listen) as packets:  # before models are loaded, which may take longer than the sender waits
        decoder = _generative(config).decoder
        segments = assembled(packets, timeout_s)
        pieces = decoder.videos(_shown(segments, arrived))
        for frame in write_pieces(pieces, output, config, Stopwatch(), on_piece=arrived.piece):
            if on_progress:
                on_progress(frame.index + 1, arrived.frames)
    return arrived


Timed: TypeAlias = tuple[bytes, float]  # a packet and when it arrived


def assembled(packets: queue.Queue[Timed], timeout_s: float, patience_s: float = PATIENCE_S) -> Iterator[Segment]:
    """Segments from packets as they arrive, until the stream ends or no good packet has come for ``timeout_s``."""
    assembler = Assembler(patience_s)
    heard_s = time.monotonic()
    while True:
        try:
            packet, now_s = packets.get(timeout=POLL_S)
            heard_s = now_s if assembler.add(packet, now_s) else heard_s
        except queue.Empty:
            now_s = time.monotonic()
        yield from assembler.due(now_s)
        if assembler.over(now_s) or now_s - heard_s > timeout_s:
            break
    yield from assembler.finish()


@contextmanager
def listening(address: Address) -> Iterator[queue.Queue[Timed]]:
    """Packets that arrive at an address; a thread takes them from the network while others make pictures of them."""
    with udp_socket(address) as incoming:
        try:
            incoming.bind(address)
        except OSError as error:
            raise ConfigError(f"cannot listen on {address}: {(error.strerror or str(error)).lower()}") from error
        incoming.settimeout(POLL_S)
        packets: queue.Queue[Timed] = queue.Queue(MAX_QUEUED_PACKETS)
        stopped = threading.Event()
        thread = threading.Thread(target=_listen, args=(incoming, packets, stopped), daemon=True)
        thread.start()
        try:
            yield packets
        finally:
            stopped.set()
            thread.join()


@contextmanager
def udp_socket(address: Address) -> Iterator[socket.socket]:
    """A UDP socket with room for bursts."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        for side in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            opened.setsockopt(socket.SOL_SOCKET, side, BUFFER_BYTES)
        if address.host.endswith(".255"):
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        yield opened


def _listen(incoming: socket.socket, packets: queue.Queue[Timed], stopped: threading.Event) -> None:
    while not stopped.is_set():
        try:
            packet = incoming.recv(MAX_PACKET_BYTES)
        except OSError:  # nothing came, or the network reports that something of ours did not arrive
            continue
        try:
            packets.put_nowait((packet, time.monotonic()))
        except queue.Full:
            continue  # as lost as on the way


def _transmit(outgoing: socket.socket, packet: bytes, to: Address, sent: Sent) -> None:
    try:
        outgoing.sendto(packet, to)
    except ConnectionRefusedError:
        pass  # nobody listens yet
    except OSError as error:
        raise LgvscError(
            f"cannot send {len(packet)} bytes to {to}: {(error.strerror or str(error)).lower()}"
        ) from error
    sent.packets += 1
    sent.bytes += len(packet)


def _generative(config: Config) -> GenerativeScheme:
    scheme = build.scheme(config)
    if config.message.sketches:
        raise ConfigError(f"scheme {config.scheme} sends sketches, which packets do not carry yet; send it as symbols")
    if not isinstance(scheme, GenerativeScheme):
        raise ConfigError(
            f"scheme {config.scheme} makes symbols, not a message that packets could carry; use skem-dsa, skim-dsa, "
            "skim-sfa or text-only, and no pilots"
        )
    return scheme


def _shown(segments: Iterable[Segment], arrived: Arrived) -> Iterator[Segment]:
    for segment in segments:
        arrived.segment(segment)
        yield segment
