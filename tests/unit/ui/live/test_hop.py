"""The radio hop is a channel: what noise leaves whole comes out byte for byte, the rest does not come out."""

import socket
import threading

import pytest

from lgvsc.coding.modem.digital import symbol_count
from lgvsc.coding.modem.link_adaptation import choose_mcs
from lgvsc.ui.live import hop as hops
from lgvsc.ui.live.engine import free_address
from lgvsc.ui.live.hop import RadioHop
from lgvsc.ui.live.knobs import Knobs, Panel

PACKETS = [bytes([number]) * size for number, size in enumerate((20, 51, 64, 300, 300, 300, 700, 700))]


def test_noise_takes_packets_once_it_is_more_than_they_are_coded_for():
    panel = Panel(Knobs(snr_db=9.0))
    hop = RadioHop(free_address(), free_address(), 6.0, panel)
    assert [hop.carry(packet) for packet in PACKETS] == PACKETS
    panel.now = Knobs(snr_db=1.0)
    assert [hop.carry(packet) for packet in PACKETS] == [None] * len(PACKETS)
    assert (hop.counts.packets, hop.counts.noisy, hop.counts.dropped) == (2 * len(PACKETS), len(PACKETS), 0)
    panel.now = Knobs(snr_db=9.0)
    assert hop.carry(PACKETS[3]) == PACKETS[3]


def test_loss_takes_its_share_whatever_the_noise():
    hop = RadioHop(free_address(), free_address(), 20.0, Panel(Knobs(snr_db=30.0, loss=0.4)))
    arrived = sum(hop.carry(PACKETS[1]) is not None for _ in range(60))
    assert 24 <= arrived <= 48  # 36 are expected, three deviations are 11
    assert hop.counts.dropped == 60 - arrived and hop.counts.noisy == 0


def test_what_goes_on_the_air_is_measured():
    hop = RadioHop(free_address(), free_address(), 6.0, Panel())
    hop.carry(bytes(60))
    bits, symbols = hop.counts.rates(hop.counts.recent[0][0])
    assert bits * hops.WINDOW_S == 512  # filled up to two blocks of 32 bytes
    assert symbols * hops.WINDOW_S == symbol_count(512, choose_mcs(512, 6.0, "video"))


def test_a_packet_that_waited_too_long_is_left_out():
    hop = RadioHop(free_address(), free_address(), 6.0, Panel())
    assert hop.carry(PACKETS[0], waited_s=hops.MOST_WAITING_S + 0.1) is None and hop.counts.late == 1


@pytest.mark.parametrize("there", [True, False])
def test_strangers_are_not_carried_and_nobody_there_is_no_failure(there):
    here, to, stopped = free_address(), free_address(), threading.Event()
    hop = RadioHop(here, to, 6.0, Panel())
    thread = threading.Thread(target=hop.run, args=(stopped,))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        if there:
            receiver.bind(to)
            receiver.settimeout(0.5)
        thread.start()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for _ in range(5):
                sender.sendto(b"no packet of ours", here)
        if there:
            with pytest.raises(TimeoutError):
                receiver.recv(2000)
        stopped.set()
        thread.join(10)
    assert not thread.is_alive() and hop.counts.packets == 0
