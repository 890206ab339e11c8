"""A video over UDP while it is made: segments leave as packets as soon as they end, and come out as soon as they can.

Nothing is acknowledged or sent again. A receiver may start late, and lose, get twice, or get in any order whatever the
network likes; see ``coding/packets/packets.py``. Under a key nobody else can read or send packets; see ``sealing.py``
beside it. Sockets are opened here, and only for an address that the user gave.
"""

from __future__ import annotations

import queue
import secrets
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from lgvsc import kinds
from lgvsc.coding.packets.packet_header import read_packet
from lgvsc.coding.packets.packets import MIN_MTU, Assembler, PacketConfig, packetise
from lgvsc.coding.packets.sealing import SEAL_BYTES, Opener, Sealer, is_sealed
from lgvsc.config import Config
from lgvsc.core.clock import Stopwatch
from lgvsc.core.message import Segment
from lgvsc.core.video import VideoReader
from lgvsc.errors import ConfigError, LgvscError
from lgvsc.link import Arrived, NothingReceivedError, OnOpen, Progress, write_pieces
from lgvsc.schemes.generative import MessageScheme

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
    """What left. ``bytes`` are all of the packets', ``seal_bytes`` those among them that the key costs."""

    segments: int = 0
    packets: int = 0
    bytes: int = 0
    seal_bytes: int = 0


class Gate:
    """What lets packets in, and counts them. It stands before the queue, so that strangers do not fill that.

    Args:
        key: Of the sender. ``None``: packets have no seal, and anybody may send them.

    Attributes:
        counts: Packets by what was made of them: ``good`` and why the others were refused.
    """

    def __init__(self, key: bytes | None = None) -> None:
        self._opener = Opener(key) if key is not None else None
        self.counts: Counter[str] = Counter()

    def admit(self, data: bytes) -> bytes | None:
        """The packet itself, without its seal; ``None`` where it is refused."""
        found = self._judged(data)
        self.counts["good" if isinstance(found, bytes) else found] += 1
        return found if isinstance(found, bytes) else None

    def _judged(self, data: bytes) -> bytes | str:
        if self._opener is not None:
            return self._opener.open(data)
        if read_packet(data) is not None:
            return data
        return "sealed" if is_sealed(data) else "stranger"

    def lines(self) -> list[str]:
        """What was refused, a line for each reason."""
        says = {
            "stranger": "were damaged or not the sender's",
            "replay": "came a second time",
            "stale": "were sealed more than a minute ago or ahead by this clock: replayed, or the clocks disagree",
            "sealed": "are sealed with a key; give it with --key",
        }
        return [f"{self.counts[kind]} packets refused: they {why}" for kind, why in says.items() if self.counts[kind]]


