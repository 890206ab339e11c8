"""Packets under a key: nobody without it can read them, make one, change one, or send one a second time.

ChaCha20-Poly1305 of the ``cryptography`` library, imported here and nowhere else. A sealed packet is::

    1011 2:4  time:48 run:48  ciphertext  tag:128

``time`` counts 10 microseconds since 2020 and grows with every packet of a sender, ``run`` is drawn when the sender
starts. Together they are the nonce. It is used once: within a run the time never repeats, and two runs share neither
the time nor the draw. The receiver refuses what it has opened before, and what is older than a minute by its own clock,
so that what was recorded in one run of it cannot be played to the next one.

Source: Nir and Langley 2018, RFC 8439 (the cipher).
"""

from __future__ import annotations

import os
import re
import secrets
import stat
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeAlias

from lgvsc.coding.packets.packet_header import CRC_BYTES, MAGIC, crc
from lgvsc.core.files import reason, require_file
from lgvsc.errors import InputError, MissingResourceError

Refusal: TypeAlias = Literal["stranger", "replay", "stale"]

KEY_BYTES = 32
MARK = bytes([MAGIC << 4 | 2])
NONCE_BYTES, TAG_BYTES = 12, 16
SEAL_BYTES = len(MARK) + NONCE_BYTES + TAG_BYTES - CRC_BYTES  # more than without; the tag takes the CRC's place
MAX_AGE_S = 60.0  # how far the clocks of sender and receiver may be apart, with the way between them
MAX_REMEMBERED = 1 << 16  # of opened packets; at the pace of `live.send` half a minute of them
TICKS_PER_S = 100_000
EPOCH_S = 1_577_836_800  # the first second of 2020
HOW_TO_MAKE_ONE = (
    "(umask 077; python3 -c 'import secrets; print(secrets.token_hex(32))' > lgvsc.key), and copy it to the other end"
)


def read_key(path: Path) -> bytes:
    """The key of a file: 64 hex digits, readable by its owner alone.

    Raises:
        InputError: There is no such file, others may read it, or it holds something else. The message says how to make
            one.
    """
    require_file(path, "a key", f"that is to be the key, so make one: {HOW_TO_MAKE_ONE}")
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode  # of what is read, whatever the name points at a moment later
            text = file.read(200)
    except OSError as error:
        raise InputError(f"the key {path} cannot be read: {reason(error)}") from error
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise InputError(
            f"others may read the key {path} (mode {stat.S_IMODE(mode):03o}), so it is none; "
            f"make a new one: {HOW_TO_MAKE_ONE}"
        )
    if not re.fullmatch(rb"[0-9a-fA-F]{64}\s*", text):
        raise InputError(f"the key {path} does not hold 64 hex digits; make one: {HOW_TO_MAKE_ONE}")
    return bytes.fromhex(text.decode())


class Sealer:
    """Seals the packets of one run of a sender.

    Args:
        key: 32 bytes.
        clock: Seconds since 1970.
    """

    def __init__(self, key: bytes, clock: Callable[[], float] = time.time) -> None:
        self._cipher, self._clock = _cipher(key), clock
        self._run = secrets.token_bytes(NONCE_BYTES - 6)
        self._ticks = 0

    def seal(self, packet: bytes) -> bytes:
        """A packet of ``packet_header``, sealed; longer by :data:`SEAL_BYTES`."""
        self._ticks = max(self._ticks + 1, _ticks(self._clock()))
        nonce = self._ticks.to_bytes(6, "big") + self._run
        sealed: bytes = self._cipher.encrypt(nonce, packet[:-CRC_BYTES], MARK)
        return MARK + nonce + sealed


class Opener:
    """Opens packets, each once.

    Args:
        key: 32 bytes, the sender's.
        clock: Seconds since 1970.
    """

    def __init__(self, key: bytes, clock: Callable[[], float] = time.time) -> None:
        self._cipher, self._clock = _cipher(key), clock
        self._opened: set[bytes] = set()
        self._order: deque[bytes] = deque()
        self._floor = 0  # in ticks: what is not later than what was forgotten may have been opened

    def open(self, data: bytes) -> bytes | Refusal:
        """The packet, or why it is refused; only what the key has sealed is ever called a replay or stale."""
        nonce, sealed = data[len(MARK) : len(MARK) + NONCE_BYTES], data[len(MARK) + NONCE_BYTES :]
        if data[: len(MARK)] != MARK or len(sealed) < TAG_BYTES:
            return "stranger"
        body = _decrypted(self._cipher, nonce, sealed)
        if body is None:
            return "stranger"
        ticks = int.from_bytes(nonce[:6], "big")
        if nonce in self._opened or ticks <= self._floor:
            return "replay"
        if abs(_ticks(self._clock()) - ticks) > MAX_AGE_S * TICKS_PER_S:
            return "stale"
        self._opened.add(nonce)
        self._order.append(nonce)
        if len(self._order) > MAX_REMEMBERED:
            forgotten = self._order.popleft()
            self._opened.remove(forgotten)
            self._floor = max(self._floor, int.from_bytes(forgotten[:6], "big"))
        return body + crc(body)


def is_sealed(data: bytes) -> bool:
    """Whether something calls itself a sealed packet."""
    return data[: len(MARK)] == MARK


def _ticks(now_s: float) -> int:
    return max(0, int((now_s - EPOCH_S) * TICKS_PER_S))


def _cipher(key: bytes) -> Any:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
    except ImportError as error:
        raise MissingResourceError("a key needs the cryptography library: pip install 'lgvsc[live]'") from error
    return ChaCha20Poly1305(key)


def _decrypted(cipher: Any, nonce: bytes, sealed: bytes) -> bytes | None:
    from cryptography.exceptions import InvalidTag

    try:
        body: bytes = cipher.decrypt(nonce, sealed, MARK)
    except InvalidTag:
        return None
    return body
