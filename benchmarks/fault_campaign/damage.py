"""Ways to damage bytes: flips, bursts, cuts, and random edits."""

from __future__ import annotations

import random
from collections.abc import Iterator


def bit_flips(data: bytes, every: int = 1) -> Iterator[tuple[str, bytes]]:
    """Every single bit turned over, or one in so many."""
    for bit in range(0, 8 * len(data), every):
        at = bit // 8
        yield f"bit {bit}", data[:at] + bytes([data[at] ^ 128 >> bit % 8]) + data[at + 1 :]


def cuts(data: bytes, every: int = 1) -> Iterator[tuple[str, bytes]]:
    """Truncation after every number of bytes."""
    for length in range(0, len(data), every):
        yield f"cut at {length}", data[:length]


def bursts(data: bytes, count: int, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """Runs of 2 to 256 bytes that are zeroed, set, randomised, taken out or put in."""
    rng = random.Random(seed)
    for number in range(count):
        at, length = rng.randrange(len(data)), 2 ** rng.randrange(1, 9)
        kind = ("zeros", "ones", "noise", "lost", "added")[number % 5]
        end = at + length
        noise = rng.randbytes(length)
        middle = {"zeros": bytes(length), "ones": b"\xff" * length, "noise": noise, "lost": b"", "added": noise}[kind]
        rest = data[at:] if kind == "added" else data[end:]
        yield f"{length} bytes of {kind} at {at}, number {number}", data[:at] + middle + rest


INTERESTING = (
    b"\x00",
    b"\xff",
    b"\x7f\xff\xff\xff",
    b"\x80\x00\x00\x00",
    b"\xff" * 8,
    b"NaN",
    b"-1",
    b"1e999",
    b"[[[[",
)


def edited(data: bytes, rng: random.Random) -> bytes:
    """One to four random edits: bytes changed, repeated, taken out, or replaced by what parsers dislike."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(out) + 1)
        what = rng.randrange(5)
        if what == 0 and at < len(out):
            out[at] = rng.randrange(256)
        elif what == 1:
            out[at:at] = rng.choice(INTERESTING)
        elif what == 2:
            del out[at : at + rng.randint(1, 16)]
        elif what == 3:
            piece = rng.choice(INTERESTING)
            out[at : at + len(piece)] = piece
        else:
            out[at:at] = out[at : at + rng.randint(1, 64)]
    return bytes(out)


def edits(seeds: list[bytes], count: int, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """Valid inputs with random edits, and one in eight pure noise."""
    rng = random.Random(seed)
    for number in range(count):
        if number % 8 == 7:
            yield f"noise {number}", rng.randbytes(rng.randrange(400))
        else:
            yield f"edit {number}", edited(seeds[number % len(seeds)], rng)
