"""GIFs as browsers show them: a picture without a delay, or with one below 1/50 s, stands for 1/10 s.

FFmpeg keeps delays of 1/100 s, and takes pictures between which no extension block stands for a single one.
Source: GIF89a specification, sections 18 to 23.
"""

from __future__ import annotations

from pathlib import Path

HEADER_BYTES = 13
LEAST_DELAY = 2  # hundredths of a second
SHOWN_DELAY = 10
_CONTROL = b"\x21\xf9\x04"


def as_shown(path: Path) -> bytes | None:
    """The file with the delays that browsers make of it; ``None`` where they change none, or it is no sound GIF."""
    with path.open("rb") as file:
        if file.read(6) not in (b"GIF87a", b"GIF89a"):
            return None
        file.seek(0)
        data = file.read()
    try:
        return _with_delays(data)
    except IndexError:  # it ends within a block
        return None


def _with_delays(data: bytes) -> bytes | None:
    at = _behind_colours(data, HEADER_BYTES, data[10])
    shown, pictures, changed, controlled = bytearray(b"GIF89a" + data[6:at]), 0, 0, False
    while at < len(data) and data[at] in b"\x21\x2c":
        start, is_picture = at, data[at] == 0x2C
        at = _behind_colours(data, at + 10, data[at + 9]) + 1 if is_picture else at + 2
        while data[at]:
            at += data[at] + 1
        at += 1
        block = data[start:at]
        if is_picture:
            pictures += 1
            if not controlled:
                changed += 1
                shown += _CONTROL + bytes((0, SHOWN_DELAY, 0, 0, 0))
            controlled = False
        elif block.startswith(_CONTROL):
            controlled = True
            if int.from_bytes(block[4:6], "little") < LEAST_DELAY:
                changed += 1
                block = block[:4] + SHOWN_DELAY.to_bytes(2, "little") + block[6:]
        shown += block
    return bytes(shown + data[at:]) if changed and pictures > 1 else None


def _behind_colours(data: bytes, at: int, flags: int) -> int:
    """Where a table of colours ends that flags announce here, if they do."""
    return at + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
