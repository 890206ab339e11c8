"""Yes and no as they stand in vocabularies: what of a token's spelling is the word, and what is a mark of a space."""

from __future__ import annotations

# Marks of space, newline, tab and return in the two families of tokenizers: SentencePiece, and bytes as letters.
SPACE_MARKS = str.maketrans("", "", "\u2581\u0120\u010a\u0109\u010d")


def bare(piece: str) -> str:
    """A vocabulary entry without marks of space around or in it, its case kept."""
    return piece.translate(SPACE_MARKS).strip()
