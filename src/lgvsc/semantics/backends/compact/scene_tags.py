"""Words about a picture as a whole: where it is, what kind of thing it shows, how it is seen.

One linear layer on what the compact detector's network makes of the whole picture. Each word has a probability of its
own and a least one from which it may be said; words that were too often wrong on clips held back have none.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from lgvsc.errors import InputError, MissingResourceError
from lgvsc.models.weights import read_tensors

# Every word that may be learned. The shipped weights say which of them may also be said.
_WORDS = (
    "aerial,animal,ballgame,bird,boat,building,car,cat,child,city,closeup,cooking,dancing,desert,dog,fish,flowers,food,"
    "glass,grass,hall,hands,in,insect,kitchen,machine,man,mountain,out,people,person,plants,portrait,road,room,ruins,"
    "sea,sky,snow,sport,stage,street,talking,trees,truck,underwater,vehicle,water,woman"
)
WORDS = tuple(_WORDS.split(","))
KEPT = 0.5  # share of the least probability down to which a word stays, once it was said of the picture before

Floats = NDArray[np.float32]


class SceneTags:
    """Probabilities of words.

    Args:
        words: Names of the columns.
        weight: ``(features, words)``, for features of mean 0 and deviation 1.
        offset: ``(words,)``.
        mean, scale: Of the features.
        least: Probability from which a word may be said; words without one never are.
        detector: Revision of the detector whose features these are.
        revision: The beginning of the SHA-256 of the weights.
    """

    def __init__(
        self,
        words: Sequence[str],
        weight: Floats,
        offset: Floats,
        mean: Floats,
        scale: Floats,
        least: dict[str, float],
        detector: str,
        revision: str = "unknown",
    ) -> None:
        self.words, self.least, self.detector, self.revision = tuple(words), dict(least), detector, revision
        self._mean, self._scale = mean.astype(np.float32), scale.astype(np.float32)
        self._weight = (weight / scale[:, None]).astype(np.float32)
        self._offset = (offset - (mean / scale) @ weight).astype(np.float32)

    @classmethod
    def load(cls, data: bytes) -> SceneTags:
        """From the bytes of a safetensors file.

        Raises:
            InputError: Not weights of scene tags.
        """
        try:
            stored, about = read_tensors(data)
            tensors = {name: value.float().numpy() for name, value in stored.items()}
            least = {str(word): float(value) for word, value in json.loads(about["least"]).items()}
            words = [str(word) for word in json.loads(about["words"])]
            weight, offset, mean, scale = (tensors[name] for name in ("weight", "offset", "mean", "scale"))
            digest = sha256(data).hexdigest()[:12]
            made = cls(words, weight, offset, mean, scale, least, about["detector"], digest)
            if made._weight.shape != (tensors["mean"].size, len(words)):
                raise ValueError(f"{made._weight.shape} weights for {len(words)} words")
        except (MissingResourceError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"these are not the weights of scene tags: {error}") from error
        return made

    def likely(self, summaries: Floats) -> Floats:
        """Probability of every word: of a picture from its summary ``(features,)``, of several from ``(n, features)``.

        Of several pictures the evidence is averaged, since a word is about all of them.
        """
        evidence = np.atleast_2d(summaries) @ self._weight + self._offset
        return (1.0 / (1.0 + np.exp(-evidence.mean(axis=0)))).astype(np.float32)

    def alike(self, first: Floats, second: Floats) -> float:
        """How alike two pictures are as scenes, -1..1, from their summaries: the cosine of what sets each of them off.

        Neighbours of one shot lie mostly above .6, pictures of different clips mostly below .3.
        """
        return float(self.look(first) @ self.look(second))

    def look(self, summary: Floats) -> Floats:
        """What sets a picture off from others, of length 1: features of mean 0 and deviation 1 before that."""
        off = (summary - self._mean) / self._scale
        return np.asarray(off / max(1e-9, float(np.linalg.norm(off))), np.float32)

    def look_in_parts(self, parts: Floats) -> Floats:
        """The same in cells of a grid, each of which counts as much: features ``(n, rows, columns)``, of length 1.

        Args:
            parts: Features of each cell; the first n of the summary are their means.
        """
        n = len(parts)
        off = (parts.reshape(n, -1) - self._mean[:n, None]) / self._scale[:n, None]
        off /= np.maximum(1e-9, np.linalg.norm(off, axis=0))
        return np.asarray(off.ravel() / off.shape[1] ** 0.5, np.float32)

    def said(self, likely: Floats, before: frozenset[str] = frozenset()) -> frozenset[str]:
        """Words that may be said, given their probabilities.

        Args:
            before: What was said of a picture before this one. Such a word stays until it is clearly wrong, so that
                two pictures of one scene get the same words.
        """
        return frozenset(
            word
            for word, p in zip(self.words, likely.tolist(), strict=True)
            if word in self.least and p >= self.least[word] * (KEPT if word in before else 1.0)
        )
