"""What the judge is trained on, as tensors: pairs of descriptions, questions about them, right answers."""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch
from torch import Tensor

from lgvsc.core.interfaces import FOCUSES
from lgvsc.nets.judge_lm import WordTokenizer
from lgvsc.nets.word_senses import WordSenses, spread
from lgvsc.training.language.judge_english import EnglishPairs
from lgvsc.training.language.judge_questions import draw_question
from lgvsc.training.language.judge_scenes import Example, draw

POOL = 8  # batches drawn together
ENGLISH = 0.3  # share of pairs that are in no captioner's language
UNDECIDED = "unclear"  # where the rest of the probability goes: an answer that is neither yes nor no


@dataclass(frozen=True, slots=True)
class Batch:
    """Padded prompts and what should follow. Each row asks all focuses about one pair, in threads of their own.

    Attributes:
        tokens: ``(B, T)``.
        threads: ``(B, T)``, see :meth:`JudgeLM.hidden`; padding is a thread nobody else sees.
        second: ``(B, T)``: where the next word belongs to the second description.
        ends: Positions of the answers, ``(B, focuses)``.
        targets: Probabilities of the answers, ``(B, focuses, vocabulary)``.
        likeness: Of the two descriptions, ``(B, MEASURES * STEPS)``.
    """

    tokens: Tensor
    threads: Tensor
    second: Tensor
    ends: Tensor
    targets: Tensor
    likeness: Tensor


def pack(
    tokenizer: WordTokenizer, senses: WordSenses, drawn: list[tuple[Example, list[tuple[str, float, float]]]]
) -> Batch:
    """Examples and their questions, each with P(yes) and P(no), as tensors padded to the right."""
    ids = tokenizer.get_vocab()
    rows = []
    for example, asked in drawn:
        told = tokenizer.told(example.first, example.second, 512)
        rows.append((told, [tokenizer.asked(text) for text, _, _ in asked]))
    length = max(len(told) + sum(map(len, questions)) for told, questions in rows)
    count = len(rows[0][1])
    tokens = torch.zeros(len(rows), length, dtype=torch.long)
    threads = torch.full_like(tokens, count + 1)
    second = torch.zeros_like(tokens, dtype=torch.bool)
    ends = torch.zeros(len(rows), count, dtype=torch.long)
    targets = torch.zeros(len(rows), count, len(tokenizer))
    for i, ((told, questions), (_, asked)) in enumerate(zip(rows, drawn, strict=True)):
        at = len(told)
        tokens[i, :at], threads[i, :at] = torch.tensor(told), 0
        second[i, told.index(ids["<second>"]) : at - 1] = True
        for j, (words, (text, p_yes, p_no)) in enumerate(zip(questions, asked, strict=True)):
            tokens[i, at : at + len(words)], threads[i, at : at + len(words)] = torch.tensor(words), j + 1
            at += len(words)
            ends[i, j] = at - 1
            yes, no = ("Yes", "No") if "Yes" in text else ("yes", "no")
            targets[i, j, ids[yes]], targets[i, j, ids[no]] = p_yes, p_no
            targets[i, j, ids[UNDECIDED]] = 1.0 - p_yes - p_no
    likeness = spread([senses.likeness(example.first, example.second) for example, _ in drawn])
    return Batch(tokens, threads, second, ends, targets, likeness)


def pool_of(tokenizer: WordTokenizer, english: EnglishPairs, batch: int, seed: str) -> list[Batch]:
    """Several batches at once, each of examples of about the same length, in random order."""
    rng = random.Random(seed)
    examples = [english.draw(rng) if rng.random() < ENGLISH else draw(rng) for _ in range(POOL * batch)]
    drawn = [(example, _ask_all(rng, example)) for example in examples]
    drawn.sort(key=lambda row: len(row[0].first + row[0].second) + sum(len(text) for text, _, _ in row[1]))
    rows = [drawn[i : i + batch] for i in range(0, len(drawn), batch)]
    rng.shuffle(rows)
    return [pack(tokenizer, english.senses, row) for row in rows]


def _ask_all(rng: random.Random, example: Example) -> list[tuple[str, float, float]]:
    focuses = rng.sample(FOCUSES, len(FOCUSES))
    return [(draw_question(rng, focus), *example.answers[focus]) for focus in focuses]


def excess(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy less the targets' own entropy: what is left is how far the answers are off."""
    entropy = -torch.special.xlogy(targets, targets).sum(-1).mean()
    return -(targets * logits.log_softmax(-1)).sum(-1).mean() - entropy


def schedule(progress: float, step: int, warmup: int) -> float:
    """Linear warm-up, then linear decay to nothing."""
    return min(1.0, (step + 1) / warmup) * (1.0 - progress)