@dataclass
class HeardPackets(Arrived):
    """What the receiver of packets can say.

    Attributes:
        packets: What was made of the packets: ``good``, ``stranger``, ``replay``, ``stale``, ``sealed``.
        outputs: The videos: one for each time that the sender was started.
    """

    packets: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)
    outputs: list[Path] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Some sentences."""
        return [*super().lines(), *self.refused]


def send(
    source: Path,
    config: Config,
    *,
    to: Address,
    packets: PacketConfig | None = None,
    pace: Pace = "real-time",
    key: bytes | None = None,
    on_progress: Progress | None = None,
    on_open: OnOpen = lambda *_: None,
) -> Sent:
    """Send a video as packets, segment by segment.

    Args:
        to: Where a receiver listens, or will.
        packets: Size and redundancy.
        pace: ``"real-time"``: no segment leaves before its last frame would have been shown.
        key: Of 32 bytes, see :func:`lgvsc.coding.packets.sealing.read_key`: packets are sealed with it.
        on_open: Called with the source's format and what was changed on reading it, at the beginning and at the end.

    Raises:
        ConfigError: The scheme has no message to put into packets, or packets are too small for a seal.
        LgvscError: The network refuses.
    """
    if config.coding.budget:
        raise ConfigError(
            "a budget counts channel symbols, and packets have none; make keyframes smaller or fewer with "
            "--set coding.keyframe_cbr=0.01 or --set keyframes.threshold=0.5, and small frames of layered-dsa with "
            "--set structure.budget=3e-4cbr"
        )
    packets = packets or PacketConfig()
    if key is not None and packets.mtu < MIN_MTU + SEAL_BYTES:
        raise ConfigError(f"mtu is {packets.mtu}; packets under a key have {MIN_MTU + SEAL_BYTES} bytes at least")
    packets = replace(packets, mtu=packets.mtu - SEAL_BYTES) if key is not None else packets
    sealer = Sealer(key) if key is not None else None
    scheme = _of_messages(config)
    sent = Sent()
    with VideoReader(source, max_side=config.link.max_side) as reader, udp_socket(to) as outgoing:
        video = reader.format
        on_open(video, reader.notes)

        def leaving() -> Iterator[Segment]:
            started = time.monotonic()
            for segment in scheme.segments(reader, video):
                if pace == "real-time":
                    time.sleep(max(0.0, started + float(segment.stop / video.fps) - time.monotonic()))
                sent.segments += 1
                yield segment
                if on_progress:
                    on_progress(segment.stop, video.frames)

        send_packets(leaving(), packets, outgoing, to, sent, sealer)
        on_open(video, reader.notes)
    return sent


def send_packets(
    segments: Iterable[Segment],
    packets: PacketConfig,
    outgoing: socket.socket,
    to: Address,
    sent: Sent,
    sealer: Sealer | None = None,
) -> None:
    """Send segments as packets as they come, and at their end say several times that this was the last.

    Args:
        sent: Counts packets and bytes.

    Raises:
        LgvscError: The network refuses.
    """
    packet = b""
    for packet in packetise(segments, packets, stream=secrets.randbelow(1 << 16)):
        _transmit(outgoing, packet, to, sent, sealer)
        time.sleep(PACKET_SPACING_S)
    for _ in range(END_REPEATS - 1 if packet else 0):
        time.sleep(END_SPACING_S)
        _transmit(outgoing, packet, to, sent, sealer)


def receive(
    config: Config,
    *,
    listen: Address,
    output: Path,
    timeout_s: float = 30.0,
    key: bytes | None = None,
    on_news: Callable[[str], None] = lambda _: None,
    on_progress: Progress | None = None,
) -> HeardPackets:
    """Receive packets and make a video of them, until the stream ends or nothing comes any more.

    A sender that was stopped and started again makes another stream. It goes to a file of its own, ``NAME.2.mp4``
    beside ``NAME.mp4`` and so on, under a name that is free.

    Args:
        listen: Where to listen. The loopback hears this computer only.
        timeout_s: Seconds without a packet after which the stream is taken to have ended, before the first one too.
        key: Of 32 bytes: packets that were not sealed with it, or come twice, are refused and counted.
        on_news: Takes a sentence when listening begins, and when the sender was started anew.

    Raises:
        ConfigError: The address cannot be listened on.
        NothingReceivedError: Not one packet arrived that is of use.
    """
    if not 0 < timeout_s < 1e6:
        raise ConfigError(f"the timeout is {timeout_s} s; give a number of seconds above 0")
    heard, gate, assembler = HeardPackets(), Gate(key), Assembler(PATIENCE_S)
    with listening(listen, gate) as packets:  # before models are loaded, which may take longer than the sender waits
        on_news(f"listening on {listen} for packets, until {timeout_s:g} s pass without one")
        decoder = _of_messages(config).decoder
        goes_on = True
        while goes_on:
            path = output if not heard.outputs else _free_name(output, len(heard.outputs) + 1)
            segments = assembled(packets, timeout_s, assembler=assembler)
            pieces = decoder.videos(_shown(segments, heard))
            try:
                for frame in write_pieces(pieces, path, config, Stopwatch(), on_piece=heard.piece):
                    if on_progress:
                        on_progress(frame.index + 1, heard.frames)
            except NothingReceivedError as error:
                raise NothingReceivedError(_why_nothing(gate, listen, timeout_s)) from error
            heard.outputs.append(path)
            goes_on = not assembler.ended and assembler.proceed()
            if goes_on:
                following = _free_name(output, len(heard.outputs) + 1)
                on_news(f"the sender was started anew: {path} ends here, its next stream goes to {following}")
    heard.packets, heard.refused = gate.counts, gate.lines()
    return heard


def _free_name(output: Path, number: int) -> Path:
    """The first of ``NAME.2.mp4``, ``NAME.3.mp4``, ... from a number on that is not taken."""
    while (path := output.with_name(f"{output.stem}.{number}{output.suffix}")).exists():
        number += 1
    return path


def _why_nothing(gate: Gate, listen: Address, timeout_s: float) -> str:
    if not gate.counts:
        return f"no packet arrived at {listen} within {timeout_s:g} s; is the sender's --to this address?"
    count = gate.counts.total()
    return f"{count} packets arrived at {listen}, none of them of use; " + "; ".join(gate.lines() or ["too few"])


Timed: TypeAlias = tuple[bytes, float]  # a packet and when it arrived


def assembled(
    packets: queue.Queue[Timed], timeout_s: float, patience_s: float = PATIENCE_S, assembler: Assembler | None = None
) -> Iterator[Segment]:
    """Segments from packets as they arrive, until their stream ends or no good packet has come for ``timeout_s``.

    With an assembler of the caller's own it can be asked afterwards whether another stream goes on.
    """
    assembler = assembler or Assembler(patience_s)
    heard_s = time.monotonic()
    while True:
        try:
            packet, now_s = packets.get(timeout=POLL_S)
            heard_s = now_s if assembler.add(packet, now_s) else heard_s
        except queue.Empty:
            now_s = time.monotonic()
        yield from assembler.due(now_s)
        if assembler.over(now_s) or assembler.replaced(now_s) or now_s - heard_s > timeout_s:
            break
    yield from assembler.finish()


@contextmanager
def listening(address: Address, gate: Gate | None = None) -> Iterator[queue.Queue[Timed]]:
    """Packets that are let in at an address; a thread takes them from the network while others make pictures."""
    with udp_socket(address) as incoming:
        try:
            incoming.bind(address)
        except OSError as error:
            raise ConfigError(f"cannot listen on {address}: {(error.strerror or str(error)).lower()}") from error
        incoming.settimeout(POLL_S)
        packets: queue.Queue[Timed] = queue.Queue(MAX_QUEUED_PACKETS)
        stopped = threading.Event()
        thread = threading.Thread(target=_listen, args=(incoming, packets, stopped, gate or Gate()), daemon=True)
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


def _listen(incoming: socket.socket, packets: queue.Queue[Timed], stopped: threading.Event, gate: Gate) -> None:
    while not stopped.is_set():
        try:
            packet = incoming.recv(MAX_PACKET_BYTES)
        except OSError:  # nothing came, or the network reports that something of ours did not arrive
            continue
        admitted = gate.admit(packet)
        if admitted is None:
            continue
        try:
            packets.put_nowait((admitted, time.monotonic()))
        except queue.Full:
            continue  # as lost as on the way


def _transmit(outgoing: socket.socket, packet: bytes, to: Address, sent: Sent, sealer: Sealer | None) -> None:
    if sealer is not None:
        packet = sealer.seal(packet)
        sent.seal_bytes += SEAL_BYTES
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


def _of_messages(config: Config) -> MessageScheme:
    scheme = kinds.scheme(config)
    if config.message.sketches:
        raise ConfigError(f"scheme {config.scheme} sends sketches, which packets do not carry yet; send it as symbols")
    if not isinstance(scheme, MessageScheme):
        raise ConfigError(
            f"scheme {config.scheme} makes symbols, not a message that packets could carry; use skem-dsa, skim-dsa, "
            "skim-sfa, text-only or layered-dsa, and no pilots"
        )
    return scheme


def _shown(segments: Iterable[Segment], arrived: Arrived) -> Iterator[Segment]:
    for segment in segments:
        arrived.segment(segment)
        yield segment
