"""Pairs of English texts that no captioner of ours wrote, and how far they agree.

No text of anybody is in here: sentences are made of words, the second one by changing words of the first, by telling
some of it anew in other words, or anew altogether. What is right follows from the senses of the words, which the judge
is told as well; what it learns is to believe them where it does not know the words itself.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import torch

from lgvsc.core.interfaces import FOCUSES
from lgvsc.nets.word_senses import WordSenses
from lgvsc.training.language.judge_scenes import SAID, Example, probabilities, pseudo_word

Kind: TypeAlias = Literal["equal", "edited", "told anew", "unrelated"]

# Where texts about one clip are as likely as texts about two, and how fast that changes: a logistic regression on the
# mean likeness of pairs of written captions, `python benchmarks/judges.py CAPTIONS.json --fit`. The slope that it finds
# is 27; a gentler one keeps answers graded and the order of pairs as it is.
MIDDLE, SLOPE = 0.52, 16.0
FREQUENT = 9_000  # pieces of BERT's vocabulary are in the order of their frequency
NEAR = 8  # words that may stand for a word
EDIT_WEIGHT = 6.0  # at a sixth of the words replaced, few would call texts the same

# Words that captions from elsewhere are full of. They enter the vocabulary: known words compare better than
# hashed ones.
_COMMON = """
a an and are as at be but by for from has have he her his in into is it its not of on or she that the their them
there they this to was were which while who with without above below behind front near next over under beside between
man woman boy girl child baby people crowd group someone hand arm leg head hair eye mouth dog cat bird horse fish animal
car bus truck train boat bicycle road street house building room kitchen table chair bed window door wall floor ceiling
tree grass flower forest field mountain hill river lake sea water beach sand snow sky cloud sun moon night day evening
city town park garden stage screen phone book cup bottle food plate ball box bag clothes shirt hat dress
stands sits walks runs holds looks turns moves rides drives plays talks eats opens closes picks lies flies swims jumps
big little long short old young new open closed empty full high low fast slow wearing camera view picture image scene
"""
COMMON_WORDS = tuple(_COMMON.split())
_SMALL = COMMON_WORDS[:55]  # words that carry no picture


@dataclass(slots=True)
class EnglishPairs:
    """Draws pairs of texts.

    Attributes:
        senses: What words mean.
    """

    senses: WordSenses
    _frequent: list[str] = field(init=False)
    _near: dict[str, list[tuple[str, float]]] = field(init=False)

    def __post_init__(self) -> None:
        pieces = self.senses.pieces[:FREQUENT]
        places = [i for i, piece in enumerate(pieces) if piece.isalpha() and len(piece) > 2]
        self._frequent = [pieces[i] for i in places]
        vectors = torch.nn.functional.normalize(self.senses.vectors[places].float(), dim=1)
        self._near = {}
        for start in range(0, len(places), 1000):
            found = (vectors[start : start + 1000] @ vectors.T).topk(min(NEAR + 1, len(places)))
            for i, (values, at) in enumerate(zip(found.values.tolist(), found.indices.tolist(), strict=True)):
                word = self._frequent[start + i]
                others = [(self._frequent[j], v) for j, v in zip(at, values, strict=True) if j != start + i]
                self._near[word] = others

    def draw(self, rng: random.Random) -> Example:
        """One random pair."""
        kinds: tuple[Kind, ...] = ("equal", "edited", "told anew", "unrelated")
        kind = rng.choices(kinds, (2, 3, 6, 3))[0]
        words = [self._word(rng) for _ in range(rng.randint(5, 30))]
        first = " ".join(words)
        if kind in ("equal", "edited"):
            share = 0.0 if kind == "equal" else rng.choice((0.05, 0.1, 0.15, 0.4))
            other, change = self._edited(rng, words, share)
            p_no = probabilities(EDIT_WEIGHT * change)[1]
            return self._example(rng, first, " ".join(other), p_no)
        kept = rng.random() if kind == "told anew" else 0.0
        second = " ".join(self._told_anew(rng, words, kept))
        _, likeness, _ = self.senses.likeness(first, second)
        return self._example(rng, first, second, SAID / (1.0 + math.exp(SLOPE * (likeness - MIDDLE))))

    def _example(self, rng: random.Random, first: str, second: str, p_no: float) -> Example:
        if rng.random() < 0.5:
            first, second = second, first
        end = rng.choice(("", "."))
        answer = (SAID - p_no, p_no)
        return Example(f"{first}{end}", f"{second}{end}", "free text", dict.fromkeys(FOCUSES, answer))

    def _edited(self, rng: random.Random, words: list[str], share: float) -> tuple[list[str], float]:
        """The text with some words replaced in their places, and how much of it changed."""
        other, changed = list(words), 0.0
        for i, word in enumerate(words):
            if rng.random() >= share:
                continue
            if word in self._near and rng.random() < 0.4:
                other[i], alike = rng.choice(self._near[word])
                changed += 1.0 - max(0.0, alike)
            elif word not in _SMALL:
                other[i] = self._word(rng)
                changed += other[i] != word
        return other, changed / len(words)

    def _told_anew(self, rng: random.Random, words: list[str], kept: float) -> list[str]:
        """A share of the words, or words near them, in another order among new ones."""
        other = [self._related(rng, word) for word in words if word not in _SMALL and rng.random() < kept]
        fresh = [self._word(rng) for _ in range(rng.randint(0, 12) if other else rng.randint(4, 25))]
        other += rng.sample(fresh, round((1.0 - 0.7 * kept) * len(fresh)))
        if rng.random() < 0.7:
            rng.shuffle(other)
        other += [rng.choice(_SMALL) for _ in range(rng.randint(0, 6))]
        return other

    def _related(self, rng: random.Random, word: str) -> str:
        if word not in self._near or rng.random() < 0.5:
            return word
        return rng.choice(self._near[word])[0]

    def _word(self, rng: random.Random) -> str:
        pick = rng.random()
        if pick < 0.3:
            return rng.choice(_SMALL)
        return (
            rng.choice(COMMON_WORDS) if pick < 0.55 else rng.choice(self._frequent) if pick < 0.95 else pseudo_word(rng)
        )
