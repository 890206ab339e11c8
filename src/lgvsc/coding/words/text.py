"""A caption as bits: range coding under the shipped text model, down to single bits.

Every string is coded exactly; likely ones take few bits. The end of the text is a symbol of its own. Bits that the
receiver would fill in alike (zeros at the end) are not sent.
"""

from __future__ import annotations

from typing import TypeAlias

import constriction
import numpy as np
from numpy.typing import NDArray

from lgvsc.coding.words.text_model import END, TOTAL, TextModel, shipped_model
from lgvsc.core.message import MAX_CAPTION_BYTES
from lgvsc.errors import InputError

Bits: TypeAlias = NDArray[np.uint8]

_WORD_BITS = 32  # of constriction's range coder; its state is two words
_STATE_BITS = 64
_FAMILY = constriction.stream.model.Categorical(perfect=False)


def encode_text(text: str, model: TextModel | None = None) -> Bits:
    """Bits of a text, for :func:`decode_text`.

    Args:
        text: At most ``MAX_CAPTION_BYTES`` bytes of UTF-8.
        model: ``None`` takes the shipped one.

    Returns:
        uint8 of 0 and 1, ``(n,)``, at least one.

    Raises:
        InputError: The text is too long, or not Unicode (lone surrogates).
    """
    model = model or shipped_model()
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        raise InputError("a caption holds half a surrogate pair, which is no character") from error
    if len(data) > MAX_CAPTION_BYTES:
        raise InputError(f"a caption of {len(data)} bytes is too long; the limit is {MAX_CAPTION_BYTES}")
    encoder = constriction.stream.queue.RangeEncoder()
    table = np.stack([_probabilities(model, data[:at]) for at in range(len(data) + 1)])
    encoder.encode(np.frombuffer(data + bytes((END,)), dtype=np.uint8).astype(np.int32), _FAMILY, table)
    return _shortest(encoder)


def decode_text(bits: Bits, model: TextModel | None = None) -> str | None:
    """The text, or ``None`` where the bits are not one. Never raises, and never yields more than a caption."""
    model = model or shipped_model()
    words = _to_words(np.asarray(bits).reshape(-1).astype(np.bool_).view(np.uint8))
    decoder = constriction.stream.queue.RangeDecoder(np.concatenate((words, np.zeros(2, dtype=np.uint32))))
    data = bytearray()
    try:
        while len(data) <= MAX_CAPTION_BYTES:
            symbol = int(decoder.decode(_FAMILY, _probabilities(model, bytes(data))[None])[0])
            if symbol == END:
                return data.decode()
            data.append(symbol)
    except (ValueError, AssertionError):  # not UTF-8, or no code word of the range coder
        return None
    return None


def _probabilities(model: TextModel, past: bytes) -> NDArray[np.float64]:
    """Frequencies in the form that constriction takes; division by a power of two is exact."""
    return model.frequencies(past) / TOTAL


def _shortest(encoder: constriction.stream.queue.RangeEncoder) -> Bits:
    """The fewest bits that, with zeros after them, lie inside the encoder's final interval."""
    whole = _to_bits(encoder.get_compressed())
    position, (lower, width) = encoder.pos()
    before = whole[: _WORD_BITS * position]
    for kept in range(_STATE_BITS + 1):
        step = 1 << (_STATE_BITS - kept)
        value = -(-lower // step) * step
        if value < min(lower + width, 1 << _STATE_BITS):
            state = np.array([value >> (_STATE_BITS - 1 - bit) & 1 for bit in range(kept)], dtype=np.uint8)
            bits = np.concatenate((before, state))
            break
    last = np.flatnonzero(bits)
    return bits[: int(last[-1]) + 1] if len(last) else np.zeros(1, dtype=np.uint8)


def _to_bits(words: NDArray[np.uint32]) -> Bits:
    return np.unpackbits(words.astype(">u4").view(np.uint8))


def _to_words(bits: Bits) -> NDArray[np.uint32]:
    padded = np.zeros(-(-len(bits) // _WORD_BITS) * _WORD_BITS, dtype=np.uint8)
    padded[: len(bits)] = bits
    return np.packbits(padded).view(">u4").astype(np.uint32)
