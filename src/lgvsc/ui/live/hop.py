"""A radio hop between two UDP ports: every packet is coded, modulated, sent through noise, decoded, and handed on.

What cannot be decoded is lost, as it is in a radio. Length and coding scheme of a packet are known at the far end, as a
radio's own header tells them; that header is not counted.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import child_generator
from lgvsc.coding.modem.digital import decode_bits, encode_bits
from lgvsc.coding.modem.link_adaptation import choose_mcs
from lgvsc.live import POLL_S, Address, listening, udp_socket
from lgvsc.ui.live.knobs import Panel

MOST_WAITING_S = 3.0  # that a packet may wait before the hop, whose queue is full then
BLOCK_BYTES = 32  # packets are filled up to multiples: a code for every length would have to be built first
WINDOW_S = 5.0  # over which rates are measured


@dataclass
class HopCounts:
    """What the hop did with packets.

    Attributes:
        packets: That came.
        noisy: Lost in noise. dropped: Lost whatever the noise. late: Left out, as the hop was behind.
        handed: Handed on.
    """

    packets: int = 0
    noisy: int = 0
    dropped: int = 0
    late: int = 0
    handed: int = 0
    recent: deque[tuple[float, int, int]] = field(default_factory=deque)  # time, bits, symbols of the last seconds

    def note(self, now_s: float, bits: int, symbols: int) -> None:
        """A packet was sent on the air."""
        self.recent.append((now_s, bits, symbols))
        while self.recent and self.recent[0][0] < now_s - WINDOW_S:
            self.recent.popleft()

    def rates(self, now_s: float) -> tuple[float, float]:
        """Bits and symbols per second on the air, over the last seconds."""
        recent = [one for one in list(self.recent) if one[0] >= now_s - WINDOW_S]
        return sum(bits for _, bits, _ in recent) / WINDOW_S, sum(symbols for *_, symbols in recent) / WINDOW_S


class RadioHop:
    """Carries packets from one address to another while it is open.

    Args:
        here: Where packets come in.
        to: Where the receiver listens.
        coded_for_db: SNR that coding and modulation are chosen for; the channel may be better or worse.
        panel: SNR and loss as they are.
        seed: Of noise and loss.
    """

    def __init__(self, here: Address, to: Address, coded_for_db: float, panel: Panel, seed: int = 0) -> None:
        self._here, self._to, self._coded_for_db, self._panel = here, to, coded_for_db, panel
        self._generator = child_generator(seed, "live", "hop", coded_for_db)
        self._luck = np.random.default_rng(seed)
        self.counts = HopCounts()

    def prepare(self) -> None:
        """Load what coding takes, so that the first packets do not wait for it."""
        for size in (BLOCK_BYTES, 1200):
            self.carry(bytes(size))
        self.counts = HopCounts()

    def run(self, stopped: threading.Event) -> None:
        """Carry packets until told to stop."""
        with listening(self._here) as packets, udp_socket(self._to) as outgoing:
            while not stopped.is_set():
                try:
                    packet, came_s = packets.get(timeout=POLL_S)
                except queue.Empty:
                    continue
                carried = self.carry(packet, time.monotonic() - came_s)
                if carried is not None:
                    outgoing.sendto(carried, self._to)
                    self.counts.handed += 1

    def carry(self, packet: bytes, waited_s: float = 0.0) -> bytes | None:
        """The packet at the far end, or ``None`` where it is lost on the way."""
        counts, knobs = self.counts, self._panel.now
        counts.packets += 1
        if waited_s > MOST_WAITING_S:
            counts.late += 1
            return None
        filled = packet.ljust(-(-len(packet) // BLOCK_BYTES) * BLOCK_BYTES, b"\x00")
        bits = np.unpackbits(np.frombuffer(filled, dtype=np.uint8))
        mcs = choose_mcs(len(bits), self._coded_for_db, "video")
        symbols = encode_bits(bits, mcs)
        counts.note(time.monotonic(), len(bits), len(symbols))
        if self._luck.random() < knobs.loss:
            counts.dropped += 1
            return None
        received = decode_bits(AwgnChannel(knobs.snr_db, self._generator)(symbols), len(bits), mcs)
        if received is None:
            counts.noisy += 1
            return None
        return np.packbits(received).tobytes()[: len(packet)]
