"""A small causal language model over words, and the tokenizer that goes with it.

It reads two descriptions and a question and is asked for the next word. Decoder only, with two things that make a
small one good at comparing texts: each position starts as a mix of the last few words, since what is compared are
phrases, and attention starts out looking for the same phrase further back. Before it answers it is also told how
alike the two texts are by the senses of their words (``word_senses.py``), for words that it does not know itself.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lgvsc.nets.word_senses import MEASURES, STEPS, WordSenses, spread

SPECIALS = ("<pad>", "<question>", "<first>", "<second>", "<answer>")
UNKNOWN_BUCKETS = 128  # unknown words are hashed, so that the same unknown word stays the same token
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?|[^\w\s]")
_LABELS = ("yes", "no", "Yes", "No")


def find_words(text: str) -> list[str]:
    """Words and marks of a text, in order."""
    return _WORD.findall(text)


class WordTokenizer:
    """Words to integers. Lower case throughout, except that ``Yes`` and ``No`` are words of their own.

    Args:
        words: The known words, in the order of their ids, special tokens excluded.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words = tuple(words)
        pieces = [*SPECIALS, *(f"<unknown{i}>" for i in range(UNKNOWN_BUCKETS)), *self.words]
        self._ids = {piece: i for i, piece in enumerate(pieces)}
        if len(self._ids) != len(pieces):
            raise ValueError("the vocabulary holds a word twice")

    def __len__(self) -> int:
        return len(self._ids)

    def get_vocab(self) -> Mapping[str, int]:
        """Every token and its id."""
        return self._ids

    def encode(self, text: str) -> list[int]:
        """Ids of the words and marks of a text. Special tokens cannot be written in a text."""
        return [self._id(word) for word in find_words(text)]

    def prompt(self, question: str, first: str, second: str, max_tokens: int) -> list[int]:
        """The whole of what the model reads, ending where it has to answer; long descriptions lose their ends."""
        asked = self.asked(question)[-(max_tokens // 2) :]
        return [*self.told(first, second, max_tokens - len(asked)), *asked]

    def told(self, first: str, second: str, max_tokens: int) -> list[int]:
        """The part of a prompt that comes before the question."""
        room = (max_tokens - 2) // 2
        return [
            self._ids["<first>"],
            *self.encode(first)[:room],
            self._ids["<second>"],
            *self.encode(second)[:room],
        ]

    def asked(self, question: str) -> list[int]:
        """The question, and the mark after which the model has to answer."""
        return [self._ids["<question>"], *self.encode(question), self._ids["<answer>"]]

    def _id(self, word: str) -> int:
        word = word if word in _LABELS else word.lower()
        known = self._ids.get(word)
        return known if known is not None else len(SPECIALS) + zlib.crc32(word.encode()) % UNKNOWN_BUCKETS


def label_ids(tokenizer: WordTokenizer, word: str) -> list[int]:
    """Every token that *is* the word once marks of space and newline and its case are set aside.

    Found by scanning the vocabulary: encoding the word would find one spelling of it only.

    Raises:
        ValueError: There is none, so the model cannot be asked.
    """
    marks = str.maketrans("", "", "\u2581\u0120\u010a")
    found = sorted(i for piece, i in tokenizer.get_vocab().items() if piece.translate(marks).strip().lower() == word)
    if not found:
        raise ValueError(f"the vocabulary lacks the label {word!r}")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeLMConfig:
    """Size of the model."""

    vocabulary: int
    width: int = 160
    layers: int = 3
    heads: int = 4
    phrase: int = 4  # words that are mixed into each position at the start, itself included
    max_tokens: int = 768
    sense_size: int = 0  # of the vectors of word senses by which it is told how alike the texts are; 0: it is not
    head: int = 96  # width of the layer that weighs them against what it has read

    def __post_init__(self) -> None:
        if self.width % (4 * self.heads):
            raise ValueError(f"width {self.width} cannot be split into {self.heads} heads of a multiple of four")


class JudgeLM(nn.Module):
    """Next-word logits for each position.

    Input ``(B, T)`` int64, output ``(B, T, vocabulary)`` float32. Padding goes to the right: no position sees it.
    """

    def __init__(self, config: JudgeLMConfig, senses: WordSenses | None = None) -> None:
        super().__init__()
        if (0 if senses is None else senses.vectors.shape[1]) != config.sense_size:
            raise ValueError(f"the model wants vectors of word senses of size {config.sense_size}")
        self.config = config
        self.senses = senses
        self.embedding = nn.Embedding(config.vocabulary, config.width)
        self.phrase = nn.Parameter(torch.empty(config.phrase, config.width))
        self.blocks = nn.ModuleList(_Block(config) for _ in range(config.layers))
        self.norm = nn.RMSNorm(config.width)
        self.head = _Head(config) if config.sense_size else None
        nn.init.normal_(self.embedding.weight, std=0.05)
        nn.init.normal_(self.phrase, std=0.6)
        nn.init.ones_(self.phrase[0])

    @classmethod
    def tiny(cls, vocabulary: int = 200) -> Self:
        """Small enough for tests."""
        return cls(JudgeLMConfig(vocabulary=vocabulary, width=32, layers=2, heads=2, max_tokens=128))

    def forward(self, tokens: Tensor) -> Tensor:
        return self.logits(self.hidden(tokens))

    def hidden(self, tokens: Tensor, threads: Tensor | None = None) -> Tensor:
        """Final states ``(B, T, width)``.

        Args:
            tokens: ``(B, T)``.
            threads: ``(B, T)``: 0 for words that everything after them may see, a number above 0 for words that
                only later words with the same number attend to. Several questions about the same texts can then
                stand in one row (their first words still mix with the words right in front of them). ``None``: one
                thread, plain causal attention.
        """
        length = tokens.shape[1]
        if length > self.config.max_tokens:
            raise ValueError(f"{length} tokens, but this model reads {self.config.max_tokens}")
        words = self.embedding(tokens)
        x = words * self.phrase[0]
        for back in range(1, self.config.phrase):
            x = x + F.pad(words, (0, 0, back, 0))[:, :length] * self.phrase[back]
        positions = torch.arange(length, device=tokens.device).expand_as(tokens)
        hidden = torch.ones(length, length, dtype=torch.bool, device=tokens.device).triu(1)
        if threads is not None:
            hidden = hidden | ((threads[:, None, :] != 0) & (threads[:, None, :] != threads[:, :, None]))
            positions = _thread_positions(threads)
        rotation = _rotation(positions, self.config.width // self.config.heads // 2)
        hidden = hidden.reshape(-1, 1, length, length)
        for block in self.blocks:
            x = block(x, rotation, hidden)
        return self.norm(x)

    def logits(self, hidden: Tensor) -> Tensor:
        """Logits over the whole vocabulary, from any states of :meth:`hidden`."""
        return F.linear(hidden, self.embedding.weight).float()

    def informed(self, states: Tensor, likeness: Tensor | None) -> Tensor:
        """States of :meth:`hidden` at marks after which an answer is due, once the likeness is known.

        Args:
            states: ``(..., width)``.
            likeness: ``(..., MEASURES * STEPS)``; ``None`` leaves them as they are.
        """
        return states if likeness is None or self.head is None else states + self.head(states, likeness)

    def likeness(self, pairs: Sequence[tuple[str, str]]) -> Tensor | None:
        """How alike pairs of texts are, ``(len(pairs), MEASURES * STEPS)``; ``None`` for a model without senses."""
        return None if self.senses is None else spread([self.senses.likeness(*pair) for pair in pairs])

    def answer_probabilities(self, prompts: Sequence[Sequence[int]], likeness: Tensor | None = None) -> Tensor:
        """Softmax over the whole vocabulary at the end of each prompt, ``(B, vocabulary)``. One forward pass.

        Args:
            prompts: Token ids.
            likeness: As for :meth:`informed`.
        """
        lengths = torch.tensor([len(prompt) for prompt in prompts])
        tokens = torch.zeros(len(prompts), int(lengths.max()), dtype=torch.long)
        for row, prompt in zip(tokens, prompts, strict=True):
            row[: len(prompt)] = torch.tensor(prompt)
        last = self.hidden(tokens)[torch.arange(len(prompts)), lengths - 1]
        return torch.softmax(self.logits(self.informed(last, likeness)), dim=-1)


class _Head(nn.Module):
    """What the likeness changes in a state; nothing at the start."""

    def __init__(self, config: JudgeLMConfig) -> None:
        super().__init__()
        self.inside = nn.Linear(config.width + MEASURES * STEPS, config.head)
        self.outside = nn.Linear(config.head, config.width, bias=False)
        nn.init.zeros_(self.outside.weight)

    def forward(self, states: Tensor, likeness: Tensor) -> Tensor:
        changed: Tensor = self.outside(F.silu(self.inside(torch.cat((states, likeness), dim=-1))))
        return changed


class _Block(nn.Module):
    """Attention and a gated layer, each added to what came in."""

    def __init__(self, config: JudgeLMConfig) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.mix_norm, self.mlp_norm = nn.RMSNorm(width), nn.RMSNorm(width)
        self.qkv = nn.Linear(2 * width, 3 * width, bias=False)  # reads the word in front as well
        self.mix_out = nn.Linear(width, width, bias=False)
        self.mlp_in = nn.Linear(width, 4 * width, bias=False)
        self.mlp_out = nn.Linear(2 * width, width, bias=False)
        for last in (self.mix_out, self.mlp_out):  # branches that start small keep depth from adding variance
            nn.init.normal_(last.weight, std=0.5 * (width * config.layers) ** -0.5)
        with torch.no_grad():
            self._start_by_comparing(width)

    def _start_by_comparing(self, width: int) -> None:
        """Let queries and keys begin alike, so that a phrase looks for itself in the text before it.

        In every other head the key is that of the word in front: such a head finds what followed the phrase. Left to
        chance, both are found after millions of words; here they need only be kept.
        """
        eye = torch.eye(width)
        after = (torch.arange(width) // (width // self.heads)) % 2 == 1
        weight = 0.02 * torch.randn(3 * width, 2 * width)
        weight[:width, :width] += eye
        weight[width : 2 * width, :width] += eye * ~after[:, None]
        weight[width : 2 * width, width:] += eye * after[:, None]
        weight[2 * width :, :width] += 0.5 * eye
        self.qkv.weight.copy_(weight)

    def forward(self, x: Tensor, rotation: tuple[Tensor, Tensor], hidden: Tensor) -> Tensor:
        y = self.mix_norm(x)
        b, t, width = y.shape
        both = torch.cat((y, F.pad(y, (0, 0, 1, 0))[:, :t]), dim=-1)
        q, k, v = self.qkv(both).view(b, t, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        # Written out: on a CPU the fused attention of PyTorch trains several times slower at these lengths.
        scores = _turn(q, rotation) @ (_turn(k, rotation) * q.shape[-1] ** -0.5).transpose(2, 3)
        mixed = scores.masked_fill(hidden, float("-inf")).softmax(dim=-1) @ v
        x = x + self.mix_out(mixed.transpose(1, 2).reshape(b, t, width))
        gate, value = self.mlp_in(self.mlp_norm(x)).chunk(2, dim=-1)
        return x + self.mlp_out(F.silu(gate) * value)


def _rotation(positions: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines of rotary positions, ``(B, 1, T, size / 2)``. Source: Su et al. 2021 (arXiv:2104.09864)."""
    speed = 10_000.0 ** (-torch.arange(0, size, 2, device=positions.device) / size)
    angle = positions[:, None, :, None] * speed
    return angle.cos(), angle.sin()


def _turn(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate the second half of each head; the first half compares words wherever they stand."""
    cos, sin = (r.to(x.dtype) for r in rotation)
    still, turned = x.chunk(2, dim=-1)
    a, b = turned.chunk(2, dim=-1)
    return torch.cat((still, a * cos - b * sin, a * sin + b * cos), dim=-1)


def _thread_positions(threads: Tensor) -> Tensor:
    """Where each word would stand if its thread were alone after the shared words, ``(B, T)``."""
    shared = (threads == 0).cumsum(dim=1) - 1
    positions = shared.clone()
    for number in range(1, int(threads.max()) + 1):
        own = threads == number
        positions = torch.where(own, shared + own.cumsum(dim=1), positions)
    return positions
