"""Frame pairs worth looking at: where an image embedding and PSSS disagree, and where the focus changes the answer.

The pairs are those that SKEM itself compares, so each stands for a keyframe that was or was not made.

Source: Ma et al. 2026 (arXiv:2606.12899), Appendices A and B.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from lgvsc.config import Config
from lgvsc.core.interfaces import Focus
from lgvsc.core.video import Frame, OnNotes, Pixels, VideoReader
from lgvsc.errors import ConfigError
from lgvsc.semantics.cuts import CutDetector
from lgvsc.semantics.embedding import ImageEmbedder
from lgvsc.semantics.keyframes import choose_keyframes
from lgvsc.semantics.psss import Psss, Score

SHOWN_WIDTH = 320  # pixels of a picture on the page


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """A keyframe and a frame that SKEM compared with it.

    Attributes:
        first, second: Frame indices.
        pictures: Both as JPEG, at most 320 pixels wide.
        scores: What the judge said, by focus.
        similarity: Cosine of the two image embeddings, where there is an embedding.
    """

    clip: str
    fps: float
    first: int
    second: int
    pictures: tuple[bytes, bytes]
    scores: dict[Focus, Score]
    similarity: float | None = None

    def divergence(self, focus: Focus) -> float:
        return self.scores[focus].s_rel


@dataclass(frozen=True, slots=True)
class EmbeddingRule:
    """When an image embedding would make a keyframe.

    Attributes:
        threshold: Below this cosine two frames count as different.
        similar_from: A pair of type 1 is at least as similar as this.
        moderate_from: A pair of type 2 is at least as similar as this, and below the threshold.
        words: Where the numbers come from.
    """

    threshold: float
    similar_from: float
    moderate_from: float
    words: str

    def __post_init__(self) -> None:
        if not -1 <= self.moderate_from <= self.threshold <= self.similar_from <= 1:
            raise ConfigError(
                f"embedding thresholds must rise: {self.moderate_from:g} <= {self.threshold:g} <= {self.similar_from:g}"
            )


PAPERS_RULE = EmbeddingRule(0.95, 0.96, 0.92, "as in LGVSC, Appendix A, for CLIP")


@dataclass(frozen=True, slots=True)
class Disagreements:
    """What two ways of choosing keyframes made of the same pairs.

    Attributes:
        type_1: PSSS makes a keyframe, the embedding finds the frames alike; most alike first.
        type_2: The embedding would make a keyframe, PSSS says that it is the same; surest first.
        both, psss_only, embedding_only, neither: How many pairs there are of each kind.
    """

    rule: EmbeddingRule
    type_1: list[Pair]
    type_2: list[Pair]
    both: int
    psss_only: int
    embedding_only: int
    neither: int

    @property
    def pairs(self) -> int:
        return self.both + self.psss_only + self.embedding_only + self.neither


def skem_pairs(
    video: Path,
    config: Config,
    similarities: Sequence[Psss],
    embedder: ImageEmbedder | None = None,
    on_notes: OnNotes = lambda _: None,
) -> Iterator[Pair]:
    """Every pair that SKEM compares in a video.

    Args:
        similarities: The first one chooses the keyframes; the others score the same pairs, each with another focus.
        embedder: Says how alike the frames look.
        on_notes: Called with what was changed on reading the video.
    """
    found: dict[tuple[int, int], Pair] = {}
    vectors: dict[int, NDArray[np.float32]] = {}
    fps = 25.0

    def vector(frame: Frame) -> NDArray[np.float32]:
        if embedder is not None and frame.index not in vectors:
            vectors[frame.index] = embedder.embed([frame])[0]
        return vectors[frame.index]

    def score(keyframe: Frame, candidates: Sequence[Frame]) -> list[float]:
        rows = {psss.focus: psss.scores(keyframe, candidates) for psss in similarities}
        for place, frame in enumerate(candidates):
            found[keyframe.index, frame.index] = Pair(
                video.stem,
                fps,
                keyframe.index,
                frame.index,
                (as_jpeg(keyframe.pixels), as_jpeg(frame.pixels)),
                {focus: scores[place] for focus, scores in rows.items()},
                float(vector(keyframe) @ vector(frame)) if embedder is not None else None,
            )
        return [one.divergence for one in rows[similarities[0].focus]]

    with VideoReader(video, max_side=config.link.max_side) as reader:
        fps = float(reader.format.fps)
        for choice in choose_keyframes(
            reader, reader.format, config.keyframes, score, CutDetector(config.message.cuts)
        ):
            if choice.keyframe:  # what was compared ahead with an older keyframe does not count
                known = [pair for (_, second), pair in found.items() if second <= choice.frame.index]
                yield from known
                found.clear()
                vectors.clear()
        on_notes(reader.notes)
    yield from found.values()


def matched_rule(pairs: Sequence[Pair], focus: Focus, eta: float) -> EmbeddingRule:
    """The threshold at which an embedding makes as many keyframes out of these pairs as PSSS does.

    For embeddings whose cosines are on another scale than CLIP's, so that the paper's numbers mean nothing for them.
    """
    hits = sum(pair.divergence(focus) > eta for pair in pairs)
    ranked = sorted(pair.similarity or 0.0 for pair in pairs)
    threshold = ranked[min(hits, len(ranked) - 1)] if ranked else 0.0
    threshold = float(np.clip(threshold, -1.0, 1.0))
    words = f"set so that as many of these pairs are below it as PSSS calls different, {hits} of {len(ranked)}"
    return EmbeddingRule(threshold, threshold, -1.0, words)


def disagreements(
    pairs: Sequence[Pair], focus: Focus, eta: float, rule: EmbeddingRule, *, count: int = 6, per_clip: int = 2
) -> Disagreements:
    """Where PSSS and the embedding disagree, types 1 and 2 of Appendix A.

    Args:
        eta: Threshold of S_rel.
        count, per_clip: Pairs that are shown of each type, at most, and of each clip among them.
    """

    def kind(pair: Pair) -> tuple[bool, bool]:
        return pair.divergence(focus) > eta, (pair.similarity or 0.0) < rule.threshold

    kinds = [kind(pair) for pair in pairs]
    type_1 = [p for p in pairs if p.divergence(focus) > eta and (p.similarity or 0.0) >= rule.similar_from]
    type_2 = [
        p for p in pairs if rule.moderate_from <= (p.similarity or 0.0) < rule.threshold and p.divergence(focus) < 0.0
    ]
    return Disagreements(
        rule,
        spread(type_1, lambda pair: -(pair.similarity or 0.0), count, per_clip),
        spread(type_2, lambda pair: pair.divergence(focus), count, per_clip),
        both=kinds.count((True, True)),
        psss_only=kinds.count((True, False)),
        embedding_only=kinds.count((False, True)),
        neither=kinds.count((False, False)),
    )


def focus_switches(
    pairs: Iterable[Pair], first: Focus, second: Focus, *, count: int = 6, per_clip: int = 2
) -> list[Pair]:
    """Pairs that differ most under the first focus while they stay the same under the second, Appendix B."""
    return spread(list(pairs), lambda pair: pair.divergence(second) - pair.divergence(first), count, per_clip)


def spread(pairs: Sequence[Pair], order: Callable[[Pair], float], count: int, per_clip: int) -> list[Pair]:
    """The first ones in an order, few of each clip."""
    taken: list[Pair] = []
    for pair in sorted(pairs, key=order):
        if len(taken) == count:
            break
        if sum(other.clip == pair.clip for other in taken) < per_clip:
            taken.append(pair)
    return taken


def as_jpeg(pixels: Pixels) -> bytes:
    """A picture of the size at which it is shown."""
    height, width = pixels.shape[:2]
    if width > SHOWN_WIDTH:
        size = (SHOWN_WIDTH, max(1, round(height * SHOWN_WIDTH / width)))
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()
