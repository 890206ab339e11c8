"""How a file asks for its pictures to be turned: display matrices of containers, as FFmpeg 4 and later show them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import av
import numpy as np

from lgvsc.errors import InputError

EXIF = {  # upper left two by two of a display matrix, by orientation
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, 1, -1, 0),
    7: (0, -1, -1, 0),
    8: (0, -1, 1, 0),
}
Filters = list[tuple[str, str]]  # names of FFmpeg's filters and their options


def display_matrix(frame: av.VideoFrame) -> tuple[int, ...]:
    """The nine numbers that came with a decoded frame; empty where there are none."""
    try:
        found: Any = frame.side_data  # a mapping to PyAV, and yet it iterates over its values
    except ValueError:  # a kind that PyAV does not know, as the EXIF data of a JPEG picture
        return ()
    for data in found:
        if data.type.name == "DISPLAYMATRIX" and data.buffer_size >= 36:
            return tuple(int(number) for number in np.frombuffer(bytes(data)[:36], "=i4"))
    return ()


def exif_matrix(orientation: int) -> tuple[int, ...]:
    """The nine numbers that do what an EXIF orientation of 2 to 8 asks for; empty for any other."""
    if orientation not in EXIF:
        return ()
    a, b, c, d = (number << 16 for number in EXIF[orientation])
    return a, b, 0, c, d, 0, 0, 0, 1 << 30


def turning(matrix: Sequence[int]) -> Filters:
    """The filters that set a picture upright; none where the matrix asks for nothing or is broken.

    Args:
        matrix: Nine numbers, 16.16 fixed point in the upper left two by two, row by row.

    Source: The documentation of ``av_display_rotation_get`` for the angle; mirrored matrices as FFmpeg's own player
    and converter show them (transpositions, flips).
    """
    if len(matrix) != 9:
        return []
    a, b, _, c, d = matrix[:5]
    lengths = math.hypot(a, c), math.hypot(b, d)
    if not all(lengths):
        return []
    angle = math.degrees(math.atan2(b / lengths[1], a / lengths[0])) % 360.0  # clockwise
    if min(angle, 360.0 - angle) < 1.0:
        return [("vflip", "")] if d < 0 else []
    if abs(angle - 90.0) < 1.0:
        return [("transpose", "cclock_flip" if c > 0 else "clock")]
    if abs(angle - 180.0) < 1.0:
        return ([("hflip", "")] if a < 0 else []) + ([("vflip", "")] if d < 0 else [])
    if abs(angle - 270.0) < 1.0:
        return [("transpose", "clock_flip" if c < 0 else "cclock")]
    return [("rotate", f"{math.radians(angle):.6f}")]


def swaps_sides(filters: Filters) -> bool:
    """Whether height and width change places."""
    return any(name == "transpose" for name, _ in filters)


def in_words(filters: Filters) -> str:
    """What the filters do to the picture."""
    words = {
        ("transpose", "clock"): "turned by 90 degrees clockwise",
        ("transpose", "cclock"): "turned by 90 degrees counter-clockwise",
        ("transpose", "clock_flip"): "mirrored along its rising diagonal",
        ("transpose", "cclock_flip"): "mirrored along its falling diagonal",
        ("hflip", ""): "mirrored left to right",
        ("vflip", ""): "mirrored top to bottom",
    }
    if [name for name, _ in filters] == ["hflip", "vflip"]:
        return "turned by 180 degrees"
    name, options = filters[0]
    if name == "rotate":
        return f"turned by {math.degrees(float(options)):.0f} degrees clockwise"
    found = words.get((name, options))
    if found is None:
        raise InputError(f"{name}={options} is no way to turn a picture")
    return found
