"""Sealed packets: only the key opens them, once, and soon; a key that others may read is none."""

import os
from fractions import Fraction

import pytest

from lgvsc.coding.packets import sealing
from lgvsc.coding.packets.packet_header import read_packet
from lgvsc.coding.packets.packets import packetise
from lgvsc.coding.packets.sealing import SEAL_BYTES, Opener, Sealer, is_sealed, read_key
from lgvsc.core.message import Segment
from lgvsc.core.video import VideoFormat
from lgvsc.errors import InputError

KEY, OTHER = bytes(range(32)), bytes(32)


class Clock:
    def __init__(self, now_s=1.8e9):
        self.now_s = now_s

    def __call__(self):
        return self.now_s


def sent():
    video = VideoFormat(16, 16, Fraction(10), 10)
    return list(packetise([Segment(video=video, start=0, stop=10, caption="a red boat drifts left", last=True)]))


def test_what_is_sealed_comes_out_whole_and_costs_what_is_said():
    sealer, opener = Sealer(KEY), Opener(KEY)
    for packet in sent():
        sealed = sealer.seal(packet)
        assert len(sealed) == len(packet) + SEAL_BYTES and is_sealed(sealed) and read_packet(sealed) is None
        assert opener.open(sealed) == packet


def test_nothing_of_a_packet_can_be_read_in_its_sealed_form():
    packet = sent()[0]
    assert packet[10:20] not in Sealer(KEY).seal(packet)


def test_every_damaged_bit_and_every_cut_is_refused():
    sealed = Sealer(KEY).seal(sent()[0])
    opener = Opener(KEY)
    for bit in range(8 * len(sealed)):
        damaged = bytearray(sealed)
        damaged[bit // 8] ^= 1 << bit % 8
        assert opener.open(bytes(damaged)) == "stranger"
    assert all(opener.open(sealed[:stop]) == "stranger" for stop in range(len(sealed)))
    assert opener.open(sealed) == sent()[0]


def test_another_key_and_no_key_are_strangers():
    packet = sent()[0]
    assert Opener(KEY).open(Sealer(OTHER).seal(packet)) == "stranger"
    assert Opener(KEY).open(packet) == "stranger"


def test_a_packet_is_opened_once():
    sealed = Sealer(KEY).seal(sent()[0])
    opener = Opener(KEY)
    assert isinstance(opener.open(sealed), bytes)
    assert opener.open(sealed) == "replay"


def test_a_recording_cannot_be_played_to_a_receiver_that_is_started_later():
    clock = Clock()
    sealed = Sealer(KEY, clock).seal(sent()[0])
    clock.now_s += 59
    assert isinstance(Opener(KEY, clock).open(sealed), bytes)
    clock.now_s += 2
    assert Opener(KEY, clock).open(sealed) == "stale"


def test_what_was_forgotten_is_not_opened_again(monkeypatch):
    monkeypatch.setattr(sealing, "MAX_REMEMBERED", 10)
    clock = Clock()
    sealer, opener = Sealer(KEY, clock), Opener(KEY, clock)
    sealed = [sealer.seal(sent()[0]) for _ in range(30)]
    assert all(isinstance(opener.open(one), bytes) for one in sealed)
    assert {opener.open(one) for one in sealed} == {"replay"}
    assert len(opener._opened) <= 10


def test_no_nonce_is_used_twice_in_a_run_or_after_a_restart_even_if_the_clock_stands_or_goes_back():
    clock = Clock()
    nonces = []
    for restart in range(3):
        sealer = Sealer(KEY, clock)
        for n in range(200):
            clock.now_s -= n % 2 * 0.01
            nonces.append(sealer.seal(sent()[-1])[1:13])
        clock.now_s = 1.8e9 - restart
    assert len(set(nonces)) == 600


def test_a_key_file(tmp_path):
    path = tmp_path / "key"
    path.write_text("ab" * 32 + "\n")
    path.chmod(0o600)
    assert read_key(path) == b"\xab" * 32


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_that_others_may_read_is_refused_and_it_is_said_how_to_make_one(tmp_path, mode):
    path = tmp_path / "key"
    path.write_text("ab" * 32)
    path.chmod(mode)
    with pytest.raises(InputError, match=r"others may read the key .* make a new one: .*umask 077"):
        read_key(path)


@pytest.mark.parametrize("text", ["", "ab" * 31, "xy" * 32, "ab" * 33, "ab" * 32 + " and more"])
def test_what_is_no_key_is_refused(tmp_path, text):
    path = tmp_path / "key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(InputError, match="64 hex digits"):
        read_key(path)
    with pytest.raises(InputError, match="is not a file"):
        read_key(tmp_path / "none")
