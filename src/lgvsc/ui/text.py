"""Words and numbers for people: untrusted text made harmless, values with the right number of digits."""

from __future__ import annotations

import html
import math
import unicodedata
from typing import Any

MAX_TEXT = 4096
DASH = "–"


def clean(value: object, limit: int = MAX_TEXT) -> str:
    """Text without control characters, without marks that turn the direction of writing, and not too long.

    Captions come over the air and may hold anything.
    """
    text = str(value)[: limit + 1]
    kept = "".join(
        " " if c in "\t\r\n" else c for c in text if c in "\t\r\n\u200d" or unicodedata.category(c)[0] != "C"
    )
    return kept if len(text) <= limit else kept[: limit - 1] + "…"


def esc(value: object, limit: int = MAX_TEXT) -> str:
    """:func:`clean` text, safe inside HTML elements and quoted attributes."""
    return html.escape(clean(value, limit), quote=True)


def number(value: Any, digits: int = 2, unit: str = "") -> str:
    """A value with a fixed number of decimals, or a dash where there is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return DASH
    return f"{value:,.{digits}f}".replace(",", "\u202f") + (f"\u00a0{unit}" if unit else "")


def scientific(value: Any, digits: int = 2) -> str:
    """A small value as 6.31 × 10⁻⁴."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return DASH
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.{digits}e}".split("e")
    raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{mantissa}\u202f×\u202f10{raised}"


def seconds(value: float) -> str:
    """A time in a video: 4.25 s, or 12:03.5 from a minute on."""
    if value < 60:
        return f"{value:.2f}\u00a0s"
    return f"{int(value // 60)}:{value % 60:04.1f}"
