"""Small vectors of the senses of words, taken out of a sentence encoder: ``lgvsc train judge --sentences FOLDER``.

Each piece of a word is read alone; what the encoder makes of it, less the mean of all, is turned to its main axes.
Frequent pieces get short vectors, as they say little; BERT's vocabulary is in the order of frequency. After Arora et
al. 2017 (a simple but tough-to-beat baseline for sentence embeddings) and Tulkens and van Dongen 2024 (Model2Vec).
"""

from __future__ import annotations

import re
from pathlib import Path

import torch

from lgvsc.nets.word_senses import WordSenses
from lgvsc.semantics.backends.large.sentences import SentenceModel

PIECE = re.compile(r"(##)?[a-z0-9]+")
SIZE = 64
WHITENING = 0.5  # how far the axes are brought to one length, 0 not at all, 1 wholly
BATCH = 512


def distil(folder: Path) -> WordSenses:
    """Vectors of all pieces of plain words in an encoder's vocabulary.

    Args:
        folder: A sentence encoder with BERT's tokenizer, such as all-MiniLM-L6-v2.
    """
    encoder = SentenceModel(folder)
    vocabulary = encoder.tokenizer.get_vocab()
    pieces = sorted((piece for piece in vocabulary if PIECE.fullmatch(piece)), key=vocabulary.__getitem__)
    places = [vocabulary[piece] for piece in pieces]
    start, end = encoder.ids("")
    rows = [[start, place, end] for place in places]
    read = torch.cat([encoder.vectors(rows[i : i + BATCH]) for i in range(0, len(rows), BATCH)])
    read = read - read.mean(0)
    _, strengths, axes = torch.linalg.svd(read, full_matrices=False)
    vectors = read @ axes[:SIZE].T / strengths[:SIZE] ** WHITENING
    vectors = vectors * torch.tensor(places).add(1).log()[:, None] ** 2
    return WordSenses(pieces, (127 * vectors / vectors.abs().max()).round().to(torch.int8))
