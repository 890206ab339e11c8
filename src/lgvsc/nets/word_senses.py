"""How alike two texts are, word by word, whatever words they use: a small vector for each piece of a word.

The vectors know that a puppy is a dog; the causal model beside which they stand (``judge_lm.py``) knows in which
respect two descriptions differ. A text's pieces are found as BERT's tokenizer finds them, the longest first.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn

MEASURES = 3  # what :meth:`WordSenses.likeness` finds
_MARKS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.94, 0.97, 1.0)  # texts in one language are all alike
STEPS = len(_MARKS) - 1  # into which each is spread for a network to read
_LONGEST = 40  # characters of a word; beyond it is noise


class WordSenses(nn.Module):
    """A vector for each piece of a word, as long as the piece is telling.

    Args:
        pieces: Beginnings of words, and what follows them with ``##`` in front.
        vectors: ``(pieces, size)`` int8; only angles and ratios of lengths matter.
    """

    vectors: Tensor

    def __init__(self, pieces: Sequence[str], vectors: Tensor) -> None:
        super().__init__()
        if len(pieces) != len(vectors):
            raise ValueError(f"{len(pieces)} pieces of words, but {len(vectors)} vectors")
        self.pieces = tuple(pieces)
        self._places = {piece: i for i, piece in enumerate(self.pieces)}
        self.register_buffer("vectors", vectors.to(torch.int8))

    @classmethod
    def tiny(cls) -> Self:
        """Letters and a few words, for tests."""
        letters = "abcdefghijklmnopqrstuvwxyz"
        pieces = [*letters, *(f"##{letter}" for letter in letters), "dog", "puppy", "car", "red"]
        vectors = torch.randint(-60, 60, (len(pieces), 8), generator=torch.Generator().manual_seed(0))
        vectors[pieces.index("puppy")] = vectors[pieces.index("dog")] + 5
        return cls(pieces, vectors.to(torch.int8))

    def find(self, text: str) -> list[int]:
        """Places of a text's pieces; what the table lacks is left out."""
        plain = "".join(c for c in unicodedata.normalize("NFD", text.lower()) if unicodedata.category(c) != "Mn")
        return [place for word in re.findall("[a-z0-9]+", plain) for place in self._of_word(word[:_LONGEST])]

    def likeness(self, first: str, second: str) -> tuple[float, float, float]:
        """How alike two texts are: by the sum of their pieces, and by the nearest piece of the other text for each
        piece, both ways in the mean and the worse way. 1 for equal texts, about 0.3 for unrelated ones; 1 as well
        where neither holds a known piece, 0 where one does.

        Source of the last two: Zhang et al. 2020 (BERTScore, arXiv:1904.09675), section 3, with lengths of the vectors
        as weights.
        """
        a, b = (self.vectors[self.find(text)].float() for text in (first, second))
        if not (len(a) and len(b)):
            return (1.0, 1.0, 1.0) if len(a) == len(b) else (0.0, 0.0, 0.0)
        sums = torch.cosine_similarity(a.sum(0), b.sum(0), dim=0).item()
        lengths_a, lengths_b = a.norm(dim=1).clamp_min(1e-6), b.norm(dim=1).clamp_min(1e-6)
        near = (a / lengths_a[:, None]) @ (b / lengths_b[:, None]).T
        there = ((near.amax(1) * lengths_a).sum() / lengths_a.sum()).item()
        back = ((near.amax(0) * lengths_b).sum() / lengths_b.sum()).item()
        return sums, (there + back) / 2, min(there, back)

    def _of_word(self, word: str) -> list[int]:
        found: list[int] = []
        at = 0
        while at < len(word):
            mark = "##" if at else ""
            ends = range(len(word), at, -1)
            end = next((end for end in ends if mark + word[at:end] in self._places), None)
            if end is None:
                break
            found.append(self._places[mark + word[at:end]])
            at = end
        return found


def spread(measures: Sequence[Sequence[float]]) -> Tensor:
    """Measures for a linear layer to read, ``(B, MEASURES)`` to ``(B, MEASURES * STEPS)``: how far each has passed
    each of so many steps.
    """
    x = torch.tensor(measures, dtype=torch.float32)
    marks = torch.tensor(_MARKS)
    return ((x[..., None] - marks[:-1]) / marks.diff()).clamp(0.0, 1.0).flatten(1)
